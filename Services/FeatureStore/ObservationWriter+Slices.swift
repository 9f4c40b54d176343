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
            try await commitPart(&whole) { lines, whole in
                for transaction in transactions where whole[transaction.key] == nil && halves[transaction.key] == nil {
                    if transaction.terminalID != nil {
                        let half = FeaturesV1.Observation(memory.observeAtCustomer(transaction), version: version)
                        halves[transaction.key] = half
                        let payload = Payload.encode(FeaturesV1.FeatureEvent(event: .customerObserved(half)))
                        lines.add(
                            half: LogLine(payload: payload, observed: (transaction.key, transaction.eventTime)), of: transaction.customerID)
                    } else {
                        let (observation, line) = self.whole(memory.observe(transaction))
                        whole[transaction.key] = observation
                        lines.add(whole: line, of: transaction.customerID)
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
            try await commitPart(&whole) { lines, whole in
                for payment in begun where whole[payment.transaction.key] == nil {
                    let (observation, line) = self.whole(
                        memory.observeAtTerminal(payment.transaction, completing: payment.values, home: payment.home))
                    whole[payment.transaction.key] = observation
                    lines.add(whole: line, of: payment.transaction.customerID)
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

    /// Lines of one commit: halves are written apart, because a half is found by its key, and yet the log must tell each customer's payments
    /// in the order in which memory took them in. So in rounds: halves first, and a half that follows something whole of its customer in the
    /// next round.
    private struct Lines {
        private(set) var rounds: [(halves: [LogLine], whole: [LogLine])] = []
        /// Of each customer's last line.
        private var last: [String: (round: Int, isWhole: Bool)] = [:]

        mutating func add(half line: LogLine, of customer: String) {
            let round = last[customer].map { $0.isWhole ? $0.round + 1 : $0.round } ?? 0
            if round == rounds.count { rounds.append(([], [])) }
            rounds[round].halves.append(line)
            last[customer] = (round, false)
        }

        mutating func add(whole line: LogLine, of customer: String) {
            let round = last[customer]?.round ?? 0
            if round == rounds.count { rounds.append(([], [])) }
            rounds[round].whole.append(line)
            last[customer] = (round, true)
        }
    }

    /// Commits what `change` makes of memory, while this process has its place in the ring.
    ///
    /// - Parameter whole: what has been observed; what is new is told where it lies.
    private func commitPart(
        _ whole: inout [TransactionKey: EncodedObservation],
        _ change: (_ lines: inout Lines, _ whole: inout [TransactionKey: EncodedObservation]) -> Void
    ) async throws {
        let written = try await guarding { isAhead in
            isAhead = true
            var lines = Lines()
            change(&lines, &whole)
            let rounds = lines.rounds
            if rounds.isEmpty {
                isAhead = false
                return [(lines: [LogLine], blocks: [LogPosition])]()
            }
            let written = try await database.pool.withTransaction { transaction in
                if let part { try await database.hold(part.membership, in: transaction) }
                var written: [(lines: [LogLine], blocks: [LogPosition])] = []
                for round in rounds {
                    try await database.append(partial: round.halves, in: transaction)
                    written.append((round.whole, try await database.append(round.whole, labels: [], in: transaction)))
                }
                return written
            }
            newEntries += rounds.reduce(0) { $0 + $1.halves.count + $1.whole.count }
            return written
        }
        for (lines, blocks) in written {
            for (block, lines) in zip(blocks, EventLog.blocks(of: lines)) {
                for (place, line) in lines.enumerated() {
                    if let key = line.observed?.key { whole[key]?.position = block.advanced(by: place) }
                }
            }
        }
    }

    /// One entry of the log, as far as it is of what is kept here. What has features of another set is computed anew, and that takes both
    /// sides of all payments so far, whoever keeps them.
    ///
    /// - Parameter unfinished: payments of which the log holds a half and nothing more.
    func replay(_ event: FeaturesV1.FeatureEvent.Event?, of slice: Slice, unfinished: Set<TransactionKey>) throws {
        switch event {
        case .observed(let message):
            let transaction = try Transaction(observation: message)
            let isHere = transaction.terminalID.map { slice.owns(terminal: $0) } ?? false
            if !memory.computes(message) {
                if memory.hasBegun(transaction.key) || !memory.hasObserved(transaction.key) {
                    window.add(try memory.replay(whole: message).values, at: transaction.eventTime)
                }
            } else if isHere || slice.owns(customer: transaction.customerID) {
                memory.remember(transaction, values: message.values, atTerminal: isHere)
                window.add(message.values, at: transaction.eventTime)
            }
        case .customerObserved(let message):
            let transaction = try Transaction(observation: message)
            guard memory.computes(message) else {
                // What is not whole yet begins again when it comes again.
                if !unfinished.contains(transaction.key) { try memory.replay(half: message) }
                return
            }
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
