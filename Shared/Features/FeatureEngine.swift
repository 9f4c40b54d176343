public import Records

/// Computes features from the history of customers and terminals, in memory. The same engine serves the feature store online and builds
/// training tables offline; the same transactions and labels in the same order give the same values to the bit.
///
/// ```swift
/// var engine = FeatureEngine(set: .payments)
/// let values = engine.observe(transaction)     // as known at transaction.eventTime, then remembers it
/// engine.learn(label)                          // counts from label.knownAt on
/// ```
///
/// Times are those of the events, not of arrival: a late transaction sees what was before it and lands in the right windows of what comes
/// after. One that comes later than ``maxLateness`` finds less than that, and windows that reach beyond what is kept are NaN. A transaction
/// must be observed once; whoever may send it twice keeps track. Amounts of one customer are compared and added as numbers, so they should
/// be in one currency.
public struct FeatureEngine: Sendable {
    public let set: FeatureSet
    /// How far behind the entity's newest transaction one may come and still find the history it needs.
    public static let maxLateness = TimeSpan.days(3)

    private let plan: EvaluationPlan
    let retention: Retention
    /// Of this engine and of those that come back from its snapshots.
    private(set) var fingerprintKey = SipHash.random()
    private(set) var customerIndex: [String: UInt32] = [:]
    private(set) var terminalIndex: [String: UInt32] = [:]
    var customers = Histories()
    var terminals = Histories()
    private var transactionIndex = TransactionIndex()
    var earlyLabels = EarlyLabels()

    /// In place of an entity's index where there is no such entity.
    static let none = PaymentColumns.noTerminal
    /// In place of the index of an entity without history.
    private static let unseen = UInt32.max - 1

    public init(set: FeatureSet) { self.init(set: set, keepsSpareMemory: false) }

    /// - Parameter keepsSpareMemory: whether histories may take more memory than they need for now, to be moved less often.
    init(set: FeatureSet, keepsSpareMemory: Bool) {
        self.set = set
        plan = EvaluationPlan(set: set)
        retention = Retention(
            horizonMicroseconds: set.horizon.microseconds + FeatureEngine.maxLateness.microseconds, keepsSpareMemory: keepsSpareMemory)
    }

    public var customerCount: Int { customers.count }
    public var terminalCount: Int { terminals.count }
    /// Transactions for which a label still finds its place.
    public var retainedTransactionCount: Int { transactionIndex.count }

    // MARK: - What happens

    /// The features of `transaction` as known at its event time, in the set's order; then remembers it.
    @discardableResult
    public mutating func observe(_ transaction: Transaction) -> [Double] {
        [Double](unsafeUninitializedCapacity: set.count) { buffer, count in
            observe(transaction, into: buffer)
            count = set.count
        }
    }

    /// As `observe(_:)`, writing the values into `values`.
    /// - Precondition: `values` has room for `set.count` values.
    public mutating func observe(_ transaction: Transaction, into values: UnsafeMutableBufferPointer<Double>) {
        let customer = Self.index(of: transaction.customerID, in: &customerIndex, histories: &customers)
        let terminal = transaction.terminalID.map { Self.index(of: $0, in: &terminalIndex, histories: &terminals) } ?? Self.none
        let toUsual = fill(values, of: Occasion(transaction), customer: customer, terminal: terminal)
        remember(transaction, customer: customer, terminal: terminal, toUsual: Float(toUsual))
    }

    /// Takes in what was observed before: leaves the same state as `observe(_:)`, without computing what is known.
    /// - Parameter values: what `observe(_:)` returned, from an engine of the same set.
    public mutating func remember(_ transaction: Transaction, values: [Double]) {
        guard let usual = plan.amountToUsualIndex, values.count == set.count else {
            observe(transaction)
            return
        }
        let customer = Self.index(of: transaction.customerID, in: &customerIndex, histories: &customers)
        let terminal = transaction.terminalID.map { Self.index(of: $0, in: &terminalIndex, histories: &terminals) } ?? Self.none
        remember(transaction, customer: customer, terminal: terminal, toUsual: Float(values[usual]))
    }

    private mutating func remember(_ transaction: Transaction, customer: UInt32, terminal: UInt32, toUsual: Float) {
        let fingerprint = fingerprint(of: transaction.key)
        let ticks = Self.ticks(transaction.amount)
        var event = Event(time: transaction.eventTime.microseconds, counterpart: terminal, label: .unknown, toUsual: toUsual)
        transactionIndex.insert(fingerprint, customer: customer)
        customers.insert(event, ticks: ticks, fingerprint: fingerprint, into: customer, retention: retention) { dropped in
            transactionIndex.remove(dropped, customer: customer)
        }
        if terminal != Self.none {
            event.counterpart = customer
            terminals.insert(event, ticks: ticks, into: terminal, retention: retention)
        }
        learnWhatWaits(for: fingerprint, ofCustomer: customer)
    }

