public import BenchmarkSupport
public import Contracts
import DevelopmentCertificates
import Foundation
import Logging
import Models
public import RPC
import RecordCoding
import Records
import SeededRandom
public import ServiceRuntime
import Simulation
import StandardContracts
import Training

/// Services as processes on one PostgreSQL, and the operator's certificate to call them with.
public final class SuiteProcesses {
    public let server: DatabaseServer
    private let folder: URL
    private let certificates: CertificateFolder
    private var services: [String: ServiceProcess] = [:]
    private var ended: @Sendable () -> Void = {}
    private let ports: [String: Int]
    /// More than one keep a slice each.
    private let featureStores: [String]

    public init(server: DatabaseServer, featureStores: Int = 1) throws {
        self.server = server
        let first = ServiceIdentity.featureStore.name
        self.featureStores = [first] + (1..<max(1, featureStores)).map { "\(first)-\($0 + 1)" }
        folder = FileManager.default.temporaryDirectory.appending(path: "vigil-bench-\(UUID().uuidString)")
        certificates = CertificateFolder(folder.appending(path: "certificates"))
        _ = try certificates.prepare(names: ServiceIdentity.all.map(\.name) + ["operator"])
        try Data((String(repeating: "0123456789abcdef", count: 4)).utf8).write(to: folder.appending(path: "token-key"))
        ports = try Dictionary(
            uniqueKeysWithValues: (ServiceIdentity.all.map(\.name) + self.featureStores.dropFirst()).map { ($0, try freePort()) })
    }

    /// Starts a service; of the feature store, all replicas.
    public func start(_ service: ServiceIdentity, _ own: [String: String] = [:]) throws {
        for name in names(of: service) { try start(service, as: name, own) }
    }

    private func names(of service: ServiceIdentity) -> [String] { service == .featureStore ? featureStores : [service.name] }

    private func start(_ service: ServiceIdentity, as name: String, _ own: [String: String]) throws {
        var variables = [
            "VIGIL_LISTEN_PORT": "\(ports[name] ?? 0)", "VIGIL_DATABASE_URL": server.url,
            "VIGIL_TLS_CERTIFICATE_FILE": certificates.certificateFile(service.name),
            "VIGIL_TLS_KEY_FILE": certificates.keyFile(service.name),
            "VIGIL_TLS_TRUST_FILE": certificates.certificateFile(CertificateFolder.authorityName),
            "VIGIL_INGESTION_TOKEN_KEY_FILE": folder.appending(path: "token-key").path,
        ]
        for other in ServiceIdentity.all { variables[other.addressVariable] = "https://127.0.0.1:\(ports[other.name] ?? 0)" }
        if featureStores.count > 1 {
            variables["VIGIL_FEATURES_REPLICAS"] = featureStores.map { "\($0)=https://127.0.0.1:\(ports[$0] ?? 0)" }.joined(separator: ",")
            variables["VIGIL_FEATURES_RING_GENERATION"] = "1"
            variables["VIGIL_FEATURES_REPLICA"] = name
        }
        services[name] = try ServiceProcess(service.name, environment: variables.merging(own) { $1 }, ended: ended)
    }

    /// Calls `body` whenever a service that is started from now on, or lives still, ends.
    public func onEnd(_ body: @escaping @Sendable () -> Void) {
        ended = body
        for service in services.values { service.onEnd(body) }
    }

    /// What everybody is doing, for when something is not as it should be.
    public func diagnosis() throws -> String {
        let processes = services.sorted { $0.key < $1.key }.map { name, service in
            "\(name): \(service.isRunning ? "running" : "ended"), \(service.cpuSeconds) s of processor"
        }
        let sessions = try server.psql(
            """
            SELECT application_name, state, wait_event_type, wait_event, now() - xact_start, backend_xid, left(query, 120)
            FROM pg_stat_activity WHERE backend_type = 'client backend'
            """)
        let positions = try server.psql(
            """
            SELECT 'features has read ingestion up to', transaction_id, sequence, updated_at FROM features.log_positions
            UNION ALL (SELECT 'ingestion ends at', transaction_id, sequence, recorded_at FROM ingestion.event_log
                ORDER BY transaction_id DESC, sequence DESC LIMIT 1)
            UNION ALL SELECT 'readers stop before', pg_snapshot_xmin(pg_current_snapshot())::text::xid8, 0, now()
            """)
        return (processes + [positions, sessions]).joined(separator: "\n")
    }

    /// Ends a service as a crash would, and starts it again.
    /// - Parameter replica: which of several, counted round and round; all of them where nil.
    public func crash(_ service: ServiceIdentity, replica: Int? = nil, _ own: [String: String] = [:]) throws {
        let all = names(of: service)
        let names = replica.map { [all[$0 % all.count]] } ?? all
        for name in names { services.removeValue(forKey: name)?.kill() }
        for name in names { try start(service, as: name, own) }
    }

    /// Starts a service again that has ended by itself.
    ///
    /// - Returns: whether it had.
    public func revive(_ service: ServiceIdentity, _ own: [String: String] = [:]) throws -> Bool {
        let ended = names(of: service).filter { services[$0]?.isRunning != true }
        for name in ended { try start(service, as: name, own) }
        return !ended.isEmpty
    }

