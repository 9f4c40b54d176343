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
    private var states: [State]
    /// What has become of a payment so far.
    private enum State: UInt8 {
        case awaited, observed
        /// Observed, and taken for a fraud at some time.
        case suspected
    }

    /// Labels that were known before their payment came.
    private var early: [UInt32: PaymentColumns.KnownLabel] = [:]
    /// Of no meaning; what is read only to have it near must not be left out.
    private var touched: Int64 = 0

    /// - Parameters:
    ///   - homes: where customers live, as far as that is known.
    ///   - places: where terminals stand.
    public init(
        set: FeatureSet, _ payments: PaymentColumns, homes: [String: Coordinate] = [:], terminals places: [String: Coordinate] = [:]
    ) {
        var engine = FeatureEngine(set: set, keepsSpareMemory: true)
        // A new engine counts as the columns do.
        for number in 0..<payments.customerIDs.count { engine.see(customer: payments.customerIDs[number]) }
        for number in 0..<payments.terminalIDs.count { engine.see(terminal: payments.terminalIDs[number]) }
        for (id, home) in homes where payments.customerIDs.existingNumber(of: id) != nil { engine.place(customer: id, at: home) }
        for (id, place) in places where payments.terminalIDs.existingNumber(of: id) != nil { engine.place(terminal: id, at: place) }
        states = [State](repeating: .awaited, count: payments.count)
        self.payments = payments
        self.engine = engine
    }

    /// - Parameter body: gets a row of the columns and its features, in the order of event times (equal times in the given order). The
    ///   buffer is valid during the call.
    public mutating func run(_ body: (_ row: Int, _ values: UnsafeBufferPointer<Double>) throws -> Void) rethrows {
        // In constants of their own, which no access to the replay itself has to guard.
        let payments = payments
        let order = payments.times.ascendingOrder
        let labels = payments.labels.inOrderOfKnowledge
        var nextLabel = 0
        try withUnsafeTemporaryAllocation(of: Double.self, capacity: engine.set.count) { values in
            for place in 0..<payments.count {
                let row = order.map { $0[place] } ?? place
                let time = payments.times[row]
                while nextLabel < labels.count, labels[nextLabel].knownAt <= time {
                    learn(labels[nextLabel], ofCustomer: payments.customers[Int(labels[nextLabel].row)])
                    nextLabel += 1
                }
                if order == nil, place % FeatureEngine.batch == 0 {
                    let next = place..<min(place + FeatureEngine.batch, payments.count)
                    touched &+= engine.touch(customers: payments.customers[next], terminals: payments.terminals[next])
                }
                engine.observe(
                    FeatureEngine.NumberedPayment(
                        fingerprint: UInt64(row), time: time, customer: payments.customers[row], terminal: payments.terminals[row],
                        amount: payments.amount(of: row), place: payments.location(of: row)),
                    into: values)
                states[row] = .observed
                if !early.isEmpty, let label = early.removeValue(forKey: UInt32(row)) {
                    learn(label, ofCustomer: payments.customers[row])
                }
                try body(row, UnsafeBufferPointer(values))
            }
        }
    }

    private mutating func learn(_ label: PaymentColumns.KnownLabel, ofCustomer customer: UInt32) {
        let row = Int(label.row)
        if states[row] == .awaited {
            early[label.row] = label
            return
        }
        // That a payment was genuine matters to few features, unless it was taken for a fraud before.
        if !label.isFraud, states[row] == .observed, !engine.asksWhatIsGenuine { return }
        if label.isFraud { states[row] = .suspected }
        engine.learn(isFraud: label.isFraud, knownAt: label.knownAt, of: UInt64(row), customer: customer)
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
        guard zip(self, dropFirst()).contains(where: { $0.knownAt > $1.knownAt }), let order = map(\.knownAt).ascendingOrder else {
            return self
        }
        return order.map { self[$0] }
    }
}
