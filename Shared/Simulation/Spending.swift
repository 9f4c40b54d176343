#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// What honest people do with their money: the noise in which fraud hides.
///
/// Assumptions: payments of a person come as a Poisson process with a daily rhythm and a weekend swing; amounts are
/// log-normal around the person's habit and the shop's price level; one day in two hundred begins a journey on which
/// unusual shops and dearer purchases are normal; large honest purchases happen.
struct Spending {
    let population: Population
    let start: Timestamp
    let days: Int

    func drafts(for index: Int, random: inout RandomSource) -> [Draft] {
        let person = population.people[index]
        var drafts: [Draft] = []
        var journeyDaysLeft = 0
        for day in 0..<days {
            if journeyDaysLeft > 0 { journeyDaysLeft -= 1 } else if random.chance(0.005) { journeyDaysLeft = 1 + random.integer(below: 3) }
            let weekday = (start.seconds / 86_400 + Int64(day) + 4) % 7
            let swing = weekday == 0 || weekday == 6 ? 1.25 : 0.9
            for _ in 0..<random.poisson(mean: person.dailyRate * swing) {
                let time = start + .days(day) + .seconds(secondOfDay(person, &random))
                drafts.append(payment(index, person, at: time, isTravelling: journeyDaysLeft > 0, &random))
            }
        }
        return drafts
    }

    private func payment(_ index: Int, _ person: Person, at time: Timestamp, isTravelling: Bool, _ random: inout RandomSource) -> Draft {
        var amount = random.logNormal(median: person.medianAmount, sigma: person.amountSigma) * (isTravelling ? 1.6 : 1)
        if random.chance(0.004) { amount *= random.uniform(4..<12) }
        let kind = random.uniform()
        if kind < 0.62 {
            let isUnusual = isTravelling || random.chance(0.08)
            let shop =
                isUnusual
                ? random.integer(below: population.shops.count) : person.usualShops[random.index(cumulative: person.usualShopTotals)]
            return Draft(
                person: index, time: time, channel: .pos, amount: amount * population.shops[shop].priceFactor, place: .shop(shop))
        }
        if kind < 0.82 {
            let shop = random.integer(below: population.onlineShops.count)
            return Draft(
                person: index, time: time, channel: .ecommerce, amount: amount * population.onlineShops[shop].priceFactor, place: .online(shop))
        }
        if kind < 0.92 {
            let atm = isTravelling ? random.integer(below: population.atms.count) : random.pick(person.usualATMs)
            return Draft(person: index, time: time, channel: .atm, amount: Draft.banknotes(amount * 2.5), place: .atm(atm))
        }
        return Draft(
            person: index, time: time, channel: .transfer, amount: amount * random.uniform(0.5..<4),
            place: .account(random.pick(person.acquaintances)))
    }

    /// Around the person's hour, with a few payments at any time, in UTC of a city five and a half hours ahead.
    private func secondOfDay(_ person: Person, _ random: inout RandomSource) -> Int {
        let local = random.chance(0.07) ? random.uniform(0..<24) : random.normal(mean: person.peakHour, deviation: 3.2)
        let hour = (local - World.hoursAheadOfUTC).truncatingRemainder(dividingBy: 24)
        return Int((hour < 0 ? hour + 24 : hour) * 3_600)
    }
}

/// A payment before it has an identifier.
struct Draft: Sendable {
    enum Place: Sendable {
        case shop(Int), online(Int), atm(Int), account(Int)
    }

    var person: Int
    var time: Timestamp
    var channel: Channel
    /// In rupees.
    var amount: Double
    var place: Place
    var pattern: FraudPattern?
    /// Which fraud of the world it belongs to, so that a complaint can name the accounts.
    var campaign: Int?
    /// The thief's device instead of the customer's.
    var foreignDevice: String?

    /// ATMs pay out hundreds, at most ten thousand at a time.
    static func banknotes(_ amount: Double) -> Double { min(max((amount / 100).rounded() * 100, 100), 10_000) }
}
