public import Records

extension FeatureSet {
    /// The features of card and account payments, with labels taken as settled after seven days and UTC as
    /// the clock of payments that state no zone.
    public static let payments = payments()

    /// The features of card and account payments. This is the one place that declares them.
    ///
    /// Count, sum and mean over 1, 7 and 30 days, night, weekend, and terminal risk behind the label delay are those of the Fraud Detection
    /// Handbook (Le Borgne et al., 2022, chapter 3), but over what came before the payment, without it.
    ///
    /// - Parameters:
    ///   - labelDelay: how long until a payment without a fraud label is taken for genuine.
    ///   - utcOffsetSeconds: the clock by which night and weekend are told of payments that state no zone of their own.
    public static func payments(labelDelay: TimeSpan = .days(7), utcOffsetSeconds: Int = 0) -> FeatureSet {
        let windows = [1, 7, 30]
        let definitions =
            paymentItself
            + windows.flatMap { activity(of: .customer, days: $0) }
            + windows.flatMap { customerFrauds(days: $0) }
            + customerPattern
            + [1, 3, 7, 14].flatMap { unusualPayments(days: $0) }
            + recency
            + windows.flatMap { activity(of: .terminal, days: $0) }
            + windows.flatMap { terminalFrauds(days: $0, delay: labelDelay) }
            + terminalRun
        return FeatureSet(name: "payments", definitions: definitions, labelDelay: labelDelay, utcOffsetSeconds: utcOffsetSeconds)
    }

    /// Those of `payments` that the Fraud Detection Handbook has.
    public static let handbook: FeatureSet = {
        let windows = ["1d", "7d", "30d"]
        let names =
            ["amount", "is_night", "is_weekend"] + windows.flatMap { ["customer_count_\($0)", "customer_mean_\($0)"] }
            + windows.flatMap { ["terminal_settled_count_\($0)", "terminal_fraud_share_\($0)"] }
        guard let set = FeatureSet.payments.selecting(names, as: "handbook") else { preconditionFailure("the handbook's features are declared") }
        return set
    }()

    private static let paymentItself: [FeatureDefinition] = [
        .init(
            name: "amount", entity: .transaction, aggregation: .amount, description: "Amount in major units", reason: "amount of {}"),
        .init(
            name: "is_night", entity: .transaction, aggregation: .isNight, description: "1 between midnight and 07:00, by the payment's own clock",
            reason: "made at night", reasonIfZero: "made by day"),
        .init(
            name: "is_weekend", entity: .transaction, aggregation: .isWeekend, description: "1 on Saturday and Sunday, by the payment's own clock",
            reason: "made at the weekend", reasonIfZero: "made on a weekday"),
        .init(
            name: "distance_km", entity: .transaction, aggregation: .distanceKilometres,
            description: "Kilometres from the customer's home to the payment's place, or the terminal's where it states none",
            reason: "{} km from the customer's home"),
    ]

    private static func activity(of entity: Entity, days: Int) -> [FeatureDefinition] {
        let who = entity.rawValue
        let span = spell(days)
        return [
            .init(
                name: "\(who)_count_\(days)d", entity: entity, aggregation: .count, window: .days(days),
                description: "Payments of the \(who) in the last \(span)", reason: "\(who) had {} payments in the last \(span)"),
            .init(
                name: "\(who)_sum_\(days)d", entity: entity, aggregation: .sum, window: .days(days),
                description: "Sum of the \(who)'s payments in the last \(span), amounts of all currencies added as numbers",
                reason: "\(who)'s payments in the last \(span) sum to {}"),
            .init(
                name: "\(who)_mean_\(days)d", entity: entity, aggregation: .mean, window: .days(days),
                description: "Mean of the \(who)'s payments in the last \(span), amounts of all currencies taken as numbers",
                reason: "\(who)'s payments in the last \(span) average {}"),
        ]
    }

    private static func customerFrauds(days: Int) -> [FeatureDefinition] {
        [
            .init(
                name: "customer_frauds_\(days)d", entity: .customer, aggregation: .knownFraudCount, window: .days(days),
                description: "Frauds of the last \(spell(days)) on the customer that are known by now",
                reason: "customer had {} known frauds in the last \(spell(days))", reasonIfZero: "customer had no known fraud lately")
        ]
    }

