#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// Victims persuaded to transfer money, the mule chain that it runs through, and the cash-out at its end.
///
/// Assumptions:
/// - The victim pays one to three times within the hour, all to one mule of the gang.
/// - A mule passes nearly all on to one to three others within 10 to 90 minutes, and in one case of three those pass it on once more.
/// - A third of the last mules goes to an ATM within the hour or so, a third some hours later, a third waits for the night; what the
///   card's daily limit leaves over waits for the next day. A mule changes the ATM from one withdrawal to the next about as often as not.
/// - One branch in ten is never taken out in cash.
struct Scams {
    private enum Haste { case atOnce, hours, night }

    let population: Population
    let start: Timestamp
    let days: Int
    private(set) var drafts: [Draft] = []
    private(set) var campaigns: [Campaign] = []
    private var campaign = 0

    init(population: Population, start: Timestamp, days: Int, gangs: [Gang], firstCampaign: Int, random: inout RandomSource) {
        self.population = population
        self.start = start
        self.days = days
        for number in 0..<random.poissonLarge(mean: Double(population.people.count * days) / 700) {
            campaign = firstCampaign + number
            let gang = random.pick(gangs)
            let began = start + .seconds(Int(random.uniform() * Double(days) * 86_400))
            scam(victim: random.integer(below: population.people.count), at: began, gang.season(at: began), &random)
        }
    }

    private mutating func scam(victim: Int, at began: Timestamp, _ season: Gang.Season, _ random: inout RandomSource) {
        let first = random.pick(season.mules)
        var time = began
        var loss = 0.0
        for _ in 0..<(1 + random.integer(below: 3)) {
            let amount = random.logNormal(median: 18_000, sigma: 0.7)
            loss += amount
            transfer(amount, from: victim, to: first.person, at: time, as: .scamTransfer)
            time = time + .seconds(60 + Int(random.exponential(mean: 900)))
        }
        var reached = [first.person]
        pass(loss, from: first, at: time, hops: random.chance(0.33) ? 2 : 1, season, &reached, &random)
        campaigns.append(Campaign(victim: victim, crimeType: "upi_fraud", began: began, loss: loss, suspects: reached))
    }

    /// Hands the money on; the accounts that it comes to are appended to `reached`.
    private mutating func pass(
        _ sum: Double, from mule: Gang.Mule, at time: Timestamp, hops: Int, _ season: Gang.Season, _ reached: inout [Int],
        _ random: inout RandomSource
    ) {
        let branches = 1 + random.integer(below: 3)
        let others = season.mules.filter { $0.person != mule.person }
        for _ in 0..<branches where !others.isEmpty {
            let next = random.pick(others)
            let passed = time + .minutes(10 + random.integer(below: 80))
            let share = sum * random.uniform(0.85..<0.98) / Double(branches)
            transfer(share, from: mule.person, to: next.person, at: passed, as: .muleTransfer)
            reached.append(next.person)
            if hops > 1 {
                pass(share, from: next, at: passed, hops: hops - 1, season, &reached, &random)
            } else if random.chance(0.9) {
                cashOut(share, by: next, from: passed, &random)
            }
        }
    }

    private mutating func transfer(_ amount: Double, from payer: Int, to payee: Int, at time: Timestamp, as pattern: FraudPattern) {
        drafts.append(
            Draft(
                person: payer, time: time, channel: .transfer, amount: amount, place: .account(payee), pattern: pattern,
                campaign: campaign))
    }

    // MARK: Cash

    private mutating func cashOut(_ sum: Double, by mule: Gang.Mule, from passed: Timestamp, _ random: inout RandomSource) {
        var left = sum * random.uniform(0.75..<1)
        var time = begin(after: passed, &random)
        var day = World.localDay(time)
        var takenToday = 0.0
        var atm = Gang.atm(of: mule, of: population.atms.count, &random)
        for _ in 0..<20 where left > 500 {
            if takenToday + 500 > mule.dailyLimit {
                time = World.localMidnight(day: day + 1) + .seconds(60 + Int(random.exponential(mean: random.chance(0.5) ? 1_800 : 30_000)))
            }
            if World.localDay(time) != day {
                day = World.localDay(time)
                takenToday = 0
            }
            let amount = Draft.banknotes(min(left, random.uniform(4_000..<10_000), max(mule.dailyLimit - takenToday, 500)))
            drafts.append(
                Draft(
                    person: mule.person, time: time, channel: .atm, amount: amount, place: .atm(atm), pattern: .cashOut,
                    campaign: campaign))
            left -= amount
            takenToday += amount
            let changes = random.chance(0.55)
            if changes { atm = Gang.atm(of: mule, of: population.atms.count, &random) }
            time = time + .seconds(changes ? 420 + Int(random.exponential(mean: 1_800)) : 60 + Int(random.exponential(mean: 120)))
        }
    }

    private func begin(after passed: Timestamp, _ random: inout RandomSource) -> Timestamp {
        let haste: Haste = random.pick([.atOnce, .hours, .night])
        switch haste {
        case .atOnce: return passed + .minutes(12 + Int(random.exponential(mean: 40)))
        case .hours:
            // Log-logistic: the longer one has waited, the likelier one waits on.
            let draw = random.uniform(0.02..<0.98)
            return passed + .minutes(30 + Int(210 * pow(draw / (1 - draw), 1 / 1.6)))
        case .night:
            let evening = World.localMidnight(day: World.localDay(passed) + 1) - .hours(2)
            let night = evening + .seconds(Int(random.uniform(0..<5) * 3_600))
            return night > passed + .minutes(10) ? night : night + .days(1)
        }
    }
}
