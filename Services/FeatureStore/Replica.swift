import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// One of several feature stores: keeps a slice, and asks the others for what they keep.
struct Replica: Sendable {
    /// How long what the gateway's log says waits for another replica before it asks again.
    static let retryPause = Duration.milliseconds(200)
    /// The gateway's calls bring payments in its order, whoever keeps their customers; replicas that each read their own customers' from
    /// the log do not. So what is accepted is left to the calls for so long.
    static let callLead = Duration.seconds(5)
    static let callTimeout = Duration.seconds(10)

    /// What another replica is asked.
    struct Peer: Sendable {
        let complete: @Sendable (FeaturesV1.ObserveAtTerminalsRequest) async throws -> [EncodedObservation]
        let features: @Sendable (FeaturesV1.GetFeaturesRequest) async throws -> [FeaturesV1.EntityFeatures]
    }

    let slice: Slice
    let writer: ObservationWriter
    /// The other replicas by name.
    let others: [String: Peer]
    /// Between calls and the writer: a caller that goes away must not cancel a commit that memory is already ahead of.
    let customers: Batcher<Transaction, ObservationWriter.CustomerSide>
    let terminals: Batcher<ObservationWriter.Begun, EncodedObservation>
    let logger: Logger

    init(slice: Slice, writer: ObservationWriter, others: [String: Peer], logger: Logger) {
        self.slice = slice
        self.writer = writer
        self.others = others
        self.logger = logger
        customers = Batcher { try await writer.observeAtCustomers($0) }
        terminals = Batcher { try await writer.observeAtTerminals($0) }
    }

