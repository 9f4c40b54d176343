import Foundation
import Postgres
import Testing
import TestSupport

@Suite struct ValueTests {
    /// Binds a value, has the server say its type, and reads it back.
    private func roundTrip<Value: PostgresBindable & PostgresDecodable & Equatable>(
        _ value: Value, as type: String, over pool: PostgresPool, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let rows = try await pool.query("SELECT \(value), pg_typeof(\(value))::text")
        let (returned, typeName) = try #require(rows.first).decode(Value.self, String.self)
        #expect(returned == value, sourceLocation: location)
        #expect(typeName == type, sourceLocation: location)
    }

    @Test func everyBindableTypeComesBackAsItWent() async throws {
        try await TemporaryPostgres.withPool { pool in
            for number in [0, -1, 42, Int.min, .max] { try await roundTrip(number, as: "bigint", over: pool) }
            for number in [0, Int64.min, .max] { try await roundTrip(number, as: "bigint", over: pool) }
            for number in [0, Int32.min, .max] { try await roundTrip(number, as: "integer", over: pool) }
            for number in [0, Int16.min, .max] { try await roundTrip(number, as: "smallint", over: pool) }
            for number in [0, -0.1, .pi, .infinity, .leastNonzeroMagnitude] {
                try await roundTrip(number, as: "double precision", over: pool)
            }
            for number in [Float(0), -1.5, .greatestFiniteMagnitude] { try await roundTrip(number, as: "real", over: pool) }
            for flag in [true, false] { try await roundTrip(flag, as: "boolean", over: pool) }
            for text in ["", "plain", "öß – 銀行 🏦", "'; DROP TABLE t; --", "$1 \\ \"quoted\""] {
                try await roundTrip(text, as: "text", over: pool)
            }
            try await roundTrip(String(repeating: "x", count: 100_000), as: "text", over: pool)
            for bytes in [[UInt8](), [0], Array(0...255)] { try await roundTrip(bytes, as: "bytea", over: pool) }
            try await roundTrip(UUID(), as: "uuid", over: pool)
            try await roundTrip(PostgresDate(daysSince1970: -20_000), as: "date", over: pool)
            try await roundTrip(PostgresTransactionID(.max), as: "xid8", over: pool)
            try await roundTrip(PostgresJSON(#"{"a": [1, null]}"#), as: "jsonb", over: pool)
            for instant in [0, 1, -1, 1_735_689_600_123_456, Int64.min, .max] {
                try await roundTrip(
                    PostgresTimestamp(microsecondsSince1970: instant), as: "timestamp with time zone", over: pool)
            }
        }
    }

    @Test func optionalsCarryNull() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await roundTrip(Int?.none, as: "bigint", over: pool)
            try await roundTrip(Int?.some(7), as: "bigint", over: pool)
            try await roundTrip(String?.none, as: "text", over: pool)
            try await roundTrip(String?.some(""), as: "text", over: pool)
            try await roundTrip([UInt8]?.none, as: "bytea", over: pool)
            try await roundTrip([UInt8]?.some([]), as: "bytea", over: pool)
            try await roundTrip([String]?.none, as: "text[]", over: pool)
            try await roundTrip(PostgresTimestamp?.none, as: "timestamp with time zone", over: pool)
        }
    }

    @Test func arraysOfEveryTypeComeBackAsTheyWent() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await roundTrip([1, 2, -3], as: "bigint[]", over: pool)
            try await roundTrip([Int64](), as: "bigint[]", over: pool)
            try await roundTrip([Int32.min, 0], as: "integer[]", over: pool)
            try await roundTrip([Int16.min, 0], as: "smallint[]", over: pool)
            try await roundTrip([0.5, .infinity], as: "double precision[]", over: pool)
            try await roundTrip([Float(0.5)], as: "real[]", over: pool)
            try await roundTrip([true, false], as: "boolean[]", over: pool)
            try await roundTrip(["", "a,b", "{\"x\"}", "NULL"], as: "text[]", over: pool)
            try await roundTrip([[UInt8](), [0, 255]], as: "bytea[]", over: pool)
            try await roundTrip([UUID(), UUID()], as: "uuid[]", over: pool)
            try await roundTrip([PostgresTimestamp(microsecondsSince1970: 5)], as: "timestamp with time zone[]", over: pool)
            try await roundTrip([PostgresJSON("1")], as: "jsonb[]", over: pool)
            try await roundTrip([Int?.none, 3], as: "bigint[]", over: pool)
            try await roundTrip([String?.some("a"), nil], as: "text[]", over: pool)
            try await roundTrip([[UInt8]?.none, [1]], as: "bytea[]", over: pool)
        }
    }

    @Test func instantsAreTheServersInstants() async throws {
        try await TemporaryPostgres.withPool { pool in
            let rows = try await pool.query(
                "SELECT '2026-11-22 09:30:00.000001+00'::timestamptz, '2000-03-01'::date, 'infinity'::timestamptz")
            let (instant, day, end) = try #require(rows.first).decode(PostgresTimestamp.self, PostgresDate.self, PostgresTimestamp.self)
            #expect(instant.microsecondsSince1970 == 1_795_339_800_000_001)
            #expect(day.daysSince1970 == 11_017)
            #expect(end.microsecondsSince1970 == .max)
        }
    }

    @Test func numericReadsAsWholeNumberOrNearestDouble() async throws {
        try await TemporaryPostgres.withPool { pool in
            for number in [0, 1, -1, 10_000, 123_456_789, -90_000_000_000, Int64.max, .min] {
                let rows = try await pool.query("SELECT \(number)::numeric")
                #expect(try #require(rows.first).decode(Int64.self) == number)
            }
            for (text, number) in [("0", 0.0), ("3.14159", 3.14159), ("-0.00012", -0.00012), ("1e30", 1e30), ("120000", 120_000)] {
                let rows = try await pool.query("SELECT \(text)::text::numeric")
                #expect(try #require(rows.first).decode(Double.self) == number)
            }
            let fraction = try await pool.query("SELECT 1.5::numeric, 1e19::numeric")
            #expect(throws: PostgresError.self) { try fraction[0][0, as: Int64.self] }
            #expect(throws: PostgresError.self) { try fraction[0][1, as: Int64.self] }
        }
    }

    @Test func aColumnOfAnotherTypeOrNullIsRefused() async throws {
        try await TemporaryPostgres.withPool { pool in
            let row = try #require(try await pool.query("SELECT 'text' AS a, NULL::bigint AS b, 70000 AS c, ARRAY[1, NULL]").first)
            #expect(throws: PostgresError.self) { try row.decode(Int.self) }
            #expect(throws: PostgresError.self) { try row[1, as: Int.self] }
            #expect(throws: PostgresError.self) { try row[column: "c", as: Int16.self] }
            #expect(throws: PostgresError.self) { try row[3, as: [Int32].self] }
            #expect(throws: PostgresError.self) { try row[4, as: Int.self] }
            #expect(throws: PostgresError.self) { try row[column: "d", as: Int.self] }
            #expect(try row[3, as: [Int32?].self] == [1, nil])
            #expect(try row[column: "a", as: String.self] == "text")
        }
    }

    @Test func enumsAndDomainsReadAsText() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TYPE mood AS ENUM ('calm', 'alarmed')")
            let rows = try await pool.query("SELECT \("alarmed")::text::mood")
            #expect(try rows[0].decode(String.self) == "alarmed")
        }
    }
}
