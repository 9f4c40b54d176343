import BenchmarkSupport
import Contracts
import Foundation
import Postgres
import RPC
import ServiceRuntime
import SuiteProcesses
import Synchronization

/// What it costs to take transactions in, beside what PostgreSQL itself can do on the same disk in the same run. Names of parts
/// may follow: `durable unary scored`.
@main enum Main {
    static let clients = 8
    /// How many payments have been sent: the next ones happen after them.
    private static let sent = Mutex(0)

    static func main() async throws {
        let quick = ProcessInfo.processInfo.environment["BENCH_QUICK"] != nil
        let server = try DatabaseServer()
        defer { server.end() }
        let suite = try SuiteProcesses(server: server)
        defer { suite.end() }
        var report = BenchmarkReport(area: "ingestion")
        let wanted = CommandLine.arguments.dropFirst()
        let rows = quick ? 40_000 : 160_000
        func wants(_ part: String) -> Bool { wanted.isEmpty || wanted.contains(part) }
        if wants("durable") || wants("unary") {
            try suite.start(.ingestionGateway, ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"])
            // Brings all customers' identifiers in.
            _ = try await stream(suite, rows: 40_000, prefix: "w", decided: false)
            if wants("durable") { try await durable(suite, rows: rows, rounds: quick ? 1 : 3, &report) }
            if wants("unary") { try await unary(suite, &report) }
            suite.stop(.ingestionGateway)
        }
        if wants("scored") { try await scored(suite, rows: rows / 2, rounds: quick ? 1 : 3, &report) }
        try report.write()
    }

    private static func durable(_ suite: SuiteProcesses, rows: Int, rounds: Int, _ report: inout BenchmarkReport) async throws {
        var ours: [Double] = []
        var copies: [Double] = []
        for round in 0...rounds {
            // The first round warms up, and makes the rows that COPY then brings in under other names.
            let rate = try await stream(suite, rows: rows, prefix: "r\(round)", decided: false).perSecond
            let copied = try copy(suite.server, rows: rows, round: round)
            if round > 0 {
                ours.append(rate)
                copies.append(copied)
            }
        }
        let commits = try pgbench(suite.server)
        report.compare(
            "durable, streaming, \(clients) clients", unit: "rows/s", ours: median(ours), peer: median(copies), "COPY FROM", .atLeast(0.5))
        report.compare(
            "durable, streaming, \(clients) clients", unit: "rows/s", ours: median(ours), peer: commits, "pgbench single-row commits",
            .atLeast(10))
    }

    private static func unary(_ suite: SuiteProcesses, _ report: inout BenchmarkReport) async throws {
        let latency = try await latency(suite)
        report.compare(
            "unary, one client, p50", unit: "ms", ours: latency.ours, peer: latency.peer, "a bare single-row commit", .atMost(2))
    }

    private static func scored(_ suite: SuiteProcesses, rows: Int, rounds: Int, _ report: inout BenchmarkReport) async throws {
        try suite.start(.ingestionGateway, ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "60"])
        try suite.start(.featureStore)
        try suite.start(.modelServer)
        // All that the first part has stored is observed and decided on first.
        try await suite.promoteModel()
        try await caughtUp(suite)
        var ours: [Double] = []
        var copies: [Double] = []
        for round in 0..<rounds {
            let services: [ServiceIdentity] = [.ingestionGateway, .featureStore, .modelServer]
            let before = services.map(suite.cpuSeconds)
            let alertsBefore = try await alerts(suite)
            let serverBefore = suite.server.cpuSeconds
            let result = try await stream(suite, rows: rows, prefix: "s\(round)", decided: true)
            ours.append(result.perSecond)
            let spent = zip(services, before).map { "\($0.name) \(micros(suite.cpuSeconds($0) - $1, rows))" }
            let others = "clients \(micros(result.cpuSeconds, rows)), PostgreSQL \(micros(suite.server.cpuSeconds - serverBefore, rows))"
            let alerts = Double(try await alerts(suite) - alertsBefore) / Double(rows) * 100
            print("  scored: us CPU a transaction: \(spent.joined(separator: ", ")), \(others); \(String(format: "%.1f", alerts)) % alerts")
            copies.append(try copy(suite.server, rows: rows, round: 100 + round))
        }
        report.compare(
            "scored and decision stored, brief, \(clients) clients", unit: "rows/s", ours: median(ours), peer: median(copies), "COPY FROM",
            .atLeast(0.25))
    }

