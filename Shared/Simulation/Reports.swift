#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// What victims, banks and the police come to say, and when.
///
/// Assumptions: four victims in five complain; a third of them rings the hotline within hours, the others come hours to days late. What
/// they say is inexact: the time and the sum are often rounded, the sum or the place is missing now and then, one in ten names no
/// account or a wrong one, and one in eight has it from the bank where the money went next. The bank marks what was complained of as
/// fraud after an investigation of 1 to 9 days; one honest payment in two thousand is charged back by mistake; there are complaints that
/// have nothing to do with payments.
struct Reports {
    let city: City
    let population: Population
    let bankID: String
    private let idPrefix: String
    /// By campaign: when the victim complained, nil if never.
    private let reportedAt: [Timestamp?]
    private let campaigns: [Campaign]
    private let random: RandomSource

    init(city: City, population: Population, campaigns: [Campaign], configuration: WorldConfiguration, random: RandomSource) {
        var source = random
        self.city = city
        self.population = population
        self.campaigns = campaigns
        bankID = configuration.bankID
        idPrefix = configuration.idPrefix
        reportedAt = campaigns.map { campaign in
            let hours = source.chance(0.35) ? source.logNormal(median: 1.2, sigma: 0.7) : source.logNormal(median: 12, sigma: 1.1)
            return source.chance(0.8) ? campaign.began + .seconds(900 + Int(min(hours, 240) * 3_600)) : nil
        }
        self.random = source
    }

    func complaintID(ofCampaign number: Int) -> String { "FIR-\(idPrefix)\(padded(number, 6))" }

    func complaints(until end: Timestamp) -> [Complaint] {
        var random = random.stream(1)
        var result: [Complaint] = []
        for (index, campaign) in campaigns.enumerated() {
            guard let reported = reportedAt[index], reported < end else { continue }
            result.append(complaint(of: campaign, number: index, reported: reported, &random))
        }
        let first = campaigns.map(\.began).min() ?? end
        for number in 0..<(campaigns.count / 2) {
            let occurred = first + .seconds(Int(random.uniform() * (end - first).seconds))
            let reported = occurred + .minutes(20 + Int(random.exponential(mean: 300)))
            guard reported < end else { continue }
            result.append(
                Complaint(
                    reporter: .init(kind: .agency, id: "sagarpur-police"), complaintID: "GEN-\(idPrefix)\(padded(number, 6))",
                    crimeType: random.pick(["robbery", "pickpocketing", "burglary"]), occurredAt: occurred, reportedAt: reported,
                    location: city.settledPlace(&random, looseness: 0.8)))
        }
        return result.sorted { ($0.reportedAt, $0.complaintID) < ($1.reportedAt, $1.complaintID) }
    }

    private func complaint(of campaign: Campaign, number: Int, reported: Timestamp, _ random: inout RandomSource) -> Complaint {
        let isScam = campaign.crimeType == "upi_fraud"
        let minutes = random.chance(0.5) ? 30 : 1
        let occurred = Timestamp(seconds: campaign.began.seconds - campaign.began.seconds % Int64(minutes * 60))
        let loss = random.chance(0.4) ? (campaign.loss / 500).rounded() * 500 : campaign.loss
        return Complaint(
            reporter: .init(kind: .agency, id: "sagarpur-police"), complaintID: complaintID(ofCampaign: number),
            crimeType: campaign.crimeType, occurredAt: occurred, reportedAt: reported,
            location: random.chance(0.92) ? population.people[campaign.victim].home : nil,
            amount: random.chance(0.92) ? Money(minorUnits: Int64((loss * 100).rounded()), currency: .inr) : nil,
            suspectAccountIDs: isScam ? suspects(of: campaign, &random).map { population.people[$0].accountID } : [],
            channel: isScam ? .transfer : nil)
    }

    private func suspects(of campaign: Campaign, _ random: inout RandomSource) -> [Int] {
        let draw = random.uniform()
        if draw < 0.06 { return [] }
        if draw < 0.10 { return [random.integer(below: population.people.count)] }
        return Array(campaign.suspects.prefix(draw < 0.22 ? 2 : 1))
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
