import Features
import Records

/// One thing for the store to take in.
enum FeatureChange: Sendable, Hashable {
    case transaction(Transaction)
    case label(Label)
    case terminal(Terminal)
    case customer(Customer)
}

/// Whose features may be asked for.
enum ObservedEntity: Sendable, Hashable {
    case customer(String)
    case terminal(String)
}

/// A transaction with its features as they were just before it.
struct ObservedTransaction: Sendable, Hashable {
    let transaction: Transaction
    /// The transaction's own place or, without one, its terminal's.
    let location: Coordinate?
    /// In the feature set's order; NaN where unknown.
    let values: [Double]
}

/// Everything that features are computed from, in memory. Applying the same changes in the same order gives the same
/// memory, which is how it comes back after a crash.
struct ObservationMemory: Sendable {
    private var engine: FeatureEngine
    /// In a replay: payments that were taken in at their customer and not yet at their terminal, with the values and the home of then.
    private var begun: [TransactionKey: (values: [Double], home: Coordinate?)] = [:]

    init(featureSet: FeatureSet) {
        engine = FeatureEngine(set: featureSet)
    }

    /// As a snapshot has it.
    init(_ snapshot: FeatureSnapshotReader) throws(SnapshotError) {
        engine = try snapshot.finish()
    }

    /// The whole memory as it is now, for later: it shares storage with the living one until that changes.
    func snapshot() -> FeatureSnapshotWriter { FeatureSnapshotWriter(of: engine) }

    var featureSet: FeatureSet { engine.set }
    var customerCount: Int { engine.customerCount }
    var terminalCount: Int { engine.terminalCount }

    mutating func observe(_ transaction: Transaction) -> ObservedTransaction {
        let location = transaction.location ?? transaction.terminalID.flatMap { engine.place(ofTerminal: $0) }
        return ObservedTransaction(transaction: transaction, location: location, values: engine.observe(transaction))
    }

    /// Takes in what was observed before, with the values that it had then; leaves the same memory as `observe(_:)`.
    mutating func remember(_ transaction: Transaction, values: [Double]) {
        // Where one store keeps everything, nothing is begun.
        if begun.isEmpty || begun.removeValue(forKey: transaction.key) == nil {
            engine.remember(transaction, values: values)
        } else {
            engine.remember(transaction, values: values, atTerminal: true)
        }
    }

    func hasBegun(_ key: TransactionKey) -> Bool { begun[key] != nil }

    /// Takes a payment in at its customer, to be finished later.
    /// - Parameter values: those that it had then; nil to compute them.
    mutating func begin(_ transaction: Transaction, values: [Double]?) {
        if let values { engine.remember(transaction, values: values, atTerminal: false) }
        begun[transaction.key] = (values ?? engine.observeAtCustomer(transaction), engine.place(ofCustomer: transaction.customerID))
    }

    /// Observes a payment that was begun, or one that was not.
    mutating func finish(_ transaction: Transaction) -> ObservedTransaction {
        guard !begun.isEmpty, let half = begun.removeValue(forKey: transaction.key) else { return observe(transaction) }
        return observeAtTerminal(transaction, completing: half.values, home: half.home)
    }

    /// As `observe(_:)` where another replica keeps the terminal: without what rests on it.
    mutating func observeAtCustomer(_ transaction: Transaction) -> ObservedTransaction {
        ObservedTransaction(transaction: transaction, location: transaction.location, values: engine.observeAtCustomer(transaction))
    }

    /// The other half, where another replica keeps the customer.
    mutating func observeAtTerminal(_ transaction: Transaction, completing values: [Double], home: Coordinate?) -> ObservedTransaction {
        ObservedTransaction(
            transaction: transaction, location: transaction.location ?? transaction.terminalID.flatMap { engine.place(ofTerminal: $0) },
            values: engine.observeAtTerminal(transaction, completing: values, home: home))
    }

    /// As `remember(_:values:)`, on the customer's side unless it is there already, and on the terminal's where asked for.
    mutating func remember(_ transaction: Transaction, values: [Double], atTerminal: Bool) {
        begun[transaction.key] = nil
        engine.remember(transaction, values: values, atTerminal: atTerminal)
    }

    func hasObserved(_ key: TransactionKey) -> Bool { engine.hasObserved(key) }
    func home(of customer: String) -> Coordinate? { engine.place(ofCustomer: customer) }

    /// A customer's or terminal's features at a time, and the newest payment behind them; nil if it was never seen.
    func features(of entity: ObservedEntity, at time: Timestamp) -> (values: [Double], newest: Timestamp?)? {
        switch entity {
        case .customer(let id):
            engine.features(ofCustomer: id, at: time).map { ($0, engine.newestEventTime(ofCustomer: id, at: time)) }
        case .terminal(let id):
            engine.features(terminal: id, at: time).map { ($0, engine.newestEventTime(ofTerminal: id, at: time)) }
        }
    }

    /// A label of a payment that has not been observed waits for it.
    /// - Returns: whether the payment has been observed.
    @discardableResult
    mutating func learn(_ label: Label) -> Bool { engine.learnOrAwait(label) }

    /// Takes in a label of a payment that was observed where the label was taken in: here too, or by another replica, which need not concern
    /// this one.
    mutating func learn(ifObserved label: Label) { engine.learn(label) }

    mutating func place(_ terminal: Terminal) {
        engine.place(terminal: terminal.terminalID, at: terminal.location)
    }

    mutating func place(_ customer: Customer) {
        engine.place(customer: customer.customerID, at: customer.home)
    }
}
