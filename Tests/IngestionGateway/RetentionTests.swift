import Contracts
import Identity
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

/// Which raw identifiers retention lets go.
@Suite(.serialized) struct RetentionTests {
    private struct Kept {
        let pool: PostgresPool

        var database: PrivacyDatabase { PrivacyDatabase(pool: pool) }

        static func statements(_ seen: [(token: String, owner: String?)], forGood: Bool = false) -> [SQL] {
            PrivacyDatabase.keep(
                seen.map { SealedIdentifier(token: $0.token, kind: .account, owner: $0.owner, keyID: "k", sealed: [1]) }, forGood: forGood)
        }

        func keep(_ seen: (token: String, owner: String?)..., forGood: Bool = false) async throws {
            _ = try await pool.pipeline(Self.statements(seen, forGood: forGood))
        }

        /// Moves the clock by which it was seen, to so many microseconds after the end of the log that `keepDays` drops.
        func see(_ token: String, microseconds: Int, afterWhatIsDroppedBy keepDays: Int) async throws {
            try await pool.execute(
                """
                UPDATE identifiers SET seen_at = log_partition_start(now() - make_interval(days => \(Int32(keepDays))))
                    + make_interval(secs => \(Double(microseconds) / 1_000_000)) WHERE token = \(token)
                """)
        }

        func tokens() async throws -> [String] { try await pool.query("SELECT token FROM identifiers ORDER BY token").decode(String.self) }

        /// Which write of it stands.
        func version(_ token: String) async throws -> String? {
            try await pool.query("SELECT xmin::text FROM identifiers WHERE token = \(token)").first?.decode(String.self)
        }

        func dropped(keepDays: Int = 100, dryRun: Bool = false) async throws -> Int64 {
            try await database.applyRetention(keepDays: keepDays, dryRun: dryRun, actor: "test").identifiers
        }

        /// Returns once another connection waits for a lock.
        func untilSomebodyWaits() async throws {
            let waiting: SQL = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while try await pool.query(waiting).isEmpty { await Task.yield() }
        }
    }

    private static let partition = 31 * 86_400 * 1_000_000