    private static func micros(_ seconds: Double, _ rows: Int) -> String { String(format: "%.1f", seconds / Double(rows) * 1_000_000) }

    // MARK: Ours

    private static func stream(
        _ suite: SuiteProcesses, rows: Int, prefix: String, decided: Bool
    ) async throws -> (perSecond: Double, cpuSeconds: Double) {
        let share = rows / clients
        let before = (gateway: suite.cpuSeconds(.ingestionGateway), server: suite.server.cpuSeconds)
        let first = sent.withLock { sent in
            defer { sent += rows }
            return sent
        }
        // Made beforehand, as COPY's file is.
        let payments = (0..<clients).map { client in
            let payments = Payments(prefix: "\(prefix)-\(client)", first: first + client, stride: clients)
            return (0..<share).map(payments.message)
        }
        let cpu = processorSeconds()
        let started = ContinuousClock.now
        let caller = suite.caller
        try await withThrowingTaskGroup(of: Void.self) { group in
            for payments in payments {
                group.addTask {
                    try await caller.withChannel(to: .ingestionGateway) { try await stream($0, payments, decided: decided) }
                }
            }
            try await group.waitForAll()
        }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        if !decided {
            let gateway = micros(suite.cpuSeconds(.ingestionGateway) - before.gateway, rows)
            let server = micros(suite.server.cpuSeconds - before.server, rows)
            let clients = micros(processorSeconds() - cpu, rows)
            print("  durable: us CPU a row: gateway \(gateway), clients \(clients), PostgreSQL \(server); a row every \(micros(seconds, rows))")
        }
        return (Double(share * clients) / seconds, processorSeconds() - cpu)
    }

    private static func stream(_ channel: RPCChannel, _ payments: [RecordsV1.Transaction], decided: Bool) async throws {
        let client = IngestionV1.IngestionService.Client(channel)
        let answered = try await client.streamTransactions(options: CallOptions(timeout: .seconds(600), waitForReady: true)) { writer in
            for (number, payment) in payments.enumerated() {
                try await writer.write(.init(sequence: UInt64(number), transaction: payment, brief: true))
            }
        } read: { answers in
            var accepted = 0
            var states = 0
            for try await answer in answers {
                if answer.outcome == .accepted { accepted += 1 }
                if answer.decision?.state == .decided { states += 1 }
            }
            return (accepted, states)
        }
        let count = payments.count
        guard answered.0 == count else { throw BenchmarkProblem("\(count - answered.0) of \(count) rows were not accepted") }
        guard !decided || answered.1 == count else { throw BenchmarkProblem("\(count - answered.1) of \(count) rows were not decided on") }
    }

