#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// Thieves who work together: a ground of ATMs and a handful of mule accounts, both of which change from season to season.
struct Gang: Sendable {
    /// Some weeks in which ground and mules stay as they are.
    struct Season: Sendable {
        let from: Timestamp
        let mules: [Mule]
        /// The ATMs of the ground.
        let ground: [Int]
    }

    struct Mule: Sendable {
        let person: Int
        /// The ATMs of the ground that this mule goes to, and how gladly, as running totals.
        let atms: [Int]
        let totals: [Double]
        /// What the mule's card gives on a day of the calendar, in rupees.
        let dailyLimit: Double
    }

    private static let groundSize = 10
    private static let muleCount = 7

    /// By time; the first covers all before it too.
    let seasons: [Season]

    init(_ population: Population, start: Timestamp, days: Int, _ random: inout RandomSource) {
        var seasons: [Season] = []
        var centre = random.integer(below: population.atms.count)
        var from = start
        while from < start + .days(days) {
            let ground = Gang.ground(around: centre, population)
            let kept = seasons.last?.mules.filter { _ in random.chance(0.4) }.map(\.person) ?? []
            let people = kept + (kept.count..<Gang.muleCount).map { _ in random.integer(below: population.people.count) }
            seasons.append(
                Season(from: from, mules: people.map { Gang.mule($0, ground, centre: centre, population, &random) }, ground: ground))
            from = from + .days(14 + random.integer(below: 21))
            if random.chance(0.5) { centre = random.chance(0.6) ? random.pick(ground) : random.integer(below: population.atms.count) }
        }
        self.seasons = seasons
    }

    func season(at time: Timestamp) -> Season { seasons.last { $0.from <= time } ?? seasons[0] }

    /// An ATM for the next withdrawal. One in eight is anywhere in town.
    static func atm(of mule: Mule, of count: Int, _ random: inout RandomSource) -> Int {
        random.chance(0.12) ? random.integer(below: count) : mule.atms[random.index(cumulative: mule.totals)]
    }

    private static func ground(around centre: Int, _ population: Population) -> [Int] {
        guard let place = population.atms[centre].location else { return [centre] }
        let distances = population.atms.map { atm in atm.location.map { City.kilometres($0, place) } ?? .infinity }
        return Array(population.atms.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }.prefix(groundSize))
    }

    private static func mule(
        _ person: Int, _ ground: [Int], centre: Int, _ population: Population, _ random: inout RandomSource
    ) -> Mule {
        let weights = ground.map { atm in
            var kilometres = 0.0
            if let a = population.atms[centre].location, let b = population.atms[atm].location { kilometres = City.kilometres(a, b) }
            return exp(-kilometres / 2.5) * random.logNormal(median: 1, sigma: 1)
        }
        return Mule(person: person, atms: ground, totals: runningTotals(weights), dailyLimit: random.pick([20_000, 25_000, 40_000]))
    }
}
