public import Records

/// Builds point-in-time rows from columns of payments: what `FeatureReplay` does for records, by the same engine and to the same bits, for
/// tables of which only the rows matter. Its engine finds no transaction by name afterwards.
///
/// ```swift
/// var replay = ColumnReplay(set: .payments, payments)
/// replay.run { row, values in … }   // in the order of event times
/// ```
public struct ColumnReplay {
    private let payments: PaymentColumns
    private var engine: FeatureEngine
    /// The engine's numbers of the columns' customers and terminals.
    private let customers: [UInt32]
    private let terminals: [UInt32]
    private var isObserved: [Bool]
    /// Labels that were known before their payment came.
    private var early: [UInt32: PaymentColumns.KnownLabel] = [:]

    /// - Parameters:
    ///   - homes: where customers live, as far as that is known.
    ///   - places: where terminals stand.
    public init(
        set: FeatureSet, _ payments: PaymentColumns, homes: [String: Coordinate] = [:], terminals places: [String: Coordinate] = [:]
    ) {
        var engine = FeatureEngine(set: set)
        customers = (0..<payments.customerIDs.count).map { engine.number(ofCustomer: payments.customerIDs[$0]) }
        terminals = (0..<payments.terminalIDs.count).map { engine.number(ofTerminal: payments.terminalIDs[$0]) }
        for (id, home) in homes where payments.customerIDs.existingNumber(of: id) != nil { engine.place(customer: id, at: home) }
        for (id, place) in places where payments.terminalIDs.existingNumber(of: id) != nil { engine.place(terminal: id, at: place) }
        isObserved = [Bool](repeating: false, count: payments.count)
        self.payments = payments
        self.engine = engine
    }

    /// - Parameter body: gets a row of the columns and its features, in the order of event times (equal times in the given order). The
    ///   buffer is valid during the call.
    public mutating func run(_ body: (_ row: Int, _ values: UnsafeBufferPointer<Double>) throws -> Void) rethrows {
        let order = payments.times.ascendingOrder
        let labels = payments.labels.inOrderOfKnowledge
        var nextLabel = 0
        try withUnsafeTemporaryAllocation(of: Double.self, capacity: engine.set.count) { values in
            for place in 0..<payments.count {
                let row = order.map { $0[place] } ?? place
                let time = payments.times[row]
                while nextLabel < labels.count, labels[nextLabel].knownAt <= time {
                    learn(labels[nextLabel])
                    nextLabel += 1
                }
                observe(row, time, into: values)
                if !early.isEmpty, let label = early.removeValue(forKey: UInt32(row)) { learn(label) }
                try body(row, UnsafeBufferPointer(values))
            }
        }
    }

    @inline(__always)
    private mutating func observe(_ row: Int, _ time: Int64, into values: UnsafeMutableBufferPointer<Double>) {
        let terminal = payments.terminals[row]
        engine.observe(
            FeatureEngine.NumberedPayment(
                fingerprint: UInt64(row), time: time, customer: customers[Int(payments.customers[row])],
                terminal: terminal == PaymentColumns.noTerminal ? FeatureEngine.none : terminals[Int(terminal)],
                amount: Money(minorUnits: payments.minorUnits[row], currency: payments.currency(of: row)),
                place: payments.locations.isEmpty ? nil : payments.locations[UInt32(row)]),
            into: values)
        isObserved[row] = true
    }

    private mutating func learn(_ label: PaymentColumns.KnownLabel) {
        let row = Int(label.row)
        guard isObserved[row] else {
            early[label.row] = label
            return
        }
        engine.learn(
            isFraud: label.isFraud, knownAt: label.knownAt, of: UInt64(row), customer: customers[Int(payments.customers[row])])
    }
}

extension [Int64] {
    /// Indices in the order of their numbers, equal ones as they come; nil where that is the order already.
    fileprivate var ascendingOrder: [Int]? {
        guard zip(self, dropFirst()).contains(where: { $0 > $1 }) else { return nil }
        return indices.sorted { (self[$0], $0) < (self[$1], $1) }
    }
}

extension [PaymentColumns.KnownLabel] {
    /// Those known at the same time stay as they come.
    fileprivate var inOrderOfKnowledge: Self {
        guard let order = map(\.knownAt).ascendingOrder else { return self }
        return order.map { self[$0] }
    }
}
