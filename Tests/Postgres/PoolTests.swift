import Postgres
import Testing
import TestSupport

@Suite struct PoolTests {
    @Test func noMoreConnectionsAreOpenThanTheLimit() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 3) { pool in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<60 { group.addTask { try await pool.value("SELECT pg_backend_pid() FROM pg_sleep(0.002)", Int.self) } }
                var sessions: Set<Int> = []
                for try await session in group { sessions.insert(session) }
                #expect(sessions.count <= 3)
            }
            #expect(pool.usage.open <= 3 && pool.usage.waiting == 0)
        }
    }

    @Test func aCallerWaitsNoLongerThanTheAcquireTimeout() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            var configuration = configuration
            configuration.maxConnections = 1
            configuration.acquireTimeoutSeconds = 1
            try await withPostgresPool(configuration) { pool in
                try await pool.execute("SELECT 1")
                try await pool.withTransaction { transaction in
                    try await transaction.execute("SELECT 1")
                    let error = try await #require(throws: PostgresError.self) { try await pool.execute("SELECT 1") }
                    #expect(error.code == .acquireTimedOut && error.isTransient)
                }
                try await pool.execute("SELECT 1")
            }
        }
    }

    @Test func aCallerWhoGivesUpWaitingLeavesThePoolWhole() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            try await pool.withTransaction { transaction in
                try await transaction.execute("SELECT 1")
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        do {
                            try await pool.execute("SELECT 1")
                            return false
                        } catch {
                            return error is CancellationError
                        }
                    }
                    while pool.usage.waiting == 0 { await Task.yield() }
                    group.cancelAll()
                    #expect(await group.next() == true)
                }
            }
            #expect(pool.usage.waiting == 0)
            try await pool.execute("SELECT 1")
        }
    }

    @Test func aSessionEndedByTheServerIsReplaced() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 2) { pool in
            let session = try await pool.value("SELECT pg_backend_pid()", Int32.self)
            try await pool.withTransaction { other in
                // Both sessions exist now; the first is idle again when it is ended.
                try await other.execute("SELECT 1")
                try await pool.withTransaction { try await $0.execute("SELECT 1") }
            }
            try await TemporaryPostgres.withTerminatedSessions(of: pool.configuration)
            let next = try await pool.value("SELECT pg_backend_pid()", Int32.self)
            #expect(next != session)
        }
    }

    @Test func aMissingDatabaseIsToldAtOnce() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            var configuration = configuration
            configuration.database = "absent"
            configuration.acquireTimeoutSeconds = 600
            try await withPostgresPool(configuration) { pool in
                let error = try await #require(throws: PostgresError.self) { try await pool.execute("SELECT 1") }
                #expect(error.code == .configuration)
            }
        }
    }

    @Test func aKilledServerIsSurvived() async throws {
        try await TemporaryPostgres.withServer { server in
            try await server.withDatabase { configuration in
                var configuration = configuration
                configuration.acquireTimeoutSeconds = 30
                try await withPostgresPool(configuration) { pool in
                    try await pool.execute("CREATE TABLE t (id bigint)")
                    try await pool.execute("INSERT INTO t VALUES (\(1))")
                    let (started, signal) = AsyncStream.makeStream(of: Void.self)
                    let error = await withTaskGroup(of: PostgresError?.self) { group in
                        group.addTask {
                            do {
                                try await pool.withTransaction { transaction in
                                    try await transaction.execute("INSERT INTO t VALUES (\(2))")
                                    signal.yield()
                                    try await transaction.execute("SELECT pg_sleep(600)")
                                }
                                return nil
                            } catch {
                                return error as? PostgresError
                            }
                        }
                        for await _ in started { break }
                        server.kill()
                        return await group.next() ?? nil
                    }
                    #expect(error?.code == .unavailable)
                    server.start()
                    #expect(try await pool.query("SELECT id FROM t").decode(Int.self) == [1])
                }
            }
        }
    }

    @Test func configurationsReadURLs() throws {
        let url = "postgresql://ingest:p%40ss@db.example:5433/vigil?sslmode=verify-full&sslrootcert=/ca.pem&application_name=gateway"
        var configuration = try PostgresConfiguration(url: url)
        #expect(configuration.host == "db.example" && configuration.port == "5433" && configuration.database == "vigil")
        #expect(configuration.user == "ingest" && configuration.password == "p@ss" && configuration.tlsMode == .verifyFull)
        #expect(configuration.tlsRootCertificateFile == "/ca.pem" && configuration.applicationName == "gateway")
        #expect(try PostgresConfiguration(url: "postgresql://role@/db?host=/run/postgres").host == "/run/postgres")
        for bad in ["mysql://x", "postgresql://u:secret@h:notaport:1/d", "postgresql://h/d?sslmode=maybe", "postgresql://h/d?service=x"] {
            let error = #expect(throws: PostgresError.self) { try PostgresConfiguration(url: bad).validate() }
            #expect(error?.code == .configuration && error?.message.contains("secret") == false)
        }
        configuration.schema = "bad; schema"
        #expect(throws: PostgresError.self) { try configuration.validate() }
    }
}

extension TemporaryPostgres {
    /// Ends every session of the database from outside and returns when they are gone.
    fileprivate static func withTerminatedSessions(of configuration: PostgresConfiguration) async throws {
        var other = configuration
        other.database = "postgres"
        other.schema = nil
        try await withPostgresPool(other) { pool in
            let mine: SQL = "FROM pg_stat_activity WHERE datname = \(configuration.database) AND pid <> pg_backend_pid()"
            try await pool.execute("SELECT pg_terminate_backend(pid) \(mine)")
            while try await pool.value("SELECT count(*) \(mine)", Int.self) > 0 { await Task.yield() }
        }
    }
}
