public import Records

/// What to simulate. The same configuration gives the same world, record for record.
public struct WorldConfiguration: Sendable, Hashable {
    public var seed: UInt64
    /// Midnight UTC of the first day.
    public var start: Timestamp
    public var days: Int
    public var customers: Int
    public var shops: Int
    public var atms: Int
    /// The partner bank that all customers belong to.
    public var bankID: String

    public init(
        start: Timestamp, seed: UInt64 = 2026, days: Int = 45, customers: Int = 1_500, shops: Int = 500, atms: Int = 120,
        bankID: String = "sagarpur-bank"
    ) {
        self.seed = seed
        self.start = start
        self.days = max(days, 1)
        self.customers = max(customers, 10)
        self.shops = max(shops, 10)
        self.atms = max(atms, 8)
        self.bankID = bankID
    }

    /// Its first day, in the ids of payments and complaints: an id is taken once and for all, and worlds of different days meet in one suite.
    var idPrefix: String { start.iso8601.prefix(10).filter { $0 != "-" } + "-" }
}

/// A seeded world of customers, accounts, cards, shops, ATMs, mules and complaints in a made-up city.
///
/// Honest spending and fraud are made apart and then merged, so that a record carries nothing but what a bank would see.
/// What only the simulator knows stays in ``truth`` and ``cashOuts``, which no model may read. Times are UTC, amounts Indian rupees.
///
/// What is assumed stands with each part: the ground and its quarters in `City`, habits in `Population`, what honest people do in
/// `Spending` (journeys and large purchases are the noise that looks like fraud), hot terminals, night bursts and stolen card details in
/// `FraudCampaigns`, gangs whose grounds and mules change in `Gang`, mule chains and cash-outs that are split over machines and days in
/// `Scams`, late and inexact complaints, unreported fraud and mistaken labels in `Reports`.
public struct World: Sendable {
    public let configuration: WorldConfiguration
    public let jurisdictions: [Jurisdiction]
    /// Shops, online shops and ATMs.
    public let terminals: [Terminal]
    public let customers: [Customer]
    /// By event time.
    public let transactions: [Transaction]
    /// By the time they became known. A fraud that nobody reports has the label of an honest payment, as in life.
    public let labels: [Label]
    /// By the time they were reported: after the crime, by hours or days.
    public let complaints: [Complaint]
    public let contextSignals: [ContextSignal]
    /// Which transactions are fraud and how it was done; only for judging.
    public let truth: [TransactionKey: FraudPattern]

    /// The withdrawals with which money of scams was taken out, by time; only for judging.
    public let cashOuts: [CashOut]

    static let hoursAheadOfUTC = 5.5
    /// An honest payment counts as such when nobody has complained for so long.
    static let quietDays = 7

    /// - Parameter progress: is told now and then how much is done, 0…1.
    public init(_ configuration: WorldConfiguration, progress: (Double) -> Void = { _ in }) {
        self.configuration = configuration
        let random = RandomSource(seed: configuration.seed)
        let city = City(random: random.stream(1))
        let population = Population(
            city: city, customers: configuration.customers, shops: configuration.shops, atms: configuration.atms, random: random.stream(2))
        let spending = Spending(population: population, start: configuration.start, days: configuration.days)
        var honest: [Draft] = []
        for index in population.people.indices {
            var own = random.stream(1_000 + UInt64(index))
            honest += spending.drafts(for: index, random: &own)
            if index % 64 == 0 { progress(Double(index) / Double(population.people.count) / 2) }
        }
        honest.sort { $0.time < $1.time }
        let fraud = FraudCampaigns(
            population: population, start: configuration.start, days: configuration.days, honest: honest, random: random.stream(3))

        let end = configuration.start + .days(configuration.days)
        let drafts = (honest + fraud.drafts).filter { $0.time < end }.enumerated()
            .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
        let reports = Reports(city: city, population: population, campaigns: fraud.campaigns, configuration: configuration, random: random.stream(4))
        let book = Bookkeeping(population: population, bankID: configuration.bankID, idPrefix: configuration.idPrefix)
        var transactions: [Transaction] = []
        var truth: [TransactionKey: FraudPattern] = [:]
        var cashOuts: [CashOut] = []
        transactions.reserveCapacity(drafts.count)
        for (index, draft) in drafts.enumerated() {
            let transaction = book.transaction(draft, number: index)
            transactions.append(transaction)
            if index % 8_192 == 0 { progress(0.5 + Double(index) / Double(drafts.count) / 2) }
            if let pattern = draft.pattern { truth[transaction.key] = pattern }
            if draft.pattern == .cashOut, let campaign = draft.campaign, let atm = transaction.terminalID {
                cashOuts.append(
                    CashOut(
                        complaintID: reports.complaintID(ofCampaign: campaign), transaction: transaction.key, time: draft.time, atmID: atm))
            }
        }
        jurisdictions = city.jurisdictions
        terminals = population.shops.map(\.terminal) + population.onlineShops.map(\.terminal) + population.atms
        customers = population.people.map { Customer(customerID: $0.customerID, home: $0.home) }
        self.transactions = transactions
        self.truth = truth
        self.cashOuts = cashOuts
        complaints = reports.complaints(until: end)
        labels = reports.labels(drafts, transactions, random: random.stream(5))
        contextSignals = Self.festivals(configuration, random: random.stream(6))
    }

