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
    private var terminalPlaces: [String: Coordinate] = [:]

    init(featureSet: FeatureSet) {
        engine = FeatureEngine(set: featureSet)
    }

    var featureSet: FeatureSet { engine.set }
    var customerCount: Int { engine.customerCount }
    var terminalCount: Int { engine.terminalCount }

    mutating func observe(_ transaction: Transaction) -> ObservedTransaction {
        let location = transaction.location ?? transaction.terminalID.flatMap { terminalPlaces[$0] }
        return ObservedTransaction(transaction: transaction, location: location, values: engine.observe(transaction))
    }

    /// Whether a transaction may have been observed before, so that it has features already.
    func mayHaveObserved(_ transaction: Transaction) -> Bool { engine.mayHaveObserved(transaction) }

    /// A customer's or terminal's features at a time, and the newest payment behind them; nil if it was never seen.
    func features(of entity: ObservedEntity, at time: Timestamp) -> (values: [Double], newest: Timestamp?)? {
        switch entity {
        case .customer(let id):
            engine.features(ofCustomer: id, at: time).map { ($0, engine.newestEventTime(ofCustomer: id)) }
        case .terminal(let id):
            engine.features(terminal: id, at: time).map { ($0, engine.newestEventTime(ofTerminal: id)) }
        }
    }

    mutating func learn(_ label: Label) { engine.learn(label) }

    mutating func place(_ terminal: Terminal) {
        terminalPlaces[terminal.terminalID] = terminal.location
        engine.place(terminal: terminal.terminalID, at: terminal.location)
    }

    mutating func place(_ customer: Customer) {
        engine.place(customer: customer.customerID, at: customer.home)
    }
}