    // MARK: - One side at a time, where customers and terminals are kept apart

    /// The values that rest on the customer and on the transaction itself, in the set's order, NaN for those that rest on the terminal; then
    /// remembers it on the customer's side. ``observeAtTerminal(_:completing:home:)`` of the engine that keeps the terminal does the rest, and
    /// both together give what `observe(_:)` of one engine would.
    public mutating func observeAtCustomer(_ transaction: Transaction) -> [Double] {
        let (customer, terminal) = indices(of: transaction)
        var toUsual = Double.nan
        let values = [Double](unsafeUninitializedCapacity: set.count) { buffer, count in
            toUsual = evaluation(
                of: Occasion(transaction), customer: Self.view(of: customer, in: customers), terminal: nil, terminalIndex: terminal
            ).fill(buffer)
            count = set.count
        }
        rememberAtCustomer(transaction, customer: customer, terminal: terminal, toUsual: Float(toUsual))
        return values
    }

    /// Completes what ``observeAtCustomer(_:)`` returned; then remembers the transaction on the terminal's side.
    /// - Parameter home: where the customer lives; for the distance.
    public mutating func observeAtTerminal(_ transaction: Transaction, completing values: [Double], home: Coordinate?) -> [Double] {
        precondition(values.count == set.count, "a value for each feature")
        guard let terminalID = transaction.terminalID else { return values }
        let index = Self.index(of: terminalID, in: &terminalIndex, histories: &terminals)
        let known = [Double](unsafeUninitializedCapacity: set.count) { buffer, count in
            _ = evaluation(
                of: Occasion(transaction), customer: .empty(at: home), terminal: Self.view(of: index, in: terminals), terminalIndex: index
            ).fill(buffer)
            count = set.count
        }
        var values = values
        for step in plan.terminal.steps { values[step.index] = known[step.index] }
        // The rest of the transaction's own is right already.
        for step in plan.transactionSteps where step.aggregation == .distanceKilometres { values[step.index] = known[step.index] }
        remember(transaction, values: values, atTerminal: true)
        return values
    }

    /// Takes in what was observed before, on the customer's side unless it is there already, and on the terminal's where asked for.
    /// A terminal's labels find their place by the customer, so the customer's side is always kept.
    public mutating func remember(_ transaction: Transaction, values: [Double], atTerminal: Bool) {
        let (customer, terminal) = indices(of: transaction)
        let toUsual = plan.amountToUsualIndex.map { Float(values[$0]) } ?? .nan
        if !hasObserved(transaction.key) { rememberAtCustomer(transaction, customer: customer, terminal: terminal, toUsual: toUsual) }
        guard atTerminal, terminal != Self.none else { return }
        let event = Event(time: transaction.eventTime.microseconds, counterpart: customer, label: .unknown, toUsual: toUsual)
        terminals.insert(event, ticks: Self.ticks(transaction.amount), into: terminal, retention: retention)
        passOnLabel(of: fingerprint(of: transaction.key), ofCustomer: customer)
    }

    /// Whether a transaction is among those retained.
    public func hasObserved(_ key: TransactionKey) -> Bool { customer(of: fingerprint(of: key)) != nil }

    /// Where a customer lives, as far as anybody has said.
    public func place(ofCustomer id: String) -> Coordinate? { customerIndex[id].flatMap { customers[$0].place } }

    private mutating func indices(of transaction: Transaction) -> (customer: UInt32, terminal: UInt32) {
        (
            Self.index(of: transaction.customerID, in: &customerIndex, histories: &customers),
            transaction.terminalID.map { Self.index(of: $0, in: &terminalIndex, histories: &terminals) } ?? Self.none
        )
    }

    private mutating func rememberAtCustomer(_ transaction: Transaction, customer: UInt32, terminal: UInt32, toUsual: Float) {
        let fingerprint = fingerprint(of: transaction.key)
        let event = Event(time: transaction.eventTime.microseconds, counterpart: terminal, label: .unknown, toUsual: toUsual)
        transactionIndex.insert(fingerprint, customer: customer)
        customers.insert(
            event, ticks: Self.ticks(transaction.amount), fingerprint: fingerprint, into: customer, retention: retention
        ) { dropped in transactionIndex.remove(dropped, customer: customer) }
        learnWhatWaits(for: fingerprint, ofCustomer: customer)
    }

    /// Says where a customer lives.
    public mutating func place(customer id: String, at place: Coordinate?) {
        customers.place(Self.index(of: id, in: &customerIndex, histories: &customers), at: place)
    }