    private static func caughtUp(_ suite: SuiteProcesses) async throws {
        let deadline = ContinuousClock.now + .seconds(900)
        try await suite.caller.withChannel(to: .modelServer) { channel in
            let client = ModelsV1.ModelService.Client(channel)
            let total = Int64(try suite.server.psql("SELECT count(bank_id) FROM ingestion.event_log").trimmed) ?? 0
            let copied = Int64(try suite.server.psql("SELECT count(*) FROM ingestion.event_log WHERE bank_id = 'copy'").trimmed) ?? 0
            var decided: Int64 = 0
            while decided < total - copied {
                guard ContinuousClock.now < deadline else {
                    throw BenchmarkProblem("only \(decided) of \(total - copied) rows were decided on")
                }
                decided = try await client.getStatistics(.init(), options: CallOptions(waitForReady: true)).decisions
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private static func alerts(_ suite: SuiteProcesses) async throws -> Int64 {
        try await suite.caller.withChannel(to: .modelServer) { channel in
            try await ModelsV1.ModelService.Client(channel).getStatistics(.init(), options: CallOptions(waitForReady: true)).alerts
        }
    }

    // MARK: Peers

    /// Rows a second that COPY brings into the gateway's own table; they are taken out again.
    private static func copy(_ server: DatabaseServer, rows: Int, round: Int) throws -> Double {
        let file = server.folder + "/copy-\(round)"
        _ = try server.psql(
            """
            COPY (SELECT payload, 'copy', 'c\(round)-' || bank_transaction_id FROM ingestion.event_log
                  WHERE bank_id = 'bench-bank' LIMIT \(rows)) TO '\(file)' (FORMAT binary)
            """)
        let started = ContinuousClock.now
        _ = try server.psql("COPY ingestion.event_log (payload, bank_id, bank_transaction_id) FROM '\(file)' (FORMAT binary)")
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        try takeOutCopies(server)
        return Double(rows) / seconds
    }

    /// And what they leave behind, which the server would else clean up while something else is measured.
    private static func takeOutCopies(_ server: DatabaseServer) throws {
        _ = try server.psql("DELETE FROM ingestion.event_log WHERE bank_id = 'copy'")
        _ = try server.psql("VACUUM ingestion.event_log")
    }

    private static func pgbench(_ server: DatabaseServer) throws -> Double {
        let script = server.folder + "/insert.sql"
        try Data(
            """
            \\set n random(1, 1000000000000)
            INSERT INTO ingestion.event_log (payload, bank_id, bank_transaction_id)
            VALUES (decode(repeat('ab', 180), 'hex'), 'copy', :n::text || random()::text)

            """.utf8
        ).write(to: URL(fileURLWithPath: script))
        let text = try server.run("pgbench", ["-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", "5", "-f", script, "postgres"])
        try takeOutCopies(server)
        let line = text.split(separator: "\n").first { $0.hasPrefix("tps = ") } ?? ""
        guard let rate = line.split(separator: " ").dropFirst(2).first.flatMap({ Double($0) }) else {
            throw BenchmarkProblem("pgbench told no rate: \(text)")
        }
        return rate
    }

    /// Medians of single calls and of bare commits, in milliseconds, in turns.
    private static func latency(_ suite: SuiteProcesses) async throws -> (ours: Double, peer: Double) {
        let configuration = try PostgresConfiguration(url: suite.server.url)
        return try await withPostgresPool(configuration) { pool in
            try await suite.caller.withChannel(to: .ingestionGateway) { channel in
                // Both from the channel's own executor, as a caller in a hurry does: a call then changes no thread on its side.
                let times = try await withTaskExecutorPreference(channel.executor) { try await latencies(channel, pool) }
                try await pool.execute("DELETE FROM ingestion.event_log WHERE bank_id = 'copy'")
                return (median(times.map(\.ours)), median(times.map(\.peer)))
            }
        }
    }

    private static func latencies(_ channel: RPCChannel, _ pool: PostgresPool) async throws -> [(ours: Double, peer: Double)] {
        let client = IngestionV1.IngestionService.Client(channel)
        let payments = Payments(prefix: "u")
        let payload = [UInt8](repeating: 7, count: 180)
        var times: [(ours: Double, peer: Double)] = []
        for number in 0..<600 {
            let started = ContinuousClock.now
            _ = try await client.submitTransaction(.init(transaction: payments.message(number)))
            let between = ContinuousClock.now
            try await pool.execute(
                """
                INSERT INTO ingestion.event_log (payload, bank_id, bank_transaction_id)
                VALUES (\(payload), 'copy', \("u-\(number)"))
                """)
            times.append(((between - started) / .milliseconds(1), (ContinuousClock.now - between) / .milliseconds(1)))
        }
        return Array(times.dropFirst(100))
    }
}

extension String {
    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
