/// What makes a transaction one and the same, however often it is sent: the bank, and the bank's own id for it.
public struct TransactionKey: Sendable, Hashable {
    public var bankID: String
    public var transactionID: String

    public init(bankID: String, transactionID: String) {
        self.bankID = bankID
        self.transactionID = transactionID
    }

    public func validate() -> [Violation] {
        var checker = Checker(now: .epoch)
        checker.key(self)
        return checker.violations
    }
}

extension TransactionKey {
    /// The order of payments of one time, whatever the order in which they come: by their ids, the shorter first, so that numbers count up,
    /// then byte by byte, then by their banks.
    public func precedes(_ other: TransactionKey) -> Bool {
        let ids = (transactionID.utf8, other.transactionID.utf8)
        if ids.0.count != ids.1.count { return ids.0.count < ids.1.count }
        if !ids.0.elementsEqual(ids.1) { return ids.0.lexicographicallyPrecedes(ids.1) }
        return bankID.utf8.lexicographicallyPrecedes(other.bankID.utf8)
    }
}

extension Checker {
    mutating func key(_ key: TransactionKey) {
        identifier("key.bank_id", key.bankID)
        identifier("key.transaction_id", key.transactionID)
    }
}

/// One movement of money that a customer ordered, as the bank reports it.
public struct Transaction: Sendable, Hashable {
    public var key: TransactionKey
    /// When the customer made it.
    public var eventTime: Timestamp
    /// The zone of the place or the bank: an IANA name (`Asia/Kolkata`) or an offset (`+05:30`). Times are kept in UTC beside it; night and
    /// weekend are told by it.
    public var timeZone: String?
    public var customerID: String
    public var accountID: String?
    public var cardID: String?
    public var terminalID: String?
    /// The business that is paid, as its acquirer names it, whichever of its terminals.
    public var merchantID: String?
    public var merchantCategoryCode: MerchantCategoryCode?
    public var counterpartyAccountID: String?
    public var deviceID: String?
    public var channel: Channel
    /// Zero or more.
    public var amount: Money
    /// Where it was made, when the bank knows better than the terminal's place.
    public var location: Coordinate?
    public var details: TransactionDetails?

    public init(
        key: TransactionKey, eventTime: Timestamp, timeZone: String? = nil, customerID: String, accountID: String? = nil,
        cardID: String? = nil, terminalID: String? = nil, merchantID: String? = nil, merchantCategoryCode: MerchantCategoryCode? = nil,
        counterpartyAccountID: String? = nil, deviceID: String? = nil, channel: Channel = .other, amount: Money,
        location: Coordinate? = nil, details: TransactionDetails? = nil
    ) {
        self.key = key
        self.eventTime = eventTime
        self.timeZone = timeZone
        self.customerID = customerID
        self.accountID = accountID
        self.cardID = cardID
        self.terminalID = terminalID
        self.merchantID = merchantID
        self.merchantCategoryCode = merchantCategoryCode
        self.counterpartyAccountID = counterpartyAccountID
        self.deviceID = deviceID
        self.channel = channel
        self.amount = amount
        self.location = location
        self.details = details
    }

    /// How far its own clock was from UTC when it was made, in seconds east; nil where it states no zone, or one that does not exist.
    public var utcOffsetSeconds: Int? { timeZone.flatMap { ZoneClock.named($0)?.offsetSeconds(at: eventTime) } }

    /// All that is wrong with it; empty when it may be stored.
    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.key(key)
        checker.pastTime("event_time", eventTime)
        checker.text("time_zone", timeZone, maxBytes: RecordLimits.maxIdentifierBytes)
        if let timeZone, ZoneClock.named(timeZone) == nil {
            checker.fail("time_zone", "is neither an IANA time zone, such as Asia/Kolkata, nor an offset from UTC, such as +05:30")
        }
        checker.identifier("customer_id", customerID)
        checker.account("account_id", accountID)
        checker.identifier("card_id", cardID)
        checker.identifier("terminal_id", terminalID)
        checker.identifier("merchant_id", merchantID)
        checker.account("counterparty_account_id", counterpartyAccountID)
        checker.identifier("device_id", deviceID)
        checker.amount("amount", amount)
        checker.place("location", location)
        checker.details(details)
        return checker.violations
    }
}