    /// Says where a terminal stands.
    public mutating func place(terminal id: String, at place: Coordinate?) {
        terminals.place(Self.index(of: id, in: &terminalIndex, histories: &terminals), at: place)
    }

    // MARK: - What happens, by numbers

    /// A payment whose customer and terminal are numbers of this engine.
    struct NumberedPayment {
        var time: Int64
        var customer: UInt32
        /// `none` without one.
        var terminal: UInt32
        var amount: Money
        var place: Coordinate?
        /// Of its own clock; nil where it states none.
        var utcOffsetSeconds: Int?
    }

    mutating func see(customer id: String) { _ = Self.index(of: id, in: &customerIndex, histories: &customers) }
    mutating func see(terminal id: String) { _ = Self.index(of: id, in: &terminalIndex, histories: &terminals) }

    /// So many payments ahead memory is asked for what they need.
    static let batch = 16

    /// Reads what the next payments' features and their remembering will read, so that the waits for memory overlap: one payment alone would
    /// wait for longer than it computes.
    /// - Parameter rows: of the payments.
    /// - Returns: a number that depends on all that was read.
    @inline(never)
    func touch(_ rows: some Collection<Int>, of payments: PaymentColumns, following windows: FollowedWindows) -> UInt64 {
        var sum: UInt64 = 0
        // A history's own fields begin and end in two lines of memory.
        for row in rows {
            sum &+= customers.touch(payments.customers[row])
            let terminal = payments.terminals[row]
            if terminal != Self.none { sum &+= terminals.touch(terminal) }
        }
        for row in rows {
            let (customer, terminal) = (payments.customers[row], payments.terminals[row])
            let cuts = windows.cuts(customer: customer, terminal: terminal)
            sum &+= Self.view(of: customer, in: customers)?.events.touch(cuts.ofCustomer) ?? 0
            sum &+= Self.view(of: terminal, in: terminals)?.events.touch(cuts.ofTerminal) ?? 0
        }
        return sum
    }

    /// Memory in which to follow the windows of the entities seen so far.
    func followedWindows() -> FollowedWindows {
        FollowedWindows(customers: customers.count, terminals: terminals.count, plan: plan)
    }

    /// As `observe(_:into:)`, but no label finds the payment by its key.
    @inline(__always)
    mutating func observe(
        _ payment: NumberedPayment, following windows: FollowedWindows, into values: UnsafeMutableBufferPointer<Double>
    ) {
        let toUsual = fill(
            values,
            of: Occasion(
                time: payment.time, amount: payment.amount.amount, place: payment.place, utcOffsetSeconds: payment.utcOffsetSeconds),
            customer: payment.customer, terminal: payment.terminal, lastCuts: windows.cuts(customer: payment.customer, terminal: payment.terminal))
        let ticks = Self.ticks(payment.amount)
        var event = Event(time: payment.time, counterpart: payment.terminal, label: .unknown, toUsual: Float(toUsual))
        customers.insert(event, ticks: ticks, into: payment.customer, retention: retention)
        guard payment.terminal != Self.none else { return }
        event.counterpart = payment.customer
        terminals.insert(event, ticks: ticks, into: payment.terminal, retention: retention)
    }

    /// Whether a value depends on payments being proven genuine.
    var asksWhatIsGenuine: Bool { plan.asksWhatIsGenuine }

    // MARK: - What comes back from a snapshot

    mutating func begin(fingerprintKey key: SipHash, transactionCount: Int) {
        fingerprintKey = key
        // A wrong number must not ask for all memory: the index grows by itself where this is too little.
        transactionIndex.reserve(min(transactionCount, 1 << 26))
    }

    mutating func restore(customer id: String, from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        let index = Self.index(of: id, in: &customerIndex, histories: &customers)
        try customers.restore(index, from: &decoder)
        for fingerprint in customers[index].events.fingerprints { transactionIndex.insert(fingerprint, customer: index) }
    }

    mutating func restore(terminal id: String, from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        try terminals.restore(Self.index(of: id, in: &terminalIndex, histories: &terminals), from: &decoder)
    }

    mutating func restoreEarlyLabel(from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        let fingerprint = try decoder.word()
        let knownAt = try decoder.signed()
        earlyLabels.insert(.init(isFraud: try decoder.byte() == 1, knownAt: knownAt), of: fingerprint)
    }

    // MARK: - What is known

    /// Where a terminal stands, as far as anybody has said.
    public func place(ofTerminal id: String) -> Coordinate? { terminalIndex[id].flatMap { terminals[$0].place } }

