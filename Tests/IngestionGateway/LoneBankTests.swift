import Contracts
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

@testable import IngestionGateway

/// What a bank with one payment waits for while another sends more than can be decided on.
@Suite struct LoneBankTests {
    private static let limits = IntakeLimits(maxBatchItems: 5, maxCommitItems: 20, maxQueuedItems: 400)
    private static let flood = 150
    /// Two that are scored, one that waits for that, one observed, one that waits for that, two committed.
    private static let batchesAhead = 7

    @Test func aLonePaymentWaitsForWhatIsCommittedAndForNothingElseOfAFlood() async throws {
        try await withPipeline { pipeline, deciding in
            // All of it is there before the pipeline runs, so that each of its batches is a full one.
            for number in 0..<Self.flood { #expect(pipeline.submitIfRoom(payment(number, of: "flood") { _ in })) }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await pipeline.run() }
                while pipeline.waitingItems > Self.flood - Self.batchesAhead * Self.limits.maxBatchItems { await Task.yield() }
                let isDecided = Gate()
                let lone = payment(0, of: "lone") { answer in
                    if case .decided(.accepted, _) = answer { isDecided.open() }
                }
                #expect(pipeline.submitIfRoom(lone))
                deciding.mayAnswer.open()
                await isDecided.pass()
                let observed = deciding.observed
                let ahead = observed.prefix { !$0.contains { $0.bankID == "lone" } }
                #expect(ahead.count == Self.batchesAhead)
                #expect(observed[ahead.count].first?.bankID == "lone" && observed[ahead.count].count == Self.limits.maxBatchItems)
                let ofFlood = observed.joined().filter { $0.bankID == "flood" }.map(\.transactionID)
                #expect(ofFlood == (0..<ofFlood.count).map { "t-\($0)" }, "a bank's own keep their order")
                group.cancelAll()
            }
        }
    }

    private func payment(
        _ number: Int, of bank: String, completed: @escaping @Sendable (TransactionAnswer) -> Void
    ) -> IncomingTransaction {
        let transaction = Transaction(
            key: .init(bankID: bank, transactionID: "t-\(number)"), eventTime: .now(), customerID: "c", amount: Money(minorUnits: 1, currency: .inr))
        return IncomingTransaction(transaction, identifiers: [], isAsked: true, isBrief: true) { completed($1) }
    }

    private func withPipeline(_ body: (TransactionPipeline, Deciding) async throws -> Void) async throws {
        let deciding = Deciding()
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let services: [any RPCService] = [FakeService(deciding.store), FakeService(deciding.models)]
            try await withServer(
                ServerConfiguration(host: "127.0.0.1", port: 0), services: services, health: HealthRegistry(), logger: testLogger
            ) { server in
                try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: testLogger) { channel in
                    let decider = Decider(stores: .one(.init(channel)), models: .init(channel), timeout: .seconds(600), logger: testLogger)
                    let vault = try #require(Vault(lines: "k " + String(repeating: "1a", count: 32)))
                    let pipeline = TransactionPipeline(
                        database: IngestionDatabase(pool: pool), keeper: IdentifierKeeper(vault: vault), decider: decider,
                        limits: Self.limits, metrics: IntakeMetrics(MetricsRegistry()), logger: testLogger, cannotServe: { _ in })
                    try await body(pipeline, deciding)
                }
            }
        }
    }
}

/// A feature store that answers at once, and a model server that answers nothing before it may.
private final class Deciding: Sendable {
    let mayAnswer = Gate()
    private let state = Mutex<[[RecordsV1.TransactionKey]]>([])

    /// Batch by batch.
    var observed: [[RecordsV1.TransactionKey]] { state.withLock { $0 } }

    var store: (name: String, method: RPCMethod) {
        (
            FeaturesV1.FeatureStoreService.fullName,
            .unary(FeaturesV1.FeatureStoreService.Methods.observe) { [self] (request: FeaturesV1.ObserveRequest, _) in
                let keys = request.transactions.compactMap(\.key)
                state.withLock { $0.append(keys) }
                return FeaturesV1.ObserveResponse(encodedObservations: keys.map { Payload.encode(FeaturesV1.Observation(key: $0)) })
            }
        )
    }

    var models: (name: String, method: RPCMethod) {
        (
            ModelsV1.ModelService.fullName,
            .unary(ModelsV1.ModelService.Methods.score) { [self] (request: ModelsV1.ScoreRequest, _) in
                await mayAnswer.pass()
                let keys = try request.encodedObservations.compactMap { try Payload.decode(FeaturesV1.Observation.self, $0).key }
                return ModelsV1.ScoreResponse(decisions: keys.map { .init(key: $0, state: .decided) })
            }
        )
    }
}

struct FakeService: RPCService {
    let serviceName: String
    let methods: [RPCMethod]
    var fileDescriptors: [[UInt8]] { [] }

    init(_ service: (name: String, method: RPCMethod)) {
        serviceName = service.name
        methods = [service.method]
    }
}