/// What a bank found out about a transaction later.
public struct Label: Sendable, Hashable {
    public var key: TransactionKey
    public var isFraud: Bool
    /// When the bank learnt it. A model may use the label only from then on.
    public var knownAt: Timestamp
    /// Who says so: `chargeback`, `investigation`, `handbook`.
    public var source: String

    public init(key: TransactionKey, isFraud: Bool, knownAt: Timestamp, source: String) {
        self.key = key
        self.isFraud = isFraud
        self.knownAt = knownAt
        self.source = source
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.key(key)
        checker.pastTime("known_at", knownAt)
        checker.identifier("source", source)
        return checker.violations
    }
}

/// What the models say about a transaction.
public struct Decision: Sendable, Hashable {
    public enum Label: String, Sendable, Hashable, CaseIterable {
        case legitimate
        /// Risky enough for a person to look at it.
        case review
        case fraud
    }

    /// One part of why the score is what it is.
    public struct Reason: Sendable, Hashable {
        /// The feature's name.
        public var feature: String
        /// In words: `terminal had 3 frauds in the last 7 days`.
        public var text: String
        /// The feature's value at that time; NaN when it had none.
        public var value: Double
        /// The exact Shapley value in log-odds; positive raises the risk.
        public var contribution: Double

        public init(feature: String, text: String, value: Double, contribution: Double) {
            self.feature = feature
            self.text = text
            self.value = value
            self.contribution = contribution
        }
    }

    /// What one signal has to do with the score.
    public struct Part: Sendable, Hashable {
        /// `fraud_classifier`, `account_anomaly`, …
        public var signal: String
        /// The signal itself, in its own unit; NaN when it was not at hand.
        public var value: Double
        /// In log-odds; positive raises the risk.
        public var contribution: Double

        public init(signal: String, value: Double, contribution: Double) {
            self.signal = signal
            self.value = value
            self.contribution = contribution
        }
    }

    /// What cannot be ruled out of a transaction, so that at most a stated share of such sets lacks the truth.
    public struct PredictionSet: Sendable, Hashable {
        public var hasGenuine: Bool
        public var hasFraud: Bool
        /// The share of sets that is to hold the truth, 0…1.
        public var coverage: Double

        public init(hasGenuine: Bool, hasFraud: Bool, coverage: Double) {
            self.hasGenuine = hasGenuine
            self.hasFraud = hasFraud
            self.coverage = coverage
        }
    }

    public var key: TransactionKey
    public var label: Label
    /// 0…1, calibrated.
    public var riskScore: Double
    /// The strongest first.
    public var reasons: [Reason]
    public var modelVersion: String
    public var decidedAt: Timestamp
    /// Whether the score passed the alert threshold.
    public var alert: Bool
    /// Names the decision for replay and audit.
    public var decisionID: String
    /// The signals that the score is made of; empty for a model of one.
    public var parts: [Part]
    /// Nil where the model states no coverage.
    public var predictionSet: PredictionSet?

    public init(
        key: TransactionKey, label: Label, riskScore: Double, reasons: [Reason], modelVersion: String, decidedAt: Timestamp,
        alert: Bool = false, decisionID: String = "", parts: [Part] = [], predictionSet: PredictionSet? = nil
    ) {
        self.key = key
        self.label = label
        self.riskScore = riskScore
        self.reasons = reasons
        self.modelVersion = modelVersion
        self.decidedAt = decidedAt
        self.alert = alert
        self.decisionID = decisionID
        self.parts = parts
        self.predictionSet = predictionSet
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.key(key)
        checker.text("decision_id", decisionID, maxBytes: RecordLimits.maxIdentifierBytes)
        if !(0...1).contains(riskScore) { checker.fail("risk_score", "is not between 0 and 1") }
        if reasons.count > RecordLimits.maxReasons { checker.fail("reasons", "has more than \(RecordLimits.maxReasons) entries") }
        for (index, reason) in reasons.prefix(RecordLimits.maxReasons).enumerated() {
            checker.identifier("reasons[\(index)].feature", reason.feature)
            checker.text("reasons[\(index)].text", reason.text)
            if !reason.contribution.isFinite { checker.fail("reasons[\(index)].contribution", "is not a finite number") }
        }
        checker.identifier("model_version", modelVersion)
        checker.pastTime("decided_at", decidedAt)
        return checker.violations
    }
}
