import Contracts
import EventLog
import Features
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

/// `vigil.features.v1.FeatureStoreService`.
struct FeatureStoreHandlers: FeaturesV1.FeatureStoreService.Handlers {
    static let maxKeys = 1_000

    let database: FeatureStoreDatabase
    /// Between calls and the writer: a caller that goes away must not cancel a commit that memory is already ahead of.
    let observations: Batcher<Transaction, EncodedObservation>
    /// Where several stores keep a slice each; observations then go through it.
    let replica: Replica?
    let writer: ObservationWriter
    let behaviour: BehaviourKeeper
    let featureSet: FeatureSet

    func observe(_ request: FeaturesV1.ObserveRequest, context: CallContext) async throws -> FeaturesV1.ObserveResponse {
        try Self.check(count: request.transactions.count, "transactions")
        try check(generation: request.ringGeneration)
        let transactions = try Self.accepted(request.transactions)
        for (index, transaction) in transactions.enumerated() {
            guard let replica, !replica.slice.owns(customer: transaction.customerID) else { continue }
            throw replica.isElsewhere("the customer of transactions[\(index)]", replica.slice.ring.owner(ofCustomer: transaction.customerID))
        }
        let positions = try [LogRun](request.positions, field: "positions", of: request.transactions.count)
        return try await answeringEnd {
            var response = FeaturesV1.ObserveResponse(featureSetVersion: featureSet.version)
            if let replica, request.ringGeneration != 0 {
                let (whole, halves) = try await replica.observeAtCustomers(transactions)
                response.halves = halves
                (response.observations, response.encodedObservations) = try Self.answer(whole, encoded: request.encoded)
                response.positions = Self.positions(of: whole)
                return response
            }
            let observed =
                if let replica { try await replica.observe(transactions) } else {
                    try await observations.submit(transactions)
                }
            // They are stored by now.
            writer.brought.insert(positions)
            (response.observations, response.encodedObservations) = try Self.answer(observed, encoded: request.encoded)
            response.positions = Self.positions(of: observed)
            return response
        }
    }

    /// Transactions of a call, checked as the gateway checks them; what its log brings later has been.
    static func accepted(_ messages: [RecordsV1.Transaction]) throws(RPCError) -> [Transaction] {
        // What the gateway has just accepted by its clock is not refused for ours.
        let now = Timestamp.now() + RecordLimits.maxClockSkew
        var transactions: [Transaction] = []
        transactions.reserveCapacity(messages.count)
        for (index, message) in messages.enumerated() {
            do throws(InvalidRecord) {
                var transaction = try Transaction(message, isIncoming: true)
                // No feature rests on them, and the gateway's are tokens, which nobody can check.
                transaction.details = nil
                let violations = transaction.validate(now: now)
                guard violations.isEmpty else { throw InvalidRecord(violations) }
                transactions.append(transaction)
            } catch {
                throw error.rpcError(within: "transactions[\(index)]")
            }
        }
        return transactions
    }

    private static func positions(of observed: [EncodedObservation]) -> [EventLogV1.LogRun] {
        [LogRun](observed.compactMap { $0.position }).map { .init($0) }
    }

    /// In one of the two ways to answer with observations.
    private static func answer(
        _ observed: [EncodedObservation], encoded: Bool
    ) throws -> (messages: [FeaturesV1.Observation], encoded: [[UInt8]]) {
        encoded ? ([], observed.map(\.bytes)) : (try observed.map { try $0.message() }, [])
    }

    func observeAtTerminals(
        _ request: FeaturesV1.ObserveAtTerminalsRequest, context: CallContext
    ) async throws -> FeaturesV1.ObserveAtTerminalsResponse {
        try Self.check(count: request.observations.count, "observations")
        guard let replica else { throw RPCError(.failedPrecondition, "this store keeps everything and completes nothing for others") }
        return try await answeringEnd {
            let whole = try await replica.completeHere(request)
            let (messages, encoded) = try Self.answer(whole, encoded: request.encoded)
            return .init(observations: messages, encodedObservations: encoded, positions: Self.positions(of: whole))
        }
    }