    /// What the customer's pattern rests on.
    private static let recentPayments = "newest \(SpendingPattern.maxPayments) payments of 60 days"

    /// The amount against what the customer ordinarily pays, over 60 days.
    private static let customerPattern: [FeatureDefinition] = [
        .init(
            name: "amount_to_usual", entity: .customer, aggregation: .amountToUsual, window: .days(60),
            description: "Amount over the mean of the ordinary ones among the customer's \(recentPayments)",
            reason: "amount is {} times what the customer usually pays"),
        .init(
            name: "amount_z_score", entity: .customer, aggregation: .amountZScore, window: .days(60),
            description: "Standard deviations of the amount above the ordinary ones among the customer's \(recentPayments)",
            reason: "amount is {} standard deviations from what the customer usually pays"),
        .init(
            name: "amount_tail_share", entity: .customer, aggregation: .amountTailShare, window: .days(60),
            description: "Share of those as large among the ordinary ones of the customer's \(recentPayments)",
            reason: "a share of {} of the customer's payments were as large"),
        .init(
            name: "amount_to_largest", entity: .customer, aggregation: .amountToLargestOrdinary, window: .days(60),
            description: "Amount over the largest of the ordinary ones among the customer's \(recentPayments)",
            reason: "amount is {} times the customer's largest ordinary payment"),
        .init(
            name: "customer_usual_amount", entity: .customer, aggregation: .usualAmount, window: .days(60),
            description: "Mean of the ordinary ones among the customer's \(recentPayments)", reason: "customer usually pays {}"),
        .init(
            name: "customer_ordinary_count", entity: .customer, aggregation: .ordinaryCount, window: .days(60),
            description: "Ordinary ones among the customer's \(recentPayments), on which the customer's pattern rests",
            reason: "customer's pattern rests on {} payments",
            reasonIfZero: "customer has no history"),
    ]

    /// So many unusual payments are looked at, and so many visits to a terminal.
    private static let ofUnusual = "(of such ones the newest \(SpendingPattern.maxUnusual))"
    private static let ofVisits = "(among the customer's newest \(SpendingPattern.maxVisits))"

    /// What a stolen card leaves behind before anybody has labelled it.
    private static func unusualPayments(days: Int) -> [FeatureDefinition] {
        let span = spell(days)
        return [
            .init(
                name: "customer_unusual_count_\(days)d", entity: .customer, aggregation: .unusualCount, window: .days(days),
                description: "Payments of the last \(span) of three times the usual amount or more, not proven genuine \(ofUnusual)",
                reason: "customer made {} unusually large payments in the last \(span)", reasonIfZero: "no unusually large payment lately"),
            .init(
                name: "customer_largest_to_usual_\(days)d", entity: .customer, aggregation: .largestUnusual, window: .days(days),
                description: "Largest payment of the last \(span) over the usual amount; where none is three times as large, of the newest "
                    + "\(SpendingPattern.maxPayments); in single precision",
                reason: "customer's largest payment in the last \(span) was {} times the usual", reasonIfZero: "no large payment lately"),
        ]
    }

    private static let recency: [FeatureDefinition] = [
        .init(
            name: "customer_unusual_share_7d", entity: .customer, aggregation: .unusualShare, window: .days(7),
            description: "Share of unusually large payments in the last 7 days \(ofUnusual)",
            reason: "a share of {} of the last 7 days' payments is unusually large",
            reasonIfZero: "no unusually large payment lately"),
        .init(
            name: "customer_days_since_unusual", entity: .customer, aggregation: .daysSinceUnusual, window: .days(21),
            description: "Days since the customer's last unusually large payment",
            reason: "{} days since the customer's last unusually large payment"),
        .init(
            name: "customer_days_since_last", entity: .customer, aggregation: .daysSinceLast,
            description: "Days since the customer's last payment", reason: "{} days since the customer's last payment"),
        .init(
            name: "pair_count_60d", entity: .pair, aggregation: .count, window: .days(60),
            description: "Payments of this customer at this terminal in 60 days \(ofVisits)", reason: "customer paid here {} times in 60 days",
            reasonIfZero: "customer had not paid here in 60 days"),
        .init(
            name: "terminal_unusual_count_1d", entity: .terminal, aggregation: .unusualCount, window: .days(1),
            description: "Payments at the terminal in the last day that were unusually large for their customers \(ofUnusual)",
            reason: "{} unusually large payments at this terminal in the last day", reasonIfZero: "no unusually large payment here lately"),
        .init(
            name: "terminal_unusual_count_7d", entity: .terminal, aggregation: .unusualCount, window: .days(7),
            description: "Payments at the terminal in the last 7 days that were unusually large for their customers \(ofUnusual)",
            reason: "{} unusually large payments at this terminal in the last 7 days",
            reasonIfZero: "no unusually large payment here lately"),
    ]