    func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await customers.run() }
            tasks.addTask { await terminals.run() }
        }
    }

    /// Observes payments of this replica's customers, as far as that rests on the customers.
    func observeAtCustomers(
        _ transactions: [Transaction]
    ) async throws -> (whole: [EncodedObservation], halves: [FeaturesV1.CustomerObservation]) {
        var (whole, halves): ([EncodedObservation], [FeaturesV1.CustomerObservation]) = ([], [])
        for side in try await customers.submit(transactions) {
            switch side {
            case .whole(let observation): whole.append(observation)
            case .half(let half): halves.append(half)
            }
        }
        return (whole, halves)
    }

    /// Observes payments of this replica's customers whole: here first, then where their terminals are kept.
    func observe(_ transactions: [Transaction]) async throws -> [EncodedObservation] {
        let sides = try await customers.submit(transactions)
        var places: [String: [Int]] = [:]
        var answers = [EncodedObservation?](repeating: nil, count: sides.count)
        var halves: [Int: FeaturesV1.CustomerObservation] = [:]
        for (place, side) in sides.enumerated() {
            switch side {
            case .whole(let observation): answers[place] = observation
            case .half(let half):
                halves[place] = half
                places[slice.ring.owner(ofTerminal: half.observation?.terminalID ?? ""), default: []].append(place)
            }
        }
        let completed = try await withThrowingTaskGroup(of: (places: [Int], observations: [EncodedObservation]).self) { group in
            for (name, places) in places {
                let part = places.compactMap { halves[$0] }
                group.addTask { (places, try await complete(part, at: name)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for part in completed {
            for (place, observation) in zip(part.places, part.observations) { answers[place] = observation }
        }
        let whole = answers.compactMap { $0 }
        guard whole.count == transactions.count else { throw BatchError.incomplete }
        return whole
    }

    /// - Parameter name: of the replica that keeps the terminals; may be this one.
    private func complete(_ halves: [FeaturesV1.CustomerObservation], at name: String) async throws -> [EncodedObservation] {
        let request = FeaturesV1.ObserveAtTerminalsRequest(observations: halves, ringGeneration: slice.ring.generation, encoded: true)
        guard name != slice.name else { return try await completeHere(request) }
        do {
            return try await peer(name).complete(request)
        } catch {
            throw unavailable(name, error)
        }
    }

    /// What another replica or the gateway asks of this one.
    func completeHere(_ request: FeaturesV1.ObserveAtTerminalsRequest) async throws -> [EncodedObservation] {
        try check(generation: request.ringGeneration)
        let begun = try request.observations.enumerated().map { index, half in
            let field = "observations[\(index)]"
            guard let observation = half.observation else { throw RPCError.invalidArgument([.init(field: field, description: "is missing")]) }
            guard observation.featureSetVersion == writer.version else {
                throw RPCError(.failedPrecondition, "\(field) is of feature set \(observation.featureSetVersion); this is \(writer.version)")
            }
            guard slice.owns(terminal: observation.terminalID) else {
                throw isElsewhere("the terminal of \(field)", slice.ring.owner(ofTerminal: observation.terminalID))
            }
            return ObservationWriter.Begun(
                transaction: try Transaction(observation: observation), values: observation.values, home: half.home.map(Coordinate.init))
        }
        return try await terminals.submit(begun)
    }

    /// The features of entities that another replica keeps; where it does not answer, each says so.
    func features(of entities: [FeaturesV1.EntityKey], at time: Timestamp, from name: String) async -> [FeaturesV1.EntityFeatures] {
        let request = FeaturesV1.GetFeaturesRequest(
            entities: entities, at: .init(time), ringGeneration: slice.ring.generation, eachAlone: true)
        do {
            return try await peer(name).features(request)
        } catch {
            let reason = unavailable(name, error).message
            return entities.map { FeaturesV1.EntityFeatures(entity: $0, unavailable: reason) }
        }
    }

    // MARK: The gateway's log

    /// Takes in a batch of the gateway's log: payments of this replica's customers that no call has brought, what becomes known of them,
    /// and where its customers and terminals are.
    func take(_ batch: LogConsumer.Batch<FeatureChange?>, database: FeatureStoreDatabase, consumer: LogConsumer) async throws {
        let changes = batch.events.compactMap(\.event)
        let payments = changes.compactMap { change -> Transaction? in
            guard case .transaction(let transaction) = change, slice.owns(customer: transaction.customerID) else { return nil }
            return transaction
        }
        for start in stride(from: 0, to: payments.count, by: FeatureStoreHandlers.maxKeys) {
            let part = Array(payments[start..<min(start + FeatureStoreHandlers.maxKeys, payments.count)])
            _ = try await untilAnswered { try await observe(part) }
        }
        let labels = changes.compactMap { change -> Label? in
            if case .label(let label) = change { label } else { nil }
        }
        let (here, unobserved) = try await concerning(labels, database)
        try await writer.takePart(unobserved: unobserved) { transaction in
            let claimed = try await consumer.claim(batch, in: transaction).compactMap(\.event)
            let changes = claimed.filter { change in
                switch change {
                case .transaction: false
                case .label(let label): here.contains(label.key) || unobserved.contains(label.key)
                case .terminal(let terminal): slice.owns(terminal: terminal.terminalID)
                case .customer(let customer): slice.owns(customer: customer.customerID)
                }
            }
            return (changes, claimed.isEmpty ? [] : labels.filter { slice.owns($0.key) })
        }
    }

    /// The labelled payments whose customer or terminal is kept here, and those that nobody has observed whole yet: whose they are is known
    /// only then, and until then the label waits with each replica.
    private func concerning(
        _ labels: [Label], _ database: FeatureStoreDatabase
    ) async throws -> (here: Set<TransactionKey>, unobserved: Set<TransactionKey>) {
        let observed = try await database.observations(of: labels.map(\.key)).mapValues { try FeaturesV1.Observation(entry: $0) }
        let here = observed.filter { _, observation in
            slice.owns(customer: observation.customerID) || !observation.terminalID.isEmpty && slice.owns(terminal: observation.terminalID)
        }
        return (Set(here.keys), Set(labels.map(\.key)).subtracting(observed.keys))
    }

    /// Nothing of the log is passed over: what another replica cannot take in now waits for it.
    private func untilAnswered<R>(_ body: () async throws -> R) async throws -> R {
        var isFirst = true
        while true {
            do {
                return try await body()
            } catch let error as RPCError where error.code == .unavailable || error.code == .resourceExhausted {
                if isFirst { logger.warning("the gateway's log waits for another replica", metadata: ["reason": "\(error.message)"]) }
                isFirst = false
            } catch BatchError.full {
                // Calls came first.
            }
            try await Task.sleep(for: Self.retryPause)
        }
    }

    // MARK: Whose

    /// - Throws: `failedPrecondition` for a caller with another ring.
    func check(generation: Int64) throws(RPCError) {
        guard generation == slice.ring.generation else {
            throw RPCError(.failedPrecondition, "the call is by ring \(generation); this replica is of ring \(slice.ring.generation)")
        }
    }

    func isElsewhere(_ what: String, _ owner: String) -> RPCError {
        RPCError(.failedPrecondition, "\(what) is kept by replica \(owner) of ring \(slice.ring.generation); this is \(slice.name)")
    }

    private func peer(_ name: String) throws -> Peer {
        guard let peer = others[name] else { throw ServiceError("there is no replica \(name)") }
        return peer
    }

    private func unavailable(_ name: String, _ error: any Error) -> RPCError {
        RPCError(.unavailable, "replica \(name) of the feature store does not answer: \((error as? RPCError)?.message ?? "\(error)")")
    }
}

extension Replica.Peer {
    init(_ client: FeaturesV1.FeatureStoreService.Client) {
        self.init(
            complete: {
                let answer = try await client.observeAtTerminals($0, options: CallOptions(timeout: Replica.callTimeout))
                return answer.encodedObservations.map(EncodedObservation.init(bytes:))
            },
            features: { try await client.getFeatures($0, options: CallOptions(timeout: Replica.callTimeout)).entities })
    }
}