    private func withKept(_ body: (Kept) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            try await body(Kept(pool: pool))
        }
    }

    @Test func anIdentifierGoesOnePartitionAfterTheLastPaymentThatNamedItAndOnTheRecord() async throws {
        try await withKept { kept in
            try await kept.keep(("gone", nil), ("gone", "owner"), ("last", nil), ("current", nil))
            try await kept.see("gone", microseconds: -Self.partition - 1, afterWhatIsDroppedBy: 100)
            try await kept.see("last", microseconds: -Self.partition, afterWhatIsDroppedBy: 100)
            #expect(try await kept.dropped(dryRun: true) == 1)
            #expect(try await kept.tokens() == ["current", "gone", "last"])
            #expect(try await kept.dropped(keepDays: 200) == 0)
            #expect(try await kept.dropped() == 1)
            #expect(try await kept.tokens() == ["current", "last"])
            let ties = try await kept.pool.query("SELECT FROM further_owners")
            #expect(ties.isEmpty)
            #expect(try await kept.dropped() == 0)
            let records = try await kept.database.records(limit: 10)
            #expect(records.map(\.subject) == ["identifiers"] && records[0].action == "retention" && records[0].count == 1)
            // Who comes again is kept again.
            try await kept.keep(("gone", "owner"))
            #expect(try await kept.tokens() == ["current", "gone", "last"])
        }
    }

    @Test func anIdentifierInUseIsMarkedOnceAPartitionAndStays() async throws {
        try await withKept { kept in
            try await kept.keep(("in use", nil))
            try await kept.see("in use", microseconds: -2 * Self.partition, afterWhatIsDroppedBy: 100)
            #expect(try await kept.dropped(dryRun: true) == 1)
            // As two gateways do, each of which has forgotten it.
            try await kept.keep(("in use", nil), ("in use", "owner"))
            let marked = try await kept.version("in use")
            try await kept.keep(("in use", nil))
            #expect(try await kept.version("in use") == marked)
            #expect(try await kept.dropped() == 0)
            #expect(try await kept.tokens() == ["in use"])
        }
    }

    @Test func whatIsPaidWithWhileItIsDroppedStays() async throws {
        try await withKept { kept in
            for token in ["paid with", "gone"] {
                try await kept.keep((token, nil))
                try await kept.see(token, microseconds: -2 * Self.partition, afterWhatIsDroppedBy: 100)
            }
            try await kept.pool.withTransaction { payment in
                _ = try await payment.pipeline(Kept.statements([("paid with", nil)]))
                #expect(try await kept.dropped() == 1)
            }
            #expect(try await kept.dropped() == 0)
            #expect(try await kept.tokens() == ["paid with"])
            try await kept.see("paid with", microseconds: -2 * Self.partition, afterWhatIsDroppedBy: 100)
            try await withThrowingTaskGroup(of: Void.self) { group in
                try await kept.pool.withTransaction { retention in
                    try await retention.execute("DELETE FROM identifiers")
                    group.addTask { try await kept.keep(("paid with", nil)) }
                    try await kept.untilSomebodyWaits()
                }
                try await group.waitForAll()
            }
            #expect(try await kept.tokens() == ["paid with"])
        }
    }

    @Test func aDatabaseThatDiesHasMarkedWhateverAStoredPaymentNames() async throws {
        struct Row: WritableTransaction {
            let key = TransactionKey(bankID: "b", transactionID: "t")
            let logEntry: [UInt8] = [1]
        }
        try await TemporaryPostgres.withServer { server in
            try await server.withDatabase { configuration in
                try await withPostgresPool(configuration, logger: testLogger) { pool in
                    try await migrate(pool, migrations: IngestionDatabase.migrations)
                    let kept = Kept(pool: pool)
                    try await kept.keep(("account", nil))
                    try await kept.see("account", microseconds: -2 * Self.partition, afterWhatIsDroppedBy: 100)
                    let sealed = [SealedIdentifier(token: "account", kind: .account, owner: nil, keyID: "k", sealed: [1])]
                    let written = try await IngestionDatabase(pool: pool).insert([Row()], sealed: sealed, now: .now())
                    #expect(written.count == 1)
                    server.kill()
                    server.start()
                }
                try await withPostgresPool(configuration, logger: testLogger) { pool in
                    let kept = Kept(pool: pool)
                    let stored = try await IngestionDatabase(pool: pool).counts().transactions(of: nil)
                    #expect(stored == 1)
                    #expect(try await kept.dropped() == 0)
                    #expect(try await kept.tokens() == ["account"])
                }
            }
        }
    }

    @Test func whatIsRememberedAsKeptIsForgottenWithTheDay() throws {
        let keeper = IdentifierKeeper(vault: try #require(Vault(lines: "k " + String(repeating: "1a", count: 32))))
        let morning = Timestamp(seconds: 86_400 * 20_000 + 60)
        let raw = Transaction(
            key: .init(bankID: "b", transactionID: "t"), eventTime: morning, customerID: "c", accountID: "a",
            amount: Money(minorUnits: 1, currency: .inr))
        func unknown(_ now: Timestamp) -> [RawIdentifier] { keeper.unknown(of: raw, tokenised: raw, now: now) }
        let first = unknown(morning)
        #expect(first.map(\.kind) == [.customer, .account])
        keeper.remember(try keeper.seal(first))
        #expect(unknown(morning + .hours(23)).isEmpty)
        #expect(unknown(morning + .hours(24)) == first)
        #expect(unknown(morning + .hours(25)) == first, "nobody has kept them since")
    }

    @Test func whatARecordNamesStaysThoughPaymentsKnewItBefore() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            try await path.asBank { client, options in
                for customer in ["Asha", "Ravi"] {
                    _ = try await client.submitTransaction(.init(transaction: payment("t-\(customer)", customer: customer)), options: options)
                }
                let complaint = RecordsV1.Complaint(
                    complaintID: "c-1", crimeType: "upi_fraud", occurredAt: .init(Timestamp.now() - .hours(2)),
                    reportedAt: .init(Timestamp.now() - .hours(1)), suspectAccountIDs: ["AC-Asha"])
                _ = try await client.submitComplaint(.init(complaint: complaint), options: options)
                let answers = try await client.importRecords(options: options) { writer in
                    try await writer.write(.init(sequence: 1, record: .customer(.init(customerID: "Ravi"))))
                } read: { responses in
                    var outcomes: [IngestionV1.Outcome] = []
                    for try await response in responses { outcomes.append(response.outcome) }
                    return outcomes
                }
                #expect(answers == [.accepted])
                _ = try await client.submitTransaction(.init(transaction: payment("t-3", customer: "Asha")), options: options)
            }
            // Two years later.
            try await withPostgresPool(path.gateway.runtime.configuration.database, logger: testLogger) { pool in
                try await pool.execute("UPDATE identifiers SET seen_at = seen_at - interval '2 years'")
                let kept = Kept(pool: pool)
                #expect(try await kept.tokens().count == 6)
                try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                    let client = IngestionV1.IngestionService.Client(channel)
                    let dropped = try await client.applyRetention(.init(keepDays: 100))
                    #expect(dropped.identifiers == 4)
                }
                let kinds = try await pool.query("SELECT kind FROM identifiers ORDER BY kind").decode(String.self)
                #expect(kinds == ["account", "customer"])
            }
        }
    }

    @Test func whatWasKeptBeforeRetentionKnewOfItCountsAsSeenThenAndStaysWhereARecordNamesIt() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Array(IngestionDatabase.migrations.prefix(7)))
            let tokens = try #require(KeyedTokens(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
            let (paid, suspect, customer) = (tokens.token(.account, "", "A"), tokens.token(.account, "", "B"), tokens.token(.customer, "1:b", "C"))
            for token in [paid, suspect, customer] {
                try await pool.execute("INSERT INTO identifiers (token, kind, key_id, sealed) VALUES (\(token), 'account', 'k', '')")
            }
            let complaint = Complaint(
                reporter: .init(kind: .bank, id: "b"), complaintID: "c-1", crimeType: "x", occurredAt: .now(), reportedAt: .now(),
                suspectAccountIDs: [suspect])
            for record in [IncomingRecord.complaint(complaint), .customer(Customer(customerID: customer))] {
                let row = RecordRow(StorableRecord(record: record, senderID: "b", bankID: nil, identifiers: []))
                try await pool.execute(
                    """
                    INSERT INTO records (kind, sender_id, record_id, message)
                    VALUES (\(row.kind.rawValue)::record_kind, \(row.senderID), \(row.recordID), \(row.message))
                    """)
            }
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let kept = Kept(pool: pool)
            #expect(try await kept.dropped(keepDays: 62) == 0)
            try await pool.execute("UPDATE identifiers SET seen_at = seen_at - interval '2 years'")
            #expect(try await kept.dropped(keepDays: 62) == 1)
            #expect(try await kept.tokens() == [suspect, customer].sorted())
        }
    }
}
