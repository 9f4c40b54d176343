import Postgres

/// A file on its way, by its sender and the hash of its content.
struct FileName: Sendable, Hashable {
    let senderID: String
    let contentSHA256: [UInt8]
}

/// What is known of a file.
struct StoredFile: Sendable, Hashable {
    let sizeBytes: Int64
    let receivedBytes: Int64
    let mapping: String
    let name: String
    /// The answer, once there is nothing more to do; opaque here.
    let result: [UInt8]?
}

/// The SQL of files that are sent in pieces.
struct FileDatabase: Sendable {
    let pool: PostgresPool

    func file(_ name: FileName) async throws -> StoredFile? {
        let rows = try await pool.query(
            """
            SELECT size_bytes, received_bytes, mapping, name, result FROM files
            WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256)
            """)
        return try rows.first.map { row in
            let (size, received, mapping, title, result) = try row.decode(Int64.self, Int64.self, String.self, String.self, [UInt8]?.self)
            return StoredFile(sizeBytes: size, receivedBytes: received, mapping: mapping, name: title, result: result)
        }
    }

    /// Puts a file down, or finds it. One of another size, and one that is done with under another mapping, begins anew, with nothing kept
    /// of it; where one under way gets another mapping, its pieces stay.
    func begin(_ name: FileName, sizeBytes: Int64, mapping: String, title: String) async throws {
        _ = try await pool.pipeline([
            """
            DELETE FROM files WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256)
              AND (size_bytes <> \(sizeBytes) OR result IS NOT NULL AND mapping <> \(mapping))
            """,
            """
            INSERT INTO files (sender_id, content_sha256, size_bytes, mapping, name)
            VALUES (\(name.senderID), \(name.contentSHA256), \(sizeBytes), \(mapping), \(title))
            ON CONFLICT (sender_id, content_sha256) DO UPDATE SET mapping = excluded.mapping, name = excluded.name
            WHERE files.mapping <> excluded.mapping
            """,
        ])
    }

    /// Keeps a piece of so many bytes, sealed, that goes on where the pieces before it end.
    ///
    /// - Returns: false if it does not, or goes beyond the file's size.
    func append(_ sealed: [UInt8], ofBytes count: Int, at offset: Int64, to name: FileName) async throws -> Bool {
        let rows = try await pool.query(
            """
            WITH grown AS (
                UPDATE files SET received_bytes = received_bytes + \(Int64(count))
                WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256) AND received_bytes = \(offset)
                  AND received_bytes + \(Int64(count)) <= size_bytes
                RETURNING sender_id, content_sha256
            )
            INSERT INTO file_chunks (sender_id, content_sha256, offset_bytes, chunk)
            SELECT sender_id, content_sha256, \(offset), \(sealed) FROM grown
            RETURNING offset_bytes
            """)
        return !rows.isEmpty
    }

    /// The pieces in order, sealed as they are kept, each with its place.
    func forEachChunk(of name: FileName, _ body: (_ offset: Int64, _ sealed: [UInt8]) throws -> Void) async throws {
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT offset_bytes, chunk FROM file_chunks WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256)
                ORDER BY offset_bytes
                """, batchRows: 4
            ) { rows in
                for row in rows {
                    let (offset, sealed) = try row.decode(Int64.self, [UInt8].self)
                    try body(offset, sealed)
                }
            }
        }
    }

    // MARK: Keys

    /// The name of the key that a piece is sealed with, behind its length. Of a piece so much is read, and not the megabyte.
    private static let keyName: SQL = "convert_from(substr(chunk, 2, get_byte(substr(chunk, 1, 1), 0)), 'UTF8')"

    /// The keys that pieces are sealed with.
    func keyIDs() async throws -> Set<String> {
        Set(try await pool.query("SELECT DISTINCT \(Self.keyName) FROM file_chunks").decode(String.self))
    }

    /// Where pieces lie that are sealed with these keys.
    func places(under keyIDs: Set<String>) async throws -> [(file: FileName, offset: Int64)] {
        let rows = try await pool.query(
            "SELECT sender_id, content_sha256, offset_bytes FROM file_chunks WHERE \(Self.keyName) = ANY (\(Array(keyIDs)))")
        return try rows.decode(String.self, [UInt8].self, Int64.self).map { (FileName(senderID: $0, contentSHA256: $1), $2) }
    }

    /// Puts in a piece's place what `renew` makes of it; nil leaves it as it is.
    func renewPiece(of name: FileName, at offset: Int64, _ renew: ([UInt8]) throws -> [UInt8]?) async throws {
        let place: SQL = "sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256) AND offset_bytes = \(offset)"
        try await pool.withTransaction { transaction in
            let rows = try await transaction.query("SELECT chunk FROM file_chunks WHERE \(place) FOR UPDATE")
            guard let sealed = try rows.first?.decode([UInt8].self), let renewed = try renew(sealed) else { return }
            try await transaction.execute("UPDATE file_chunks SET chunk = \(renewed) WHERE \(place)")
        }
    }

    // MARK: The end

    /// Keeps what came of it under this mapping, and the pieces no longer; nothing where it has got another one meanwhile.
    ///
    /// - Returns: what is kept: of two that read it at once, what the first has found.
    func finish(_ name: FileName, mapping: String, result: [UInt8]) async throws -> [UInt8] {
        let kept = try await pool.query(
            """
            WITH finished AS (
                UPDATE files SET result = coalesce(result, \(result))
                WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256) AND mapping = \(mapping)
                RETURNING sender_id, content_sha256, result
            ), emptied AS (
                DELETE FROM file_chunks USING finished
                WHERE file_chunks.sender_id = finished.sender_id AND file_chunks.content_sha256 = finished.content_sha256
            )
            SELECT result FROM finished
            """)
        return try kept.first?.decode([UInt8].self) ?? result
    }

    /// Forgets files that nobody has gone on with for so many days, and outcomes as old.
    ///
    /// - Returns: how many.
    func dropStale(days: Int) async throws -> Int {
        try await pool.execute("DELETE FROM files WHERE started_at < now() - make_interval(days => \(Int32(days)))")
    }

    /// Forgets a file whose content is not what its hash says.
    func discard(_ name: FileName) async throws {
        try await pool.execute("DELETE FROM files WHERE sender_id = \(name.senderID) AND content_sha256 = \(name.contentSHA256)")
    }
}