    private static func terminalFrauds(days: Int, delay: TimeSpan) -> [FeatureDefinition] {
        let behind = "in the \(spell(days)) up to \(Int(delay.days)) days ago"
        return [
            .init(
                name: "terminal_settled_count_\(days)d", entity: .terminal, aggregation: .count, window: .days(days), delay: delay,
                description: "Payments at the terminal \(behind)", reason: "terminal had {} payments \(behind)"),
            .init(
                name: "terminal_fraud_share_\(days)d", entity: .terminal, aggregation: .knownFraudShare, window: .days(days), delay: delay,
                monotonicity: .none, description: "Share of frauds among the payments at the terminal \(behind)",
                reason: "a share of {} of the payments at this terminal \(behind) was fraud",
                reasonIfZero: "no known fraud at this terminal \(behind)"),
            .init(
                name: "terminal_frauds_\(days)d", entity: .terminal, aggregation: .knownFraudCount, window: .days(days),
                description: "Frauds of the last \(spell(days)) at the terminal that are known by now",
                reason: "terminal had {} known frauds in the last \(spell(days))", reasonIfZero: "terminal had no known fraud lately"),
        ]
    }

    /// Frauds that the amount does not explain speak of the place: a skimmer, a cloned terminal.
    private static let terminalRun: [FeatureDefinition] = [
        .init(
            name: "terminal_ordinary_frauds_40d", entity: .terminal, aggregation: .ordinaryAmountFraudCount, window: .days(40),
            description: "Known frauds of ordinary amounts at the terminal in 40 days",
            reason: "{} known frauds of ordinary amounts at this terminal in 40 days", reasonIfZero: "no known fraud at this terminal"),
        .init(
            name: "terminal_days_since_fraud", entity: .terminal, aggregation: .daysSinceOrdinaryAmountFraud, window: .days(40),
            description: "Days since the terminal's last known fraud of an ordinary amount",
            reason: "{} days since the last known fraud at this terminal"),
        .init(
            name: "terminal_fraud_run", entity: .terminal, aggregation: .fraudRunLength, window: .days(40),
            description: "Length of the terminal's last unbroken run of frauds", reason: "{} frauds in a row at this terminal",
            reasonIfZero: "no known fraud at this terminal"),
        .init(
            name: "terminal_fraud_run_days", entity: .terminal, aggregation: .fraudRunAgeDays, window: .days(40),
            description: "Days since that run began", reason: "frauds at this terminal began {} days ago"),
        .init(
            name: "terminal_fraud_run_limit_days", entity: .terminal, aggregation: .fraudRunAgeLimitDays, window: .days(40),
            description: "Days since the last payment before that run", reason: "last sound payment at this terminal {} days ago"),
        .init(
            name: "terminal_genuine_since_fraud", entity: .terminal, aggregation: .genuineSinceFraud, window: .days(40),
            description: "Payments at the terminal after its last known fraud of an ordinary amount that are older than the delay of labels and not "
                + "known to be fraud; what is labelled genuine before it is that old does not count",
            reason: "{} genuine payments at this terminal since its last fraud",
            reasonIfZero: "no genuine payment here since the last known fraud"),
        .init(
            name: "terminal_decayed_fraud", entity: .terminal, aggregation: .decayedFraud, window: .days(40),
            description: "Known frauds of ordinary amounts, halved for every 7 days", reason: "recent frauds at this terminal weigh {}",
            reasonIfZero: "no known fraud at this terminal"),
        .init(
            name: "customer_decayed_fraud", entity: .customer, aggregation: .decayedFraud, window: .days(40),
            description: "Known frauds of ordinary amounts on the customer, halved for every 7 days",
            reason: "recent frauds on this customer weigh {}", reasonIfZero: "no known fraud on this customer"),
    ]

    private static func spell(_ days: Int) -> String { days == 1 ? "day" : "\(days) days" }
}
