public import Records

/// Builds point-in-time rows from a file's worth of history, with the engine that serves online.
///
/// Payments are taken in the order of their event times, those of one time in the order of their keys, so that the same payments give the
/// same rows whatever the order in which they lie in a file; a label is taken in before the first payment at or after the time it became
/// known. So a row holds what a server that had seen everything in time would have answered.
///
/// ```swift
/// var replay = FeatureReplay(set: .payments)
/// replay.run(transactions, labels: labels) { index, values in … }   // values of transactions[index]
/// ```
public struct FeatureReplay: Sendable {
    /// The state after what has run so far; for placing customers and terminals before, and for scoring new payments after.
    public var engine: FeatureEngine
    /// Labels that were known before their payment came.
    private var early: [TransactionKey: Label] = [:]

    public init(set: FeatureSet) { engine = FeatureEngine(set: set) }

    /// Labels whose payment did not come, or was too old when they did.
    public var unmatchedLabelCount: Int { early.count }

    /// - Parameter body: gets the index into `transactions` and its features, in the order of event times. The buffer is valid during the
    ///   call.
    public mutating func run(
        _ transactions: [Transaction], labels: [Label], body: (_ index: Int, _ values: UnsafeBufferPointer<Double>) throws -> Void
    ) rethrows {
        let order = transactions.indices.sorted { a, b in
            let (one, other) = (transactions[a], transactions[b])
            if one.eventTime != other.eventTime { return one.eventTime < other.eventTime }
            return one.key == other.key ? a < b : one.key.precedes(other.key)
        }
        let labelOrder = labels.indices.sorted { (labels[$0].knownAt, $0) < (labels[$1].knownAt, $1) }
        var nextLabel = 0
        try withUnsafeTemporaryAllocation(of: Double.self, capacity: engine.set.count) { values in
            for index in order {
                let transaction = transactions[index]
                while nextLabel < labels.count, labels[labelOrder[nextLabel]].knownAt <= transaction.eventTime {
                    learn(labels[labelOrder[nextLabel]])
                    nextLabel += 1
                }
                engine.observe(transaction, into: values)
                if !early.isEmpty, let label = early.removeValue(forKey: transaction.key) { engine.learn(label) }
                try body(index, UnsafeBufferPointer(values))
            }
        }
        while nextLabel < labels.count {
            learn(labels[labelOrder[nextLabel]])
            nextLabel += 1
        }
    }

    private mutating func learn(_ label: Label) {
        if !engine.learn(label) { early[label.key] = label }
    }
}

/// Point-in-time rows in memory, as training and batch scoring take them.
public struct FeatureTable: Sendable {
    public let set: FeatureSet
    /// Row after row, `set.count` values each; the precision that the trees are trained and served in.
    public private(set) var values: [Float]
    /// For each row, the index of its transaction in what the table was built from.
    public private(set) var transactionIndices: [Int]

    public var rowCount: Int { transactionIndices.count }

    public init(set: FeatureSet, values: [Float] = [], transactionIndices: [Int] = []) {
        precondition(values.count == transactionIndices.count * set.count, "a row has one value a feature")
        self.set = set
        self.values = values
        self.transactionIndices = transactionIndices
    }

    /// Rows of the transactions that `isWanted` picks, ordered by event time; all others serve as their history.
    public init(replaying transactions: [Transaction], labels: [Label], with replay: inout FeatureReplay, where isWanted: (Int) -> Bool) {
        self.init(set: replay.engine.set)
        replay.run(transactions, labels: labels) { index, row in
            if isWanted(index) { append(row, transactionIndex: index) }
        }
    }

    public mutating func append(_ row: UnsafeBufferPointer<Double>, transactionIndex: Int) {
        precondition(row.count == set.count, "a row has one value a feature")
        for value in row { values.append(Float(value)) }
        transactionIndices.append(transactionIndex)
    }

    /// The rows at `rows`, in that order.
    public func selecting(_ rows: [Int]) -> FeatureTable {
        var picked: [Float] = []
        picked.reserveCapacity(rows.count * set.count)
        for row in rows { picked.append(contentsOf: values[row * set.count..<(row + 1) * set.count]) }
        return FeatureTable(set: set, values: picked, transactionIndices: rows.map { transactionIndices[$0] })
    }
}
