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
    enum TerminalSide: Sendable {
        case observation(FeaturesV1.CustomerObservation, Transaction)
        case label(Label)
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

    /// Completes what other replicas have begun, and takes in labels of payments at terminals that are kept here.
    /// - Returns: an observation for each payment, nil for each label.
    func observeAtTerminals(_ items: [TerminalSide]) async throws -> [EncodedObservation?] {
        try await turnstile.pass {
            let keys = items.compactMap { if case .observation(_, let transaction) = $0 { transaction.key } else { nil } }
            var whole = try await database.observations(of: keys).mapValues { try EncodedObservation(entry: $0) }
            try await commitPart(&whole) { effect, _, whole in
                for item in items {
                    switch item {
                    case .observation(let half, let transaction):
                        guard whole[transaction.key] == nil, let values = half.observation?.values else { continue }
                        let observed = memory.observeAtTerminal(transaction, completing: values, home: half.home.map(Coordinate.init))
                        whole[transaction.key] = effect.add(observed, version: version, into: &window)
                    case .label(let label):
                        memory.learn(label)
                        effect.lines.append(.init(payload: Payload.encode(FeaturesV1.FeatureEvent(event: .labelled(.init(label)))), observed: nil))
                    }
                }
            }
            return items.map { item in
                guard case .observation(_, let transaction) = item else { return nil }
                return whole[transaction.key]
            }
        }
    }

    /// Takes in what the gateway's log says of what is kept here, and the position with it.
    /// - Parameter claim: in the transaction: changes, none of them a payment, and the labels that this replica writes into the table.
    func takePart(_ claim: (PostgresTransaction) async throws -> (changes: [FeatureChange], labels: [Label])) async throws {
        try await turnstile.pass {
            try await guarding { isAhead in
                try await database.pool.withTransaction { transaction in
                    if let part { try await database.hold(part.membership, in: transaction) }
                    let (changes, labels) = try await claim(transaction)
                    var observations: [TransactionKey: EncodedObservation] = [:]
                    isAhead = !changes.isEmpty
                    let effect = try self.remember(changes, &observations)
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
                guard case .customerObserved(let half) = try Payload.decode(FeaturesV1.FeatureEvent.self, entry).event else { continue }
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
        case .labelled(let message): memory.learn(try Label(message))
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