    /// Days on which the city is out late.
    private static func festivals(_ configuration: WorldConfiguration, random: RandomSource) -> [ContextSignal] {
        var random = random
        return (0..<max(configuration.days / 15, 1)).map { index in
            let start = configuration.start + .days(random.integer(below: configuration.days))
            return ContextSignal(
                signalID: "festival-\(index + 1)", kind: "festival", start: start, end: start + .days(1),
                location: City.place(0, 0), value: random.uniform(0.2..<1), attributes: ["name": "Street festival \(index + 1)"])
        }
    }
}

/// A withdrawal of stolen money, as only the simulator and its judges know it.
public struct CashOut: Sendable, Hashable {
    /// The complaint of the crime that the money comes from, which may never be made.
    public let complaintID: String
    public let transaction: TransactionKey
    public let time: Timestamp
    public let atmID: String
}

extension World {
    private static let offsetSeconds = Int(hoursAheadOfUTC * 3_600)

    /// The day on the city's calendar.
    static func localDay(_ time: Timestamp) -> Int { time.dayNumber(offsetSeconds: offsetSeconds) }

    /// When that day began in the city.
    static func localMidnight(day: Int) -> Timestamp { Timestamp(seconds: Int64(day * 86_400 - offsetSeconds)) }
}

/// Drafts to records.
struct Bookkeeping {
    let population: Population
    let bankID: String
    let idPrefix: String

    func transaction(_ draft: Draft, number: Int) -> Transaction {
        let person = population.people[draft.person]
        var transaction = Transaction(
            key: TransactionKey(bankID: bankID, transactionID: "T\(idPrefix)\(padded(number, 9))"), eventTime: draft.time, timeZone: "Asia/Kolkata",
            customerID: person.customerID, accountID: person.accountID, channel: draft.channel,
            amount: Money(minorUnits: Int64((max(draft.amount, 1) * 100).rounded()), currency: .inr))
        switch draft.place {
        case .shop(let index):
            transaction.cardID = person.cardID
            fill(&transaction, population.shops[index])
        case .online(let index):
            transaction.cardID = person.cardID
            transaction.deviceID = draft.foreignDevice ?? person.deviceID
            fill(&transaction, population.onlineShops[index])
        case .atm(let index):
            transaction.cardID = person.cardID
            transaction.terminalID = population.atms[index].terminalID
            transaction.merchantCategoryCode = MerchantCategoryCode("6011")
            transaction.location = population.atms[index].location
        case .account(let index):
            transaction.deviceID = draft.foreignDevice ?? person.deviceID
            transaction.counterpartyAccountID = population.people[index].accountID
            transaction.location = person.home
        }
        return transaction
    }

    private func fill(_ transaction: inout Transaction, _ shop: Shop) {
        transaction.terminalID = shop.terminal.terminalID
        transaction.merchantCategoryCode = MerchantCategoryCode(shop.merchantCategoryCode)
        transaction.location = shop.terminal.location
    }
}
