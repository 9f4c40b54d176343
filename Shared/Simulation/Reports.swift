#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// What victims, banks and the police come to say, and when.
///
/// Assumptions: four victims in five complain, hours to days after the crime; the bank marks what was complained of as
/// fraud after an investigation of 1 to 9 days; one honest payment in two thousand is charged back by mistake; there are
/// complaints that have nothing to do with payments.
struct Reports {
    let city: City
    let population: Population
    let bankID: String
    /// By campaign: when the victim complained, nil if never.
    private let reportedAt: [Timestamp?]
    private let campaigns: [Campaign]
    private let random: RandomSource

    init(city: City, population: Population, campaigns: [Campaign], bankID: String, random: RandomSource) {
        var source = random
        self.city = city
        self.population = population
        self.campaigns = campaigns
        self.bankID = bankID
        reportedAt = campaigns.map { campaign in
            let hours = min(source.logNormal(median: 7, sigma: 1.1), 240)
            return source.chance(0.8) ? campaign.began + .seconds(Int(hours * 3_600)) : nil
        }
        self.random = source
    }

    func complaints(until end: Timestamp) -> [Complaint] {
        var random = random.stream(1)
        var result: [Complaint] = []
        for (index, campaign) in campaigns.enumerated() {
            guard let reported = reportedAt[index], reported < end else { continue }
            let victim = population.people[campaign.victim]
            result.append(
                Complaint(
                    reporter: .init(kind: .agency, id: "sagarpur-police"), complaintID: "FIR-\(padded(index, 6))",
                    crimeType: campaign.crimeType, occurredAt: campaign.began, reportedAt: reported, location: victim.home,
                    amount: Money(minorUnits: Int64((campaign.loss * 100).rounded()), currency: .inr),
                    suspectAccountIDs: campaign.suspects.map { population.people[$0].accountID },
                    channel: campaign.crimeType == "upi_fraud" ? .transfer : nil))
        }
        let first = campaigns.map(\.began).min() ?? end
        for number in 0..<(campaigns.count / 2) {
            let occurred = first + .seconds(Int(random.uniform() * (end - first).seconds))
            let reported = occurred + .minutes(20 + Int(random.exponential(mean: 300)))
            guard reported < end else { continue }
            result.append(
                Complaint(
                    reporter: .init(kind: .agency, id: "sagarpur-police"), complaintID: "GEN-\(padded(number, 6))",
                    crimeType: random.pick(["robbery", "pickpocketing", "burglary"]), occurredAt: occurred, reportedAt: reported,
                    location: city.settledPlace(&random, looseness: 0.8)))
        }
        return result.sorted { ($0.reportedAt, $0.complaintID) < ($1.reportedAt, $1.complaintID) }
    }

    /// One label a transaction; `drafts` and `transactions` go in step.
    func labels(_ drafts: [Draft], _ transactions: [Transaction], random: RandomSource) -> [Label] {
        var random = random
        var result: [Label] = []
        result.reserveCapacity(drafts.count)
        for (draft, transaction) in zip(drafts, transactions) {
            if draft.pattern != nil, let campaign = draft.campaign, let reported = reportedAt[campaign] {
                let known = max(reported, draft.time) + .seconds(Int(random.uniform(1..<9) * 86_400))
                result.append(Label(key: transaction.key, isFraud: true, knownAt: known, source: "investigation"))
            } else {
                let isMistake = draft.pattern == nil && random.chance(0.000_5)
                result.append(
                    Label(
                        key: transaction.key, isFraud: isMistake, knownAt: draft.time + .days(World.quietDays),
                        source: isMistake ? "chargeback" : "no_report"))
            }
        }
        return result.sorted { ($0.knownAt, $0.key.transactionID) < ($1.knownAt, $1.key.transactionID) }
    }
}
