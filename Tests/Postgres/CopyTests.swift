import Postgres
import Testing
import TestSupport

@Suite struct CopyTests {
    private struct Refusal: Error {}
    private static let rows = 100_000

    @Test func aHundredThousandRowsGoInAndComeOut() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint, small int, name text, ratio float8, raw bytea, note text)")
            let written = try await pool.withTransaction { transaction in
                try await transaction.copyIn(table: "t", columns: ["id", "small", "name", "ratio", "raw", "note"]) { writer in
                    for id in 0..<Self.rows {
                        let note: String? = id % 3 == 0 ? nil : "note \(id)"
                        try await writer.write(id, Int32(id % 1000), "name \(id)", Double(id) / 8, [UInt8(id % 256)], note)
                    }
                }
            }
            #expect(written == Self.rows)
            var next = 0
            var batches = 0
            try await pool.withTransaction { transaction in
                try await transaction.copyOut("SELECT id, small, name, ratio, raw, note FROM t ORDER BY id") { batch in
                    batches += 1
                    for row in batch {
                        let (id, small, name, ratio, raw, note) = try row.decode(
                            Int.self, Int32.self, String.self, Double.self, [UInt8].self, String?.self)
                        let isRight = id == next && small == Int32(id % 1000) && name == "name \(id)" && ratio == Double(id) / 8
                            && raw == [UInt8(id % 256)] && note == (id % 3 == 0 ? nil : "note \(id)")
                        guard isRight else { throw Refusal() }
                        next += 1
                    }
                }
                // The session goes on after a COPY.
                #expect(try await transaction.query("SELECT 1")[0].decode(Int.self) == 1)
            }
            #expect(next == Self.rows && batches > 1)
        }
    }

    @Test func anEmptyCopyIsFine() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint)")
            try await pool.withTransaction { transaction in
                #expect(try await transaction.copyIn(table: "t", columns: ["id"]) { _ in } == 0)
                try await transaction.copyOut("SELECT id FROM t") { #expect($0.isEmpty) }
            }
        }
    }

    @Test func nothingIsKeptOfACopyGivenUp() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            try await pool.execute("CREATE TABLE t (id bigint)")
            await #expect(throws: Refusal.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.copyIn(table: "t", columns: ["id"]) { writer in
                        for id in 0..<50_000 { try await writer.write(id) }
                        throw Refusal()
                    }
                }
            }
            let count = try await pool.value("SELECT count(*) FROM t", Int.self)
            #expect(count == 0 && pool.usage.open == 1)
        }
    }

    @Test func aRowTheServerRefusesFailsTheCopy() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            try await pool.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
            let error = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.copyIn(table: "t", columns: ["id"]) { writer in
                        for _ in 0..<50_000 { try await writer.write(7) }
                    }
                }
            }
            #expect(error.isUniqueViolation)
            let miscounted = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.copyIn(table: "t", columns: ["id"]) { try await $0.write(1, 2) }
                }
            }
            #expect(miscounted.code == .invalidParameter)
            let missing = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.copyIn(table: "absent", columns: ["id"]) { _ in }
                }
            }
            #expect(missing.sqlState == "42P01")
            let count = try await pool.value("SELECT count(*) FROM t", Int.self)
            #expect(count == 0)
        }
    }

    @Test func aReaderMayStopEarly() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            var rows = 0
            await #expect(throws: Refusal.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.copyOut("SELECT generate_series(1, 100000000)") { batch in
                        rows += batch.count
                        throw Refusal()
                    }
                }
            }
            #expect(rows > 0)
            let answer = try await pool.value("SELECT 1", Int.self)
            #expect(answer == 1 && pool.usage.open == 1)
        }
    }

    @Test func aQueryWithParametersOrAnErrorIsRefused() async throws {
        try await TemporaryPostgres.withPool { pool in
            let bound = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { try await $0.copyOut("SELECT \(1)") { _ in } }
            }
            #expect(bound.code == .invalidParameter)
            let failing = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { try await $0.copyOut("SELECT 1 / (n - 90000) FROM generate_series(1, 100000) n") { _ in } }
            }
            #expect(failing.sqlState == "22012")
        }
    }
}
