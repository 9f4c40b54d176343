#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// A customer with the habits that the spending follows.
struct Person: Sendable {
    let customerID: String
    let accountID: String
    let cardID: String
    let deviceID: String
    let home: Coordinate
    /// Payments a day.
    let dailyRate: Double
    /// In rupees.
    let medianAmount: Double
    let amountSigma: Double
    /// Local hour around which the day's payments gather.
    let peakHour: Double
    let usualShops: [Int]
    let usualShopTotals: [Double]
    let usualATMs: [Int]
    let acquaintances: [Int]
}

struct Shop: Sendable {
    let terminal: Terminal
    let merchantCategoryCode: String
    /// How much dearer than an ordinary purchase.
    let priceFactor: Double
}

struct Population: Sendable {
    let shops: [Shop]
    let onlineShops: [Shop]
    let atms: [Terminal]
    let people: [Person]

    /// ISO 18245 codes with how dear a purchase is and how common the shop.
    private static let trades: [(code: String, price: Double, share: Double)] = [
        ("5411", 0.9, 5), ("5812", 0.8, 4), ("5541", 1.3, 2), ("5912", 0.7, 2), ("5651", 1.8, 1.5), ("5732", 4.0, 0.7),
        ("4111", 0.2, 2), ("7011", 3.5, 0.4), ("5944", 6.0, 0.3), ("8062", 2.5, 0.5),
    ]
    private static let banks = ["Sagarpur Co-operative Bank", "Deccan Peoples Bank", "Harbour Bank"]

    init(city: City, customers: Int, shops shopCount: Int, atms atmCount: Int, random: RandomSource) {
        var random = random
        let totals = runningTotals(Population.trades.map(\.share))
        shops = (0..<shopCount).map { index in
            let trade = Population.trades[random.index(cumulative: totals)]
            let place = city.settledPlace(&random, looseness: 1.2)
            return Shop(
                terminal: Terminal(
                    terminalID: "POS-\(padded(index, 5))", kind: .pos, location: place, institution: random.pick(Population.banks),
                    city: "Sagarpur"),
                merchantCategoryCode: trade.code, priceFactor: trade.price)
        }
        onlineShops = (0..<max(shopCount / 10, 1)).map { index in
            Shop(
                terminal: Terminal(terminalID: "WEB-\(padded(index, 5))", kind: .online, institution: random.pick(Population.banks)),
                merchantCategoryCode: random.pick(["5732", "5651", "5816", "4722"]), priceFactor: random.uniform(0.6..<2.5))
        }
        atms = (0..<atmCount).map { index in
            Terminal(
                terminalID: "ATM-\(padded(index, 4))", kind: .atm, location: city.settledPlace(&random, looseness: 1.3),
                institution: random.pick(Population.banks), city: "Sagarpur")
        }
        let shopPlaces = shops.compactMap(\.terminal.location)
        let atmPlaces = atms.compactMap(\.location)
        var people: [Person] = []
        people.reserveCapacity(customers)
        for index in 0..<customers {
            people.append(Population.person(index, of: customers, city: city, shops: shopPlaces, atms: atmPlaces, random: &random))
        }
        self.people = people
    }

    private static func person(
        _ index: Int, of count: Int, city: City, shops: [Coordinate], atms: [Coordinate], random: inout RandomSource
    ) -> Person {
        let home = city.settledPlace(&random)
        // Gravity: near shops are usual, with a few anywhere in town.
        var usual: [Int] = []
        var weights: [Double] = []
        for _ in 0..<60 where usual.count < 14 {
            let shop = random.integer(below: shops.count)
            let near = exp(-City.kilometres(home, shops[shop]) / 3)
            if random.chance(0.05 + near) && !usual.contains(shop) {
                usual.append(shop)
                weights.append(0.3 + random.exponential(mean: 1))
            }
        }
        if usual.isEmpty {
            usual = [random.integer(below: shops.count)]
            weights = [1]
        }
        let nearest = atms.indices.sorted { City.kilometres(home, atms[$0]) < City.kilometres(home, atms[$1]) }
        return Person(
            customerID: "C\(padded(index, 6))", accountID: "AC\(padded(index, 8))", cardID: "CD\(padded(index, 8))",
            deviceID: "DV\(padded(index, 8))", home: home, dailyRate: min(0.15 + random.exponential(mean: 0.85), 5),
            medianAmount: random.logNormal(median: 650, sigma: 0.6), amountSigma: random.uniform(0.45..<0.9),
            peakHour: random.normal(mean: 15, deviation: 3.5), usualShops: usual, usualShopTotals: runningTotals(weights),
            usualATMs: Array(nearest.prefix(3)), acquaintances: (0..<5).map { _ in random.integer(below: count) })
    }
}

func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(width - digits.count, 0)) + digits
}
