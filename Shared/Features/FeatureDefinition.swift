public import Records

/// Whose history a feature speaks of.
public enum Entity: String, Sendable, Hashable, CaseIterable {
    /// The transaction by itself, without any history.
    case transaction
    case customer
    case terminal
    /// This customer at this terminal.
    case pair
}

/// How a feature's value comes out of an entity's history as it was known at the transaction's event time. The transaction itself is
/// never part of its own history. A value that cannot be known (no history, no place) is NaN.
public enum Aggregation: String, Sendable, Hashable, CaseIterable {
    // Of the transaction itself.
    /// In major units.
    case amount
    /// 1 from midnight to 06:59 by the set's clock, else 0; the Fraud Detection Handbook's definition.
    case isNight
    /// 1 on Saturday and Sunday by the set's clock, else 0.
    case isWeekend
    /// Great-circle kilometres from the customer's home to the terminal.
    case distanceKilometres

    // Over the window (t − delay − window, t − delay].
    case count
    /// Of amounts, in major units.
    case sum
    case mean
    /// Payments that were known to be fraud at t.
    case knownFraudCount
    /// Known frauds over payments; 0 when there were no payments, as the handbook has it.
    case knownFraudShare

    // The amount against the customer's usual amount: the mean of the customer's ordinary payments in the window. Ordinary is what is
    // not known to be fraud and was not unusually large when it was made; what the label delay has proven genuine counts as ordinary.
    case amountToUsual
    /// Standard deviations above the usual amount.
    case amountZScore
    /// Share of ordinary payments at least as large, by the rule of succession: (larger + 1) / (n + 1).
    case amountTailShare
    case amountToLargestOrdinary
    /// How many payments the usual amount rests on.
    case ordinaryCount
    /// The usual amount itself.
    case usualAmount

    // Payments unusually large for their customer and not proven genuine: what a stolen card leaves behind before anybody labels it.
    case unusualCount
    case unusualShare
    /// Of payments before this one; in multiples of what was usual for the customer.
    case largestUnusual
    case daysSinceUnusual

    // Known frauds at the entity in the window (t − window, t] that the amount does not explain: they speak of the place and not of the card.
    // What happened before the window counts for none of them, so a run that goes on before it is cut there.
    case ordinaryAmountFraudCount
    case daysSinceOrdinaryAmountFraud
    /// Length of the unbroken run of known frauds at the end of what is labelled, unusually large payments left out.
    case fraudRunLength
    /// Days since that run's first fraud.
    case fraudRunAgeDays
    /// Days since the last payment before that run: the run cannot be older.
    case fraudRunAgeLimitDays
    /// Payments older than the label delay and not known to be fraud since the last known fraud of an ordinary amount.
    case genuineSinceFraud
    /// Frauds of ordinary amounts, each worth half as much for every seven days since it happened.
    case decayedFraud

    /// Days since the entity's last payment.
    case daysSinceLast

    var countsKnownFrauds: Bool { self == .knownFraudCount || self == .knownFraudShare }

    /// Whether it speaks of known frauds of ordinary amounts.
    var readsFraudRun: Bool {
        switch self {
        case .ordinaryAmountFraudCount, .daysSinceOrdinaryAmountFraud, .fraudRunLength, .fraudRunAgeDays, .fraudRunAgeLimitDays,
            .genuineSinceFraud, .decayedFraud:
            true
        default: false
        }
    }

    /// Whether its value hangs on labels, and so on the delay after which a payment without one counts as genuine.
    public var restsOnLabels: Bool { countsKnownFrauds || readsFraudRun || needsUsualAmount }

    /// Whether it rests on what the customer ordinarily pays.
    var needsUsualAmount: Bool {
        switch self {
        case .amountToUsual, .amountZScore, .amountTailShare, .amountToLargestOrdinary, .ordinaryCount, .usualAmount: true
        default: asksForUnusualPayments
        }
    }

    /// Whether it looks at the payments between its window's ends, and not at known frauds alone or at the newest payment.
    var readsWindow: Bool {
        switch self {
        case .count, .sum, .mean, .knownFraudShare: true
        // Of a pair; an entity's last payment is the newest that there is.
        case .daysSinceLast: true
        default: asksForUnusualPayments
        }
    }

    /// Whether it asks which payments of its window were unusually large.
    var asksForUnusualPayments: Bool {
        switch self {
        case .unusualCount, .unusualShare, .largestUnusual, .daysSinceUnusual: true
        default: false
        }
    }
}

/// Which way a feature can only move risk, where the domain says so; training holds it.
public enum Monotonicity: Int8, Sendable, Hashable {
    case none = 0
    /// More of it never lowers the risk.
    case increasing = 1
    /// More of it never raises the risk.
    case decreasing = -1
}

/// One feature, declared.
public struct FeatureDefinition: Sendable, Hashable {
    /// snake_case, unique in its set.
    public var name: String
    public var entity: Entity
    public var aggregation: Aggregation
    /// How far back it looks; zero for what has no window.
    public var window: TimeSpan
    /// How old an event must be to count: what the label delay leaves unknown is left out.
    public var delay: TimeSpan
    public var monotonicity: Monotonicity
    /// Who answers for it.
    public var owner: String
    /// What it is, for the catalogue.
    public var description: String
    /// As a reason for a score, `{}` standing for the value: `terminal had {} known frauds in 7 days`.
    public var reason: String
    /// As a reason where the value is zero; nil where `reason` says it well enough.
    public var reasonIfZero: String?

    public init(
        name: String, entity: Entity, aggregation: Aggregation, window: TimeSpan = .days(0), delay: TimeSpan = .days(0),
        monotonicity: Monotonicity = .none, owner: String = "fraud-analytics", description: String, reason: String,
        reasonIfZero: String? = nil
    ) {
        self.name = name
        self.entity = entity
        self.aggregation = aggregation
        self.window = window
        self.delay = delay
        self.monotonicity = monotonicity
        self.owner = owner
        self.description = description
        self.reason = reason
        self.reasonIfZero = reasonIfZero
    }

    /// All that decides the value, in one line; the version hash is over these lines.
    var canonical: String { "\(name)|\(entity.rawValue)|\(aggregation.rawValue)|\(window.microseconds)|\(delay.microseconds)" }
}