    func getFeatures(_ request: FeaturesV1.GetFeaturesRequest, context: CallContext) async throws -> FeaturesV1.GetFeaturesResponse {
        try Self.check(count: request.keys.count, "keys")
        try Self.check(count: request.entities.count, "entities")
        try Self.check(request.entities, keys: request.keys)
        try check(generation: request.ringGeneration)
        let keys = request.keys.map(TransactionKey.init)
        let found = try await database.observations(of: keys)
        let entities = try await features(
            of: request.entities, at: Self.time(request.at, "at") ?? .now(), onlyHere: request.ringGeneration != 0)
        if !request.eachAlone, let silent = entities.first(where: { !$0.unavailable.isEmpty }) {
            throw RPCError(.unavailable, silent.unavailable)
        }
        return FeaturesV1.GetFeaturesResponse(
            observations: try keys.compactMap { found[$0] }.map { try FeaturesV1.Observation(entry: $0) }, entities: entities,
            featureSetVersion: featureSet.version)
    }

    /// What the writer throws once memory and schema have parted is an answer too.
    func answeringEnd<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch BatchError.closed {
            throw RPCError(.unavailable, "the feature store is starting anew")
        } catch BatchError.full {
            throw RPCError(.resourceExhausted, "too much waits to be observed; try again later")
        }
    }

    func describeFeatureSet(
        _ request: FeaturesV1.DescribeFeatureSetRequest, context: CallContext
    ) async throws -> FeaturesV1.DescribeFeatureSetResponse {
        FeaturesV1.DescribeFeatureSetResponse(
            version: featureSet.version,
            features: featureSet.definitions.map { definition in
                FeaturesV1.Feature(
                    name: definition.name, entity: definition.entity.rawValue, description: definition.description,
                    aggregation: definition.aggregation.rawValue, windowSeconds: definition.window.microseconds / 1_000_000,
                    delaySeconds: definition.delay.microseconds / 1_000_000, owner: definition.owner, type: "double",
                    restsOnLabels: definition.aggregation.restsOnLabels)
            },
            behaviourVersion: BehaviourSet.standard.version, behaviours: Self.catalogue(of: .standard),
            computation: .init(
                labelDelaySeconds: featureSet.labelDelay.microseconds / 1_000_000, utcOffsetSeconds: Int32(featureSet.utcOffsetSeconds),
                engineRevision: Int32(FeatureSet.engineRevision)))
    }

    func getHistoricalFeatures(
        _ request: FeaturesV1.GetHistoricalFeaturesRequest, to responses: ResponseWriter<FeaturesV1.GetHistoricalFeaturesResponse>,
        context: CallContext
    ) async throws {
        let (from, to) = try Self.span(request.from, request.to)
        let history = FeatureHistory(
            database: database, featureSet: featureSet, from: from, to: to, knownBy: try Self.time(request.knownBy, "known_by"),
            withBehaviour: request.withBehaviour)
        try await history.forEachBatch { rows in try await responses.write(FeaturesV1.GetHistoricalFeaturesResponse(rows: rows)) }
    }

    func getFeatureHealth(
        _ request: FeaturesV1.GetFeatureHealthRequest, context: CallContext
    ) async throws -> FeaturesV1.GetFeatureHealthResponse {
        let window = await writer.latest()
        let reference = try await database.reference(version: featureSet.version)
        let health = window.health(of: featureSet.names, reference: reference)
        return FeaturesV1.GetFeatureHealthResponse(
            featureSetVersion: featureSet.version, observations: Int64(window.count), newestEventTime: window.newest.map { .init($0) },
            features: health.map(FeaturesV1.FeatureHealth.init),
            referenceFrom: reference?.from.map { .init($0) }, referenceTo: reference?.to.map { .init($0) },
            behaviours: try await behaviourHealth.now().map(FeaturesV1.FeatureHealth.init))
    }

    private var behaviourHealth: BehaviourHealth { BehaviourHealth(behaviour: behaviour, database: database) }

    func setFeatureReference(
        _ request: FeaturesV1.SetFeatureReferenceRequest, context: CallContext
    ) async throws -> FeaturesV1.SetFeatureReferenceResponse {
        let (from, to) = try Self.span(request.from, request.to)
        var sample = FeatureSample(featureCount: featureSet.count)
        try await FeatureHistory(database: database, featureSet: featureSet, from: from, to: to).forEachBatch { rows in
            for row in rows { if let observation = row.observation { sample.add(observation.values) } }
        }
        guard let reference = sample.reference(names: featureSet.names, from: from, to: to) else {
            throw RPCError(.failedPrecondition, "there are no observations in that span")
        }
        try await database.setReference(reference, version: featureSet.version)
        try await behaviourHealth.setReference(from: from, to: to)
        return .init(observations: Int64(reference.observations))
    }

    func tailObservations(
        _ request: FeaturesV1.TailObservationsRequest, to responses: ResponseWriter<FeaturesV1.TailObservationsResponse>,
        context: CallContext
    ) async throws {
        let limit = request.maxBatch == 0 ? Self.maxKeys : min(Int(request.maxBatch), Self.maxKeys)
        let after = try await database.log.checked(request.after)
        guard !request.keysOnly else {
            throw RPCError.invalidArgument([.init(field: "keys_only", description: "is not answered any more; ask for runs_only")])
        }
        if request.runsOnly {
            for try await runs in database.log.tailRuns(after: after, batchLimit: limit) {
                try await write(try await observations(in: runs), to: responses)
            }
        } else {
            for try await entries in database.log.tail(after: after, batchLimit: limit) {
                try await write(try entries.compactMap { try .init($0) }, to: responses)
            }
        }
    }

    private func write(
        _ observations: [FeaturesV1.LoggedObservation], to responses: ResponseWriter<FeaturesV1.TailObservationsResponse>
    ) async throws {
        if !observations.isEmpty { try await responses.write(.init(observations: observations)) }
    }

    /// Where observations lie; those that lie among something else come whole.
    private func observations(in runs: [LoggedRun]) async throws -> [FeaturesV1.LoggedObservation] {
        var found: [FeaturesV1.LoggedObservation] = []
        for run in runs {
            switch run.naming {
            case .all:
                found.append(
                    .init(
                        position: .init(run.run.end), recordedAt: .init(Timestamp(microseconds: run.recordedAtMicroseconds)),
                        run: .init(run.run)))
            case .some:
                let before = LogPosition(transactionID: run.run.transactionID, sequence: run.run.sequences.lowerBound - 1)
                found += try await database.log.read(after: before, limit: run.run.count).compactMap { try .init($0) }
            case .none: break
            }
        }
        return found
    }

    /// A caller without a ring is answered by whoever it asked, as far as that can.
    private func check(generation: Int64) throws {
        guard generation != 0 else { return }
        guard let replica else { throw RPCError(.failedPrecondition, "the call is by ring \(generation); this store keeps everything") }
        try replica.check(generation: generation)
    }

    private static func check(count: Int, _ field: String) throws {
        guard count <= maxKeys else {
            throw RPCError.invalidArgument([FieldViolation(field: field, description: "has more than \(maxKeys) entries")])
        }
    }

    /// A span of event time, first and end.
    private static func span(
        _ from: GoogleProtobuf.Timestamp?, _ to: GoogleProtobuf.Timestamp?
    ) throws -> (from: Timestamp?, to: Timestamp?) {
        let span = (from: try time(from, "from"), to: try time(to, "to"))
        if let from = span.from, let to = span.to, from >= to {
            throw RPCError.invalidArgument([FieldViolation(field: "to", description: "is not after from")])
        }
        return span
    }

    private static func time(_ message: GoogleProtobuf.Timestamp?, _ field: String) throws -> Timestamp? {
        guard let message else { return nil }
        guard let time = Timestamp(message) else {
            throw RPCError.invalidArgument([FieldViolation(field: field, description: Timestamp.fault(of: message))])
        }
        return time
    }
}

extension FeaturesV1.LoggedObservation {
    /// Nil for an entry that is no observation.
    fileprivate init?(_ entry: LoggedEvent) throws {
        guard case .observed(let observation) = try FeaturesV1.FeatureEvent.Event(entry: entry.payload) else { return nil }
        self.init(
            position: .init(entry.position), recordedAt: .init(Timestamp(microseconds: entry.recordedAtMicroseconds)),
            observation: observation)
    }
}
