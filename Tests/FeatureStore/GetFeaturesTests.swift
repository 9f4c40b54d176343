import Contracts
import Features
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct GetFeaturesTests {
    private typealias Client = FeaturesV1.FeatureStoreService.Client
    private static let end = Transaction.madeUpStart + .hours(1)

    /// A store that has observed some payments and has room for the behaviour of the first of their entities alone, a card.
    private func withStore(
        replica: (ObservationWriter) -> Replica? = { _ in nil }, _ body: (Client, BehaviourKeeper) async throws -> Void
    ) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            _ = try await writer.observe((0..<10).map { Transaction.madeUp($0, each: .seconds(40), lateness: .seconds(0)) })
            let behaviour = BehaviourKeeper(database: database, set: .standard, maxBytes: 1)
            let handlers = FeatureStoreHandlers(
                database: database, observations: Batcher { try await writer.observe($0) }, replica: replica(writer), writer: writer,
                behaviour: behaviour, featureSet: .payments)
            try await withServer(
                ServerConfiguration(host: "127.0.0.1", port: 0), services: [handlers], health: HealthRegistry(), logger: testLogger
            ) { server in
                try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: testLogger) { channel in
                    try await body(Client(channel), behaviour)
                }
            }
        }
    }

    private func ask(_ client: Client, _ entities: [FeaturesV1.EntityKey.Entity], eachAlone: Bool) async throws -> [FeaturesV1.EntityFeatures] {
        let request = FeaturesV1.GetFeaturesRequest(
            entities: entities.map { .init(entity: $0) }, at: .init(Self.end), eachAlone: eachAlone)
        return try await client.getFeatures(request).entities
    }

    @Test("An entity that cannot be answered makes the call UNAVAILABLE, or says so itself beside those that can")
    func eachAlone() async throws {
        try await withStore { client, behaviour in
            let entities: [FeaturesV1.EntityKey.Entity] = [.customerID("C0"), .deviceID("nobody's"), .cardID("K0"), .customerID("nobody")]
            let unread = try await ask(client, entities, eachAlone: true)
            #expect(unread.map(\.found) == [true, false, false, false])
            #expect(unread.map { $0.unavailable.contains("being read") } == [false, true, true, false])
            while await behaviour.entriesTaken < 10 { try await behaviour.catchUp() }

            let answers = try await ask(client, entities, eachAlone: true)
            #expect(answers.map(\.found) == [true, false, true, false])
            #expect(answers.map(\.unavailable.isEmpty) == [true, false, true, true], "who was never seen is not unavailable")
            #expect(answers[1].unavailable.contains("the device nobody's is not here"))
            let error = await #expect(throws: RPCError.self) { try await ask(client, entities, eachAlone: false) }
            #expect(error?.code == .unavailable && error?.message == answers[1].unavailable)
            #expect(try await ask(client, [entities[0], entities[2]], eachAlone: false).map(\.found) == [true, true])
        }
    }

    @Test("What names no transaction is refused by field, as what names no entity is")
    func halfAKey() async throws {
        try await withStore { client, _ in
            func refused(_ request: FeaturesV1.GetFeaturesRequest) async throws -> String {
                let error = await #expect(throws: RPCError.self) { try await client.getFeatures(request) }
                return error?.code == .invalidArgument ? error?.message ?? "" : ""
            }
            let key = Transaction.madeUp(0, each: .seconds(40), lateness: .seconds(0)).key
            let bankless = try await refused(.init(keys: [.init(key), .init(transactionID: "jj1")]))
            #expect(bankless.contains("keys[1].bank_id: is missing") && !bankless.contains("keys[0]") && !bankless.contains("transaction_id"))
            let empty = try await refused(.init(keys: [.init()], entities: [.init()]))
            for fault in ["keys[0].bank_id: is missing", "keys[0].transaction_id: is missing", "entities[0]: names no entity"] {
                #expect(empty.contains(fault), "\(fault)")
            }
            #expect(try await refused(.init(at: .init(seconds: 1, nanos: -1))).contains("at: has nanos that are not from 0 to 999999999"))
            #expect(try await client.getFeatures(.init(keys: [.init(key)])).observations.count == 1)
        }
    }

    @Test("Of a replica that does not answer, its own entities are unavailable and no others")
    func replicaAway() async throws {
        let slice = Slice(ring: ReplicaRing(generation: 1, replicas: ["east": "https://east", "west": "https://west"]), name: "east")
        let away = Replica.Peer(
            complete: { _ in throw RPCError(.unavailable, "connection refused") }, features: { _ in throw RPCError(.unavailable, "connection refused") })
        try await withStore { writer in
            Replica(slice: slice, writer: writer, others: ["west": away], logger: testLogger)
        } _: { client, _ in
            let customers = (0..<10).map { "C\($0)" }
            let isHere = customers.map { slice.owns(customer: $0) }
            #expect(isHere.contains(true) && isHere.contains(false))
            let answers = try await ask(client, customers.map { .customerID($0) }, eachAlone: true)
            #expect(answers.map(\.found) == isHere)
            #expect(answers.map(\.unavailable.isEmpty) == isHere)
            let error = await #expect(throws: RPCError.self) { try await ask(client, customers.map { .customerID($0) }, eachAlone: false) }
            #expect(error?.code == .unavailable && error?.message.contains("west") == true)
        }
    }
}
