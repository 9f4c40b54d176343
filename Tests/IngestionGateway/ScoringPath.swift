import Contracts
import Foundation
import Identity
import Models
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Simulation
import TestSupport
import Testing
import Training

@testable import FeatureStore
@testable import IngestionGateway
@testable import ModelServer

/// Gateway, feature store and model server, each as its executable runs it, in the test's own process.
struct ScoringPath: Sendable {
    static let bank = "test-bank"
    static let scopes: Set<String> = [
        Scope.writeTransactions, Scope.writeLabels, Scope.writeComplaints, Scope.writeRegistry, Scope.readDecisions, Scope.readModels,
        Scope.readFeatures, Scope.writePrivacy, Scope.readAudit,
    ]

    let gateway: TestService
    let store: TestService
    let models: TestService

    /// Runs all three, and `body` beside them.
    ///
    /// - Parameters:
    ///   - own: further variables of the gateway.
    ///   - database: of all three; one of its own for each where nil.
    static func run(
        _ own: [String: String] = [:], database: PostgresConfiguration? = nil, _ body: (ScoringPath) async throws -> Void
    ) async throws {
        let gatewayPort = try freePort()
        let gatewayAddress = "https://127.0.0.1:\(gatewayPort)"
        try await withTokenKey { keyFile in
            try await withTestService(
                .featureStore, environment: ["VIGIL_INGESTION_URL": gatewayAddress], database: database,
                configuration: FeatureStoreConfiguration.init(from:), run: FeatureStore.run
            ) { store in
                try await withTestService(
                    .modelServer, environment: ["VIGIL_FEATURES_URL": store.address, "VIGIL_INGESTION_URL": gatewayAddress],
                    database: database, configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
                ) { models in
                    let environment = [
                        "VIGIL_LISTEN_PORT": "\(gatewayPort)", "VIGIL_FEATURES_URL": store.address, "VIGIL_MODELS_URL": models.address,
                        "VIGIL_INGESTION_TOKEN_KEY_FILE": keyFile, "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "30",
                    ]
                    try await withTestService(
                        .ingestionGateway, environment: environment.merging(own) { $1 }, database: database,
                        configuration: IngestionGatewayConfiguration.init(from:), run: IngestionGateway.run
                    ) { gateway in
                        try await body(ScoringPath(gateway: gateway, store: store, models: models))
                    }
                }
            }
        }
    }

    /// Calls the gateway as the bank.
    func asBank<R>(
        _ bank: String = bank, scopes: Set<String> = scopes,
        _ body: (IngestionV1.IngestionService.Client, CallOptions) async throws -> R
    ) async throws -> R {
        let token = try await TestTokens.token(bank, kind: .bank, scopes: scopes, bankID: bank)
        return try await gateway.withChannel { channel in
            try await body(IngestionV1.IngestionService.Client(channel), TestService.options(token))
        }
    }

    func asOperator<R>(_ body: (ModelsV1.ModelService.Client) async throws -> R) async throws -> R {
        try await models.withChannel(as: .peer(ServiceName.operator)) { try await body(ModelsV1.ModelService.Client($0)) }
    }

    /// Registers a model trained on a small world and makes it the champion.
    @discardableResult
    func promoteModel() async throws -> String {
        let files = try Self.bundleFiles()
        return try await asOperator { client in
            let uploaded = try await client.uploadModel { writer in
                for (name, content) in files.sorted(by: { $0.key < $1.key }) { try await writer.write(.init(fileName: name, chunk: content)) }
            }
            let version = try #require(uploaded.model?.version)
            #expect(uploaded.model?.stage == .challenger)
            let promoted = try await client.promoteModel(.init(version: version))
            #expect(promoted.model?.stage == .champion)
            return version
        }
    }

    private static func bundleFiles() throws -> [String: [UInt8]] {
        let start = Timestamp(CivilTime(year: 2026, month: 3, day: 1))
        let world = World(WorldConfiguration(start: start, days: 25, customers: 200))
        let history = PaymentHistory(
            transactions: world.transactions, labels: world.labels, customers: world.customers, terminals: world.terminals)
        var options = TrainingOptions()
        options.rounds = 10
        let now = start + .days(40)
        return try FraudTraining(options: options).train(on: history, asOf: now, source: "simulation", createdAt: now).files
    }

    private static func withTokenKey<R>(_ body: (String) async throws -> R) async throws -> R {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-key-\(UUID().uuidString)")
        try Data((String(repeating: "0123456789abcdef", count: 4) + "\n").utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await body(file.path)
    }

    /// A port that was free a moment ago: the feature store and the gateway must know each other before either runs.
    private static func freePort() throws -> Int {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(isBound)
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// A payment that is as it should be.
func payment(_ id: String, bank: String = "", customer: String = "C1", minorUnits: Int64 = 12_550, minutesAgo: Int = 5) -> RecordsV1.Transaction {
    RecordsV1.Transaction(
        key: .init(bankID: bank, transactionID: id), eventTime: .init(Timestamp.now() - .minutes(minutesAgo)), customerID: customer,
        accountID: "AC-\(customer)", cardID: "CD-\(customer)", terminalID: "POS-1", channel: .pos,
        amount: .init(minorUnits: minorUnits, currency: "INR"), location: .init(latitude: 17.2, longitude: 75.35))
}