    /// The features that `transaction` would have, without remembering it; equal to what `observe(_:)` would return.
    public func features(of transaction: Transaction) -> [Double] {
        [Double](unsafeUninitializedCapacity: set.count) { buffer, count in
            let terminal = transaction.terminalID.map { terminalIndex[$0] ?? Self.unseen }
            _ = fill(
                buffer, of: Occasion(transaction), customer: customerIndex[transaction.customerID] ?? Self.unseen, terminal: terminal ?? Self.none)
            count = set.count
        }
    }

    /// The customer's or terminal's own features at `time`, in the set's order; NaN where a feature belongs to another entity or needs a
    /// transaction. Nil if the entity was never seen.
    public func features(ofCustomer customerID: String? = nil, terminal terminalID: String? = nil, at time: Timestamp) -> [Double]? {
        let customer = customerID.flatMap { customerIndex[$0] }
        let terminal = terminalID.flatMap { terminalIndex[$0] }
        guard (customerID == nil) == (customer == nil), (terminalID == nil) == (terminal == nil), customer != nil || terminal != nil else {
            return nil
        }
        return [Double](unsafeUninitializedCapacity: set.count) { buffer, count in
            let occasion = Occasion(time: time.microseconds, amount: .nan, place: nil, utcOffsetSeconds: nil)
            _ = fill(buffer, of: occasion, customer: customer ?? Self.none, terminal: terminal ?? Self.none)
            count = set.count
        }
    }

    /// The event time of the newest transaction of a customer or terminal at or before `time`; nil if there is none. For freshness.
    public func newestEventTime(ofCustomer customerID: String, at time: Timestamp) -> Timestamp? {
        customerIndex[customerID].flatMap { customers[$0].newestTime(notAfter: time.microseconds) }.map { Timestamp(microseconds: $0) }
    }

    /// As `newestEventTime(ofCustomer:at:)`.
    public func newestEventTime(ofTerminal terminalID: String, at time: Timestamp) -> Timestamp? {
        terminalIndex[terminalID].flatMap { terminals[$0].newestTime(notAfter: time.microseconds) }.map { Timestamp(microseconds: $0) }
    }

    // MARK: - Inside

    /// - Returns: the amount over what is usual for the customer; NaN if that is unknown.
    @inline(__always)
    private func fill(
        _ values: UnsafeMutableBufferPointer<Double>, of occasion: Occasion, customer: UInt32, terminal: UInt32,
        lastCuts: FollowedWindows.Cuts? = nil
    ) -> Double {
        evaluation(
            of: occasion, customer: Self.view(of: customer, in: customers), terminal: Self.view(of: terminal, in: terminals),
            terminalIndex: terminal, lastCuts: lastCuts
        ).fill(values)
    }

    /// - Parameter terminalIndex: `none` without a terminal.
    @inline(__always)
    private func evaluation(
        of occasion: Occasion, customer: HistoryView?, terminal: HistoryView?, terminalIndex: UInt32, lastCuts: FollowedWindows.Cuts? = nil
    ) -> Evaluation {
        Evaluation(
            plan: plan, occasion: occasion, labelDelay: set.labelDelay.microseconds, setsOffsetSeconds: set.utcOffsetSeconds,
            customer: customer, terminal: terminal, terminalIndex: terminalIndex == Self.none ? nil : terminalIndex, lastCuts: lastCuts)
    }

    /// Nil for `none`.
    @inline(__always)
    private static func view(of index: UInt32, in histories: Histories) -> HistoryView? {
        if index == none { return nil }
        return index == unseen ? .empty() : histories[index]
    }

    private static func index(of id: String, in indices: inout [String: UInt32], histories: inout Histories) -> UInt32 {
        if let index = indices[id] { return index }
        let index = UInt32(histories.count)
        indices[id] = index
        histories.append()
        return index
    }

    /// 64 bits that tell a transaction among those retained, under a secret key, so that nobody can choose ids that collide. Among a
    /// million retained transactions two share a fingerprint with odds of 3 in 10⁸.
    func fingerprint(of key: TransactionKey) -> UInt64 {
        SipHash(key0: fingerprintKey.key0 ^ fingerprintKey.hash(key.bankID), key1: fingerprintKey.key1).hash(key.transactionID)
    }

    func customer(of fingerprint: UInt64) -> UInt32? {
        transactionIndex.customer(of: fingerprint) { customers[$0].events.index(of: fingerprint) != nil }
    }

    static let maxTicks = RecordLimits.maxAmountMajorUnits * 10_000

    /// An amount in ten-thousandths of its major unit; no currency has more decimals. Nothing for less than nothing, and no more than may be
    /// paid: logs may hold amounts from before these were checked.
    static func ticks(_ money: Money) -> Int64 {
        let (ticks, overflow) = max(0, money.minorUnits).multipliedReportingOverflow(by: 10_000 / money.currency.minorUnitsPerMajor)
        return overflow ? maxTicks : min(ticks, maxTicks)
    }
}
