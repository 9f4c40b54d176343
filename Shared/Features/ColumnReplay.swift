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
    /// How many payments of the same customer, terminal and time were observed before a payment, where there are any.
    private var ranks: [UInt32: Int] = [:]
    /// Of no meaning; what is read only to have it near must not be left out.
    private var touched: UInt64 = 0

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

    /// - Parameter body: gets a row of the columns and its features, in the order of `PaymentColumns.order`. The buffer is valid during the
    ///   call.
    public mutating func run(_ body: (_ row: Int, _ values: UnsafeBufferPointer<Double>) throws -> Void) rethrows {
        // In constants of their own, which no access to the replay itself has to guard.
        let payments = payments
        let order = payments.order
        let labels = payments.labels.inOrderOfKnowledge
        var nextLabel = 0
        let windows = engine.followedWindows()
        try withUnsafeTemporaryAllocation(of: Double.self, capacity: engine.set.count) { values in
            for place in 0..<payments.count {
                let row = order.map { $0[place] } ?? place
                let time = payments.times[row]
                while nextLabel < labels.count, labels[nextLabel].knownAt <= time {
                    learn(labels[nextLabel])
                    nextLabel += 1
                }
                if place % FeatureEngine.batch == 0 {
                    let next = place..<min(place + FeatureEngine.batch, payments.count)
                    touched &+= order.map { engine.touch($0[next], of: payments, following: windows) }
                        ?? engine.touch(next, of: payments, following: windows)
                }
                engine.observe(
                    FeatureEngine.NumberedPayment(
                        time: time, customer: payments.customers[row], terminal: payments.terminals[row],
                        amount: payments.amount(of: row), place: payments.location(of: row),
                        utcOffsetSeconds: payments.utcOffsetSeconds(of: row)),
                    following: windows, into: values)
                states[row] = .observed
                noteRank(of: row, at: place, order)
                if !early.isEmpty, let label = early.removeValue(forKey: UInt32(row)) { learn(label) }
                try body(row, UnsafeBufferPointer(values))
            }
        }
    }

    /// - Parameter place: of the row in the order of payments.
    @inline(__always)
    private mutating func noteRank(of row: Int, at place: Int, _ order: [Int]?) {
        var rank = 0
        var before = place - 1
        while before >= 0 {
            let other = order.map { $0[before] } ?? before
            guard payments.times[other] == payments.times[row] else { break }
            if payments.customers[other] == payments.customers[row], payments.terminals[other] == payments.terminals[row] { rank += 1 }
            before -= 1
        }
        if rank > 0 { ranks[UInt32(row)] = rank }
    }

    private mutating func learn(_ label: PaymentColumns.KnownLabel) {
        let row = Int(label.row)
        if states[row] == .awaited {
            early[label.row] = label
            return
        }
        // That a payment was genuine matters to few features, unless it was taken for a fraud before.
        if !label.isFraud, states[row] == .observed, !engine.asksWhatIsGenuine { return }
        if label.isFraud { states[row] = .suspected }
        engine.learn(
            isFraud: label.isFraud, knownAt: label.knownAt, time: payments.times[row], customer: payments.customers[row],
            terminal: payments.terminals[row], rank: ranks.isEmpty ? 0 : ranks[label.row] ?? 0)
    }
}

extension [PaymentColumns.KnownLabel] {
    /// Those known at the same time stay as they come.
    fileprivate var inOrderOfKnowledge: Self {
        guard zip(self, dropFirst()).contains(where: { $0.knownAt > $1.knownAt }) else { return self }
        return indices.sorted { (self[$0].knownAt, $0) < (self[$1].knownAt, $1) }.map { self[$0] }
    }
}
