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
    static let historyBatchRows = 1_000

    let database: FeatureStoreDatabase
    /// Between calls and the writer: a caller that goes away must not cancel a commit that memory is already ahead of.
    let observations: Batcher<Transaction, FeaturesV1.Observation>
    let featureSet: FeatureSet

    func observe(_ request: FeaturesV1.ObserveRequest, context: CallContext) async throws -> FeaturesV1.ObserveResponse {
        try Self.check(count: request.transactions.count, "transactions")
        var transactions: [Transaction] = []
        transactions.reserveCapacity(request.transactions.count)
        for (index, message) in request.transactions.enumerated() {
            do {
                transactions.append(try Transaction(message))
            } catch {
                throw error.rpcError(within: "transactions[\(index)]")
            }
        }
        do {
            let observations = try await observations.submit(transactions)
            return FeaturesV1.ObserveResponse(featureSetVersion: featureSet.version, observations: observations)
        } catch BatchError.closed {
            throw RPCError(.unavailable, "the feature store is starting anew")
        } catch BatchError.full {
            throw RPCError(.resourceExhausted, "too much waits to be observed; try again later")
        }
    }

    func getFeatures(_ request: FeaturesV1.GetFeaturesRequest, context: CallContext) async throws -> FeaturesV1.GetFeaturesResponse {
        try Self.check(count: request.keys.count, "keys")
        let keys = request.keys.map(TransactionKey.init)
        let found = try await database.observations(of: keys)
        return FeaturesV1.GetFeaturesResponse(
            observations: try keys.compactMap { found[$0] }.map { try Payload.decode(FeaturesV1.Observation.self, $0) })
    }

    func describeFeatureSet(
        _ request: FeaturesV1.DescribeFeatureSetRequest, context: CallContext
    ) async throws -> FeaturesV1.DescribeFeatureSetResponse {
        FeaturesV1.DescribeFeatureSetResponse(
            version: featureSet.version,
            features: featureSet.definitions.map { definition in
                FeaturesV1.Feature(name: definition.name, entity: definition.entity.rawValue, description: definition.description)
            })
    }

    func getHistoricalFeatures(
        _ request: FeaturesV1.GetHistoricalFeaturesRequest, to responses: ResponseWriter<FeaturesV1.GetHistoricalFeaturesResponse>,
        context: CallContext
    ) async throws {
        let from = try Self.time(request.from, "from")
        let to = try Self.time(request.to, "to")
        let knownBy = try Self.time(request.knownBy, "known_by")
        try await database.forEachHistoricalBatch(from: from, to: to, knownBy: knownBy, batchRows: Self.historyBatchRows) { batch in
            let rows = try batch.map { item in
                FeaturesV1.HistoricalRow(
                    observation: try Payload.decode(FeaturesV1.Observation.self, item.message),
                    label: item.label.map { .init($0) })
            }
            try await responses.write(FeaturesV1.GetHistoricalFeaturesResponse(rows: rows))
        }
    }

    func tailObservations(
        _ request: FeaturesV1.TailObservationsRequest, to responses: ResponseWriter<FeaturesV1.TailObservationsResponse>,
        context: CallContext
    ) async throws {
        let limit = request.maxBatch == 0 ? Self.maxKeys : min(Int(request.maxBatch), Self.maxKeys)
        for try await entries in database.log.tail(after: LogPosition(request.after), batchLimit: limit) {
            let observations = try entries.compactMap { entry -> FeaturesV1.LoggedObservation? in
                guard case .observed(let observation) = try Payload.decode(FeaturesV1.FeatureEvent.self, entry.payload).event else { return nil }
                return FeaturesV1.LoggedObservation(
                    position: .init(entry.position), recordedAt: .init(Timestamp(microseconds: entry.recordedAtMicroseconds)),
                    observation: observation)
            }
            if !observations.isEmpty { try await responses.write(FeaturesV1.TailObservationsResponse(observations: observations)) }
        }
    }

    private static func check(count: Int, _ field: String) throws {
        guard count <= maxKeys else {
            throw RPCError.invalidArgument([FieldViolation(field: field, description: "has more than \(maxKeys) entries")])
        }
    }

    private static func time(_ message: GoogleProtobuf.Timestamp?, _ field: String) throws -> Timestamp? {
        guard let message else { return nil }
        guard let time = Timestamp(message) else {
            throw RPCError.invalidArgument([FieldViolation(field: field, description: "is not a time between the years 1 and 9999")])
        }
        return time
    }
}
