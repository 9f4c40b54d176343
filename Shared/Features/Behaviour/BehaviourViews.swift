public import Records

extension BehaviourSet {
    /// What is kept of accounts, cards, devices, merchants, pairs of payer and payee, and places. This is the one place that declares it.
    ///
    /// Windows slide with the moment that is asked about and end with it: (t − window, t].
    public static let standard = BehaviourSet(views: account + card + device + merchant + pair + cell)

    private static let account: [BehaviourView] = [
        .init(.account, "out_count_1m", .count(.out), over: .minutes(1), "Payments out of the account in a minute"),
        .init(.account, "out_count_1h", .count(.out), over: .hours(1), "Payments out of the account in an hour"),
        .init(.account, "out_sum_1d", .sum(.out), over: .days(1), "Money out of the account in a day"),
        .init(.account, "out_mean_90d", .mean(.out), over: .days(90), "Mean payment out of the account in 90 days"),
        .init(.account, "out_max_90d", .max(.out), over: .days(90), "Largest payment out of the account in 90 days"),
        .init(
            .account, "out_share_1d_of_30d", .share(.out, ofWindow: .days(30)), over: .days(1),
            "Share of the money of 30 days that went out in the last one"),
        .init(.account, "in_count_1d", .count(.in), over: .days(1), "Payments into the account in a day"),
        .init(.account, "in_sum_1d", .sum(.in), over: .days(1), "Money into the account in a day"),
        .init(.account, "fan_in_1d", .distinct(.in), over: .days(1), "Accounts that paid into it in a day\(orCustomer)"),
        .init(.account, "fan_in_30d", .distinct(.in), over: .days(30), "Accounts that paid into it in 30 days\(orCustomer)"),
        .init(.account, "fan_out_1d", .distinct(.out), over: .days(1), "Accounts or terminals that it paid in a day"),
        .init(.account, "fan_out_30d", .distinct(.out), over: .days(30), "Accounts or terminals that it paid in 30 days"),
        .init(.account, "pass_through_1h", .passThrough, over: .hours(1), "Share of the money of an hour that went in and out again"),
        .init(.account, "pass_through_1d", .passThrough, over: .days(1), "Share of the money of a day that went in and out again"),
        .init(.account, "out_decayed_7d", .decayed(.out), over: .days(7), "Money out, halved for every 7 days, over 28 days"),
        .init(.account, "seconds_since_in", .secondsSince(.in), over: .days(90), "Seconds since money last came in"),
        .init(.account, "seconds_since_out", .secondsSince(.out), over: .days(90), "Seconds since money last went out"),
    ]

    /// One who pays both with and without naming the account counts twice.
    private static let orCustomer = " (a payer whose account a payment does not name counts as customer, beside the account)"

    private static let card: [BehaviourView] = [
        .init(.card, "count_1m", .count(.out), over: .minutes(1), "Payments of the card in a minute"),
        .init(.card, "count_1h", .count(.out), over: .hours(1), "Payments of the card in an hour"),
        .init(.card, "terminals_1h", .distinct(.out), over: .hours(1), "Terminals that the card was used at in an hour"),
        .init(.card, "terminals_30d", .distinct(.out), over: .days(30), "Terminals that the card was used at in 30 days"),
        .init(.card, "max_30d", .max(.out), over: .days(30), "Largest payment of the card in 30 days"),
        .init(.card, "decayed_1d", .decayed(.out), over: .days(1), "Money paid by the card, halved for every day, over 4 days"),
        .init(.card, "seconds_since", .secondsSince(.out), over: .days(30), "Seconds since the card was last used"),
    ]

    private static let device: [BehaviourView] = [
        .init(.device, "count_10m", .count(.out), over: .minutes(10), "Payments from the device in ten minutes"),
        .init(.device, "sum_1d", .sum(.out), over: .days(1), "Money paid from the device in a day"),
        .init(.device, "customers_1d", .distinct(.out), over: .days(1), "Customers that paid from the device in a day"),
        .init(.device, "customers_30d", .distinct(.out), over: .days(30), "Customers that paid from the device in 30 days"),
        .init(.device, "seconds_since", .secondsSince(.out), over: .days(30), "Seconds since the device was last used"),
    ]

    private static let merchant: [BehaviourView] = [
        .init(.merchant, "count_10m", .count(.out), over: .minutes(10), "Payments to the merchant in ten minutes"),
        .init(.merchant, "sum_1d", .sum(.out), over: .days(1), "Money paid to the merchant in a day"),
        .init(.merchant, "mean_30d", .mean(.out), over: .days(30), "Mean payment to the merchant in 30 days"),
        .init(.merchant, "max_30d", .max(.out), over: .days(30), "Largest payment to the merchant in 30 days"),
        .init(.merchant, "customers_1h", .distinct(.out), over: .hours(1), "Customers that paid the merchant in an hour"),
        .init(.merchant, "customers_30d", .distinct(.out), over: .days(30), "Customers that paid the merchant in 30 days"),
        .init(
            .merchant, "share_1d_of_30d", .share(.out, ofWindow: .days(30)), over: .days(1),
            "Share of the merchant's money of 30 days that was paid in the last one"),
        .init(.merchant, "seconds_since", .secondsSince(.out), over: .days(30), "Seconds since the merchant was last paid"),
    ]

    private static let pair: [BehaviourView] = [
        .init(.pair, "count_1d", .count(.out), over: .days(1), "Payments from this account to that one in a day"),
        .init(.pair, "count_90d", .count(.out), over: .days(90), "Payments from this account to that one in 90 days"),
        .init(.pair, "sum_90d", .sum(.out), over: .days(90), "Money from this account to that one in 90 days"),
        .init(.pair, "max_90d", .max(.out), over: .days(90), "Largest payment from this account to that one in 90 days"),
        .init(.pair, "seconds_since", .secondsSince(.out), over: .days(90), "Seconds since this account last paid that one"),
    ]

