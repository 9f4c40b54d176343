import Contracts
import EventLog
import Features
import Postgres
import RecordCoding
import Records
import ServiceRuntime

/// What one replica takes in where several keep a slice each.
///
/// A payment's customer and its terminal may belong to two replicas. The customer's observes first and writes its half; the terminal's
/// completes it and writes the observation, also where both are one, so that a terminal's payments keep the caller's order. Each writes
/// what its own memory is made of before it answers, so either may be asked again
/// after any crash, and finds what it has written.
extension ObservationWriter {
    /// What the customer's replica knows of a payment.
    enum CustomerSide: Sendable {
        case whole(EncodedObservation)
        case half(FeaturesV1.CustomerObservation)
    }

    /// What comes to the terminal's replica, from the customer's.
    struct Begun: Sendable {
        let transaction: Transaction
        /// Those that rest on the terminal are NaN.
        let values: [Double]
        /// Where the customer lives.
        let home: Coordinate?
    }

    /// Observes payments of customers that are kept here; those observed before keep their first features.
    func observeAtCustomers(_ transactions: [Transaction]) async throws -> [CustomerSide] {
        try await turnstile.pass {
            let keys = transactions.map(\.key)
            var whole = try await database.observations(of: keys).mapValues { try EncodedObservation(entry: $0) }
            var halves = try await firstHalves(of: keys.filter { whole[$0] == nil })
            try await commitPart(&whole) { effect, halfLines, whole in
                for transaction in transactions where whole[transaction.key] == nil && halves[transaction.key] == nil {
                    if transaction.terminalID != nil {
                        let half = FeaturesV1.Observation(memory.observeAtCustomer(transaction), version: version)
                        halves[transaction.key] = half
                        halfLines.append(
                            LogLine(
                                payload: Payload.encode(FeaturesV1.FeatureEvent(event: .customerObserved(half))),
                                observed: (transaction.key, transaction.eventTime)))
                    } else {
                        whole[transaction.key] = effect.add(memory.observe(transaction), version: version, into: &window)
                    }
                }
            }
            return try transactions.map { transaction in
                if let observation = whole[transaction.key] { return .whole(observation) }
                guard let half = halves[transaction.key] else { throw BatchError.incomplete }
                return .half(.init(observation: half, home: memory.home(of: transaction.customerID).map { .init($0) }))
            }
        }
    }

    /// Completes what the customers' replicas have begun.
    func observeAtTerminals(_ begun: [Begun]) async throws -> [EncodedObservation] {
        try await turnstile.pass {
            var whole = try await database.observations(of: begun.map(\.transaction.key)).mapValues { try EncodedObservation(entry: $0) }
            try await commitPart(&whole) { effect, _, whole in
                for payment in begun where whole[payment.transaction.key] == nil {
                    let observed = memory.observeAtTerminal(payment.transaction, completing: payment.values, home: payment.home)
                    whole[payment.transaction.key] = effect.add(observed, version: version, into: &window)
                }
            }
            return try begun.map { payment in
                guard let observation = whole[payment.transaction.key] else { throw BatchError.incomplete }
                return observation
            }
        }
    }

    /// Takes in what the gateway's log says of what is kept here, and the position with it.
    /// - Parameters:
    ///   - unobserved: labelled payments of which the log holds no whole observation.
    ///   - claim: in the transaction: changes, none of them a payment, and the labels that this replica writes into the table.
    func takePart(
        unobserved: Set<TransactionKey>, _ claim: (PostgresTransaction) async throws -> (changes: [FeatureChange], labels: [Label])
    ) async throws {
        try await turnstile.pass {
            try await guarding { isAhead in
                try await database.pool.withTransaction { transaction in
                    if let part { try await database.hold(part.membership, in: transaction) }
                    let (changes, labels) = try await claim(transaction)
                    var observations: [TransactionKey: EncodedObservation] = [:]
                    isAhead = !changes.isEmpty
                    let effect = try self.remember(changes, &observations, unobserved: unobserved)
                    _ = try await database.append(effect.lines, labels: labels, in: transaction)
                    self.newEntries += effect.lines.count
                }
            }
        }
    }

    /// Of those that this version of the features has begun.
    private func firstHalves(of keys: [TransactionKey]) async throws -> [TransactionKey: FeaturesV1.Observation] {
        try await database.partialObservations(of: keys).compactMapValues { entries in
            for entry in entries {
                guard case .customerObserved(let half) = try FeaturesV1.FeatureEvent.Event(entry: entry) else { continue }
                if half.featureSetVersion == version { return half }
            }
            return nil
        }
    }

    /// Commits what `change` makes of memory, while this process has its place in the ring.
    ///
    /// - Parameter whole: what has been observed.
    private func commitPart(
        _ whole: inout [TransactionKey: EncodedObservation],
        _ change: (_ effect: inout Effect, _ halfLines: inout [LogLine], _ whole: inout [TransactionKey: EncodedObservation]) -> Void
    ) async throws {
        let made = try await guarding { isAhead in
            isAhead = true
            var (effect, halfLines) = (Effect(), [LogLine]())
            change(&effect, &halfLines, &whole)
            if effect.lines.isEmpty, halfLines.isEmpty {
                isAhead = false
                return (effect, [LogPosition]())
            }
            let blocks = try await database.pool.withTransaction { transaction in
                if let part { try await database.hold(part.membership, in: transaction) }
                try await database.append(partial: halfLines, in: transaction)
                return try await database.append(effect.lines, labels: [], in: transaction)
            }
            newEntries += effect.lines.count + halfLines.count
            return (effect, blocks)
        }
        keep(made.0, at: made.1, &whole)
    }

    /// One entry of the log, as far as it is of what is kept here.
    func replay(_ event: FeaturesV1.FeatureEvent.Event?, of slice: Slice) throws {
        switch event {
        case .observed(let message):
            let transaction = try Transaction(observation: message)
            let isHere = transaction.terminalID.map { slice.owns(terminal: $0) } ?? false
            if message.featureSetVersion != version || message.values.count != memory.featureSet.count {
                // Computed anew, and that takes both sides of all payments so far, whoever keeps them.
                if !memory.hasObserved(transaction.key) { window.add(memory.observe(transaction).values, at: transaction.eventTime) }
            } else if isHere || slice.owns(customer: transaction.customerID) {
                memory.remember(transaction, values: message.values, atTerminal: isHere)
                window.add(message.values, at: transaction.eventTime)
            }
        case .customerObserved(let message):
            // Of other features: it begins again when it comes again, or is whole in a later entry.
            guard message.featureSetVersion == version, message.values.count == memory.featureSet.count else { return }
            let transaction = try Transaction(observation: message)
            if slice.owns(customer: transaction.customerID) { memory.remember(transaction, values: message.values, atTerminal: false) }
        case .labelled(let message): memory.learn(ifObserved: try Label(message))
        case .labelledEarly(let message): memory.learn(try Label(message))
        case .terminalPlaced(let message):
            let terminal = try Terminal(message)
            if slice.owns(terminal: terminal.terminalID) { memory.place(terminal) }
        case .customerPlaced(let message):
            let customer = try Customer(message)
            if slice.owns(customer: customer.customerID) { memory.place(customer) }
        case nil: throw ServiceError("the log holds an entry that this version does not know")
        }
    }
}
