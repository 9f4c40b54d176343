#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// How a simulated fraud is done. Only the simulator and its judges know it; no record carries it.
public enum FraudPattern: String, Sendable, Hashable, CaseIterable {
    /// Cards read at a hot terminal, their copies used in a burst.
    case clonedCard = "cloned_card"
    /// Card details used on line for some days.
    case cardNotPresent = "card_not_present"
    /// A victim persuaded to transfer money to a mule.
    case scamTransfer = "scam_transfer"
    /// The money passed on between mules.
    case muleTransfer = "mule_transfer"
    /// The money taken out at ATMs.
    case cashOut = "cash_out"
}

/// What a victim will complain of.
struct Campaign: Sendable {
    let victim: Int
    let crimeType: String
    let began: Timestamp
    let loss: Double
    /// The accounts that the money came to, in order; the victim knows the first.
    let suspects: [Int]
}

/// All fraud of a world: hot terminals and the cards copied there, stolen card details, and the gangs' ``Scams``.
///
/// Assumptions: six gangs, whose mules also live an ordinary small life; a terminal stays hot for one to three weeks and spoils
/// one card in eight; thieves choose busy terminals; most copies are used in a burst at night; card details are used on line for days.
struct FraudCampaigns {
    let population: Population
    let start: Timestamp
    let days: Int
    private(set) var drafts: [Draft] = []
    private(set) var campaigns: [Campaign] = []

    init(population: Population, start: Timestamp, days: Int, honest: [Draft], random: RandomSource) {
        self.population = population
        self.start = start
        self.days = days
        var random = random
        let gangs = (0..<6).map { _ in Gang(population, start: start, days: days, &random) }
        clonedCards(honest, gangs, &random)
        stolenDetails(&random)
        let scams = Scams(
            population: population, start: start, days: days, gangs: gangs, firstCampaign: campaigns.count, random: &random)
        drafts += scams.drafts
        campaigns += scams.campaigns
    }

    // MARK: Cloned cards

    private mutating func clonedCards(_ honest: [Draft], _ gangs: [Gang], _ random: inout RandomSource) {
        struct Skimmer {
            let from: Timestamp
            let to: Timestamp
            let gang: Gang
        }
        var hot: [Int: Skimmer] = [:]
        let visited = honest.compactMap { draft in if case .shop(let shop) = draft.place { shop } else { nil } }
        for _ in 0..<max(days / 3, 2) where !visited.isEmpty {
            let from = start + .days(random.integer(below: days)) + .hours(random.integer(below: 24))
            let span = TimeSpan.days(7 + random.integer(below: 15))
            hot[random.pick(visited)] = Skimmer(from: from, to: from + span, gang: random.pick(gangs))
        }
        for draft in honest {
            guard case .shop(let shop) = draft.place, let skimmer = hot[shop], skimmer.from <= draft.time, draft.time < skimmer.to,
                random.chance(1.0 / 8)
            else { continue }
            let night = nightAfter(draft.time + .hours(12 + random.integer(below: 72)), &random)
            burst(victim: draft.person, from: night, gang: skimmer.gang, &random)
        }
    }

    /// Several payments with a copied card within two hours.
    private mutating func burst(victim: Int, from began: Timestamp, gang: Gang, _ random: inout RandomSource) {
        let person = population.people[victim]
        var time = began
        var loss = 0.0
        let ground = gang.season(at: began).ground
        for _ in 0..<(2 + random.integer(below: 5)) {
            let isCash = random.chance(0.45)
            let amount = random.logNormal(median: person.medianAmount * 3, sigma: 0.7)
            let draft = Draft(
                person: victim, time: time, channel: isCash ? .atm : .pos, amount: isCash ? Draft.banknotes(amount * 2) : amount,
                place: isCash ? .atm(random.pick(ground)) : .shop(random.integer(below: population.shops.count)),
                pattern: .clonedCard, campaign: campaigns.count)
            loss += draft.amount
            drafts.append(draft)
            time = time + .seconds(120 + Int(random.exponential(mean: 1_200)))
        }
        campaigns.append(Campaign(victim: victim, crimeType: "card_cloning", began: began, loss: loss, suspects: []))
    }

    /// Most copies are used between one and five in the morning, local time.
    private func nightAfter(_ time: Timestamp, _ random: inout RandomSource) -> Timestamp {
        guard random.chance(0.7) else { return time }
        let midnight = Timestamp(seconds: time.seconds - time.seconds % 86_400)
        let local = random.uniform(1..<5) - World.hoursAheadOfUTC
        return midnight + .seconds(Int((24 + local) * 3_600))
    }

    // MARK: Stolen card details

    private mutating func stolenDetails(_ random: inout RandomSource) {
        let count = random.poissonLarge(mean: Double(population.people.count * days) / 1_500)
        for _ in 0..<count {
            let victim = random.integer(below: population.people.count)
            let person = population.people[victim]
            let began = start + .seconds(Int(random.uniform() * Double(days) * 86_400))
            var time = began
            var loss = 0.0
            let device = "DVX\(padded(random.integer(below: 1_000_000), 6))"
            for _ in 0..<(1 + random.poisson(mean: 3)) {
                let draft = Draft(
                    person: victim, time: time, channel: .ecommerce, amount: random.logNormal(median: person.medianAmount * 2.5, sigma: 0.8),
                    place: .online(random.integer(below: population.onlineShops.count)), pattern: .cardNotPresent,
                    campaign: campaigns.count, foreignDevice: device)
                loss += draft.amount
                drafts.append(draft)
                time = time + .seconds(Int(random.exponential(mean: 20 * 3_600)))
            }
            campaigns.append(Campaign(victim: victim, crimeType: "card_not_present_fraud", began: began, loss: loss, suspects: []))
        }
    }
}