    /// Cells are some 1.2 to 2.4 km wide: zoom level 14.
    private static let cell: [BehaviourView] = [
        .init(.cell, "count_1h", .count(.out), over: .hours(1), "Payments made in the cell in an hour"),
        .init(.cell, "sum_1h", .sum(.out), over: .hours(1), "Money paid in the cell in an hour"),
        .init(.cell, "customers_1h", .distinct(.out), over: .hours(1), "Customers that paid in the cell in an hour"),
        .init(
            .cell, "share_1h_of_1d", .share(.out, ofWindow: .days(1)), over: .hours(1),
            "Share of the cell's money of a day that was paid in the last hour"),
    ]
}

/// Which entity a view speaks of.
public enum BehaviourEntity: String, Sendable, Hashable, CaseIterable {
    /// By token; what goes out and what comes in.
    case account
    case card
    case device
    /// The business that is paid, whichever of its terminals.
    case merchant
    /// A paying account and the account that it pays.
    case pair
    /// A square of the map, by its quadkey.
    case cell
}

/// Whether money leaves the entity or comes to it. Only accounts know both; to all others payments are `out`.
public enum BehaviourDirection: String, Sendable, Hashable {
    case out, `in`
}

/// How a value comes out of the payments in a window.
public enum BehaviourAggregation: Sendable, Hashable {
    case count(BehaviourDirection)
    /// In major units.
    case sum(BehaviourDirection)
    /// NaN without payments.
    case mean(BehaviourDirection)
    /// NaN without payments.
    case max(BehaviourDirection)
    /// How many different others: whom an account pays or is paid by, where a card is used, who uses a device, pays a merchant or pays in a cell.
    /// An other that is not known does not count. Exact up to 512, beyond by HyperLogLog: within 2.3 % (one standard deviation).
    case distinct(BehaviourDirection)
    /// The sum of amounts, each halved for every window that has passed since; over four windows.
    case decayed(BehaviourDirection)
    /// The sum over the window, over that of a longer one; NaN where that is zero.
    case share(BehaviourDirection, ofWindow: TimeSpan)
    /// NaN without payments in the window.
    case secondsSince(BehaviourDirection)
    /// The smaller of what came in and what went out, over the larger: 1 where all is passed on. NaN without either.
    case passThrough

    /// For the catalogue.
    public var name: String {
        switch self {
        case .count(let direction): "count \(direction.rawValue)"
        case .sum(let direction): "sum \(direction.rawValue)"
        case .mean(let direction): "mean \(direction.rawValue)"
        case .max(let direction): "max \(direction.rawValue)"
        case .distinct(let direction): "distinct \(direction.rawValue)"
        case .decayed(let direction): "decayed \(direction.rawValue)"
        case .share(let direction, let window): "share \(direction.rawValue) of \(window.microseconds / 1_000_000) s"
        case .secondsSince(let direction): "seconds since \(direction.rawValue)"
        case .passThrough: "pass-through"
        }
    }

    var readsAmounts: Bool {
        switch self {
        case .sum, .mean, .max, .decayed, .share, .passThrough: true
        case .count, .distinct, .secondsSince: false
        }
    }

    /// What a description adds of how exact a value is.
    fileprivate var precision: String {
        if readsAmounts { return ", amounts of all currencies taken as numbers" }
        if case .distinct = self { return "; exact up to \(DistinctCount.maxExact), estimated beyond, within 2.3 % (one standard deviation)" }
        return ""
    }

    func reach(_ window: TimeSpan) -> Int64 {
        switch self {
        case .decayed: 4 * window.microseconds
        case .share(_, let longer): Swift.max(window.microseconds, longer.microseconds)
        default: window.microseconds
        }
    }
}

/// One declared value of an entity.
public struct BehaviourView: Sendable, Hashable {
    public let entity: BehaviourEntity
    /// snake_case, with the entity in front; unique.
    public let name: String
    public let aggregation: BehaviourAggregation
    public let window: TimeSpan
    public let description: String
    public let owner: String

    public init(
        _ entity: BehaviourEntity, _ name: String, _ aggregation: BehaviourAggregation, over window: TimeSpan, _ description: String,
        owner: String = "fraud-analytics"
    ) {
        self.entity = entity
        self.name = "\(entity.rawValue)_\(name)"
        self.aggregation = aggregation
        self.window = window
        self.description = description + aggregation.precision
        self.owner = owner
    }
}

/// The views of all entities. The order of an entity's values is that of its views here.
public struct BehaviourSet: Sendable, Hashable {
    public let views: [BehaviourView]
    /// Sixteen hexadecimal digits over everything that decides a value.
    public let version: String

    /// Raised whenever the engine computes another value from the same declaration.
    static let engineRevision = 3

    /// - Precondition: names are unique; windows are a minute to 90 days.
    public init(views: [BehaviourView]) {
        precondition(Set(views.map(\.name)).count == views.count, "names must be unique")
        precondition(views.allSatisfy { $0.window >= .minutes(1) && $0.window <= .days(90) }, "windows are a minute to 90 days")
        self.views = views
        var hash = FNV1a()
        hash.combine("\(BehaviourSet.engineRevision)\n")
        for view in views { hash.combine("\(view.name)|\(view.aggregation.name)|\(view.window.microseconds)\n") }
        version = hash.hexadecimal
    }

    public func views(of entity: BehaviourEntity) -> [BehaviourView] { views.filter { $0.entity == entity } }
}