    public func residentBytes(_ service: ServiceIdentity) -> Int { services[service.name].flatMap { BenchmarkSupport.residentBytes(of: $0.pid) } ?? 0 }

    public func stop(_ service: ServiceIdentity) { services.removeValue(forKey: service.name)?.end() }

    public func cpuSeconds(_ service: ServiceIdentity) -> Double { services[service.name]?.cpuSeconds ?? 0 }

    /// Where a service listens on the loopback address, whether it has been started or not.
    public func port(of service: ServiceIdentity) -> Int { ports[service.name] ?? 0 }

    public func certificateFile(_ service: ServiceIdentity) -> String { certificates.certificateFile(service.name) }
    public func keyFile(_ service: ServiceIdentity) -> String { certificates.keyFile(service.name) }

    /// For tasks of their own, which may call but not start and end services.
    public var caller: SuiteCaller { caller(as: "operator") }

    /// As a service, for calls that only services may make.
    public func caller(as name: String) -> SuiteCaller {
        SuiteCaller(
            ports: ports, trustFile: certificates.certificateFile(CertificateFolder.authorityName),
            certificateFile: certificates.certificateFile(name), keyFile: certificates.keyFile(name))
    }

    /// Trains a model on a small world and makes it the champion.
    public func promoteModel() async throws {
        let start = Timestamp(CivilTime(year: 2026, month: 3, day: 1))
        let world = World(WorldConfiguration(start: start, days: 25, customers: 400))
        let history = PaymentHistory(
            transactions: world.transactions, labels: world.labels, customers: world.customers, terminals: world.terminals)
        let now = start + .days(40)
        let files = try FraudTraining(options: TrainingOptions()).train(on: history, asOf: now, source: "bench", createdAt: now).files
        try await caller.withChannel(to: .modelServer) { channel in
            let client = ModelsV1.ModelService.Client(channel)
            let uploaded = try await client.uploadModel(options: CallOptions(timeout: .seconds(60), waitForReady: true)) { writer in
                for (name, content) in files.sorted(by: { $0.key < $1.key }) {
                    try await writer.write(.init(fileName: name, chunk: content))
                }
            }
            _ = try await client.promoteModel(.init(version: uploaded.model?.version ?? ""))
        }
    }

    public func end() {
        for service in services.values { service.end() }
        try? FileManager.default.removeItem(at: folder)
    }
}

/// Calls the services of a ``SuiteProcesses`` as the operator.
public struct SuiteCaller: Sendable {
    let ports: [String: Int]
    let trustFile: String
    let certificateFile: String
    let keyFile: String

    public func withChannel<R>(to service: ServiceIdentity, _ body: (RPCChannel) async throws -> R) async throws -> R {
        var configuration = ChannelConfiguration(target: "https://127.0.0.1:\(ports[service.name] ?? 0)")
        var tls = TLSClientConfiguration(trustRootsFile: trustFile)
        tls.clientCertificateChainFile = certificateFile
        tls.clientPrivateKeyFile = keyFile
        configuration.tls = tls
        return try await RPC.withChannel(configuration, logger: Logger(label: "suite") { _ in SwiftLogNoOpLogHandler() }, body)
    }
}

/// Payments as a card bank's, at the handbook's rates: 5,000 customers who pay about twice a day each, in its waking hours, at shops near
/// them, amounts like their own.
public struct Payments: Sendable {
    private static let customers = 5_000
    private static let terminals = 10_000
    private static let paymentsADay = 9_600
    private static let openingSeconds: Int64 = 7 * 3_600
    private static let openSeconds: Int64 = 16 * 3_600

    public let prefix: String
    private let first: Int
    private let stride: Int

    /// - Parameters:
    ///   - first: place of payment 0 among all that are sent.
    ///   - stride: from one payment to the next, where others send those between.
    public init(prefix: String, first: Int = 0, stride: Int = 1) {
        self.prefix = prefix
        self.first = first
        self.stride = stride
    }

    public func message(_ number: Int) -> RecordsV1.Transaction {
        let place = first + number * stride
        var random = SplitMix64(seed: UInt64(place))
        let customer = Int.random(in: 0..<Self.customers, using: &random)
        let (day, placeInDay) = place.quotientAndRemainder(dividingBy: Self.paymentsADay)
        let second = Self.openingSeconds + Int64(placeInDay) * Self.openSeconds / Int64(Self.paymentsADay)
        let terminal = (customer * 2 + Int.random(in: 0..<80, using: &random)) % Self.terminals
        let usualMinorUnits = 500 + customer % 96 * 100
        return RecordsV1.Transaction(
            key: .init(bankID: "bench-bank", transactionID: "\(prefix)-\(number)"),
            eventTime: .init(seconds: 1_772_928_000 + Int64(day) * 86_400 + second, nanos: 0), customerID: "customer-\(customer)",
            cardID: "card-\(customer)", terminalID: "terminal-\(terminal)", channel: .pos,
            amount: .init(minorUnits: Int64(Double.random(in: 0.2..<1.8, using: &random) * Double(usualMinorUnits)), currency: "EUR"))
    }
}
