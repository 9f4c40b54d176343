import EventLog
import Features
import Postgres

/// A snapshot of memory and the last entry of the log that it holds.
struct StoredSnapshot: Sendable, Hashable {
    let number: Int64
    let position: LogPosition
    let chunks: Int
}

/// The snapshots of one memory, of which the newest that can be read counts.
struct SnapshotSeries: Sendable, Hashable {
    enum Memory: String, Sendable, Hashable {
        case features, behaviour
    }

    let memory: Memory
    /// Of what is declared: under another one memory is another.
    let version: String
    /// Whose; empty where one store keeps everything.
    let replica: String
    /// Of the chunks.
    let format: Int

    init(_ memory: Memory, version: String, slice: Slice?, format: Int) {
        self.memory = memory
        self.version = slice?.snapshotVersion(version) ?? version
        replica = slice?.name ?? ""
        self.format = format
    }
}

extension FeatureStoreDatabase {
    /// The newest one may turn out damaged: then the one before serves.
    static let maxSnapshots = 2
    /// Deleted in so small steps because a long transaction holds back the readers of the log.
    private static let chunksAStep = 16

    /// The last entry of the log. Only the writer may ask, while nothing is being written.
    func lastPosition() async throws -> LogPosition {
        let rows = try await pool.query(
            "SELECT transaction_id, \(log.lastSequence) FROM event_log ORDER BY transaction_id DESC, sequence DESC LIMIT 1")
        guard let (transaction, sequence) = try rows.first?.decode(PostgresTransactionID.self, Int64.self) else { return .start }
        return LogPosition(transactionID: transaction.value, sequence: sequence)
    }

    /// Those in the format that this version reads, the newest first.
    func snapshots(of series: SnapshotSeries) async throws -> [StoredSnapshot] {
        let rows = try await pool.query(
            """
            SELECT snapshot, transaction_id, sequence, chunks FROM snapshots
            WHERE memory = \(series.memory.rawValue) AND replica = \(series.replica) AND feature_set_version = \(series.version)
                AND format = \(series.format)
            ORDER BY snapshot DESC
            """)
        return try rows.decode(Int64.self, PostgresTransactionID.self, Int64.self, Int.self).map { number, transaction, sequence, chunks in
            StoredSnapshot(
                number: number, position: LogPosition(transactionID: transaction.value, sequence: sequence), chunks: chunks)
        }
    }

    /// A snapshot's chunks in their order.
    func forEachChunk(of snapshot: StoredSnapshot, _ body: ([UInt8]) async throws -> Void) async throws {
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                "SELECT payload FROM snapshot_chunks WHERE snapshot = \(snapshot.number) ORDER BY chunk", batchRows: 8
            ) { rows in
                for row in rows { try await body(try row.decode([UInt8].self)) }
            }
        }
    }

    /// Writes a snapshot; nothing of it counts before all of it is there.
    func store(_ snapshot: some SnapshotChunks, in series: SnapshotSeries, at position: LogPosition) async throws -> StoredSnapshot {
        let number = try await pool.query("SELECT nextval('snapshot_numbers')")[0].decode(Int64.self)
        var snapshot = snapshot
        var count = 0
        while let chunk = snapshot.next() {
            try Task.checkCancellation()
            try await pool.execute(
                """
                INSERT INTO snapshot_chunks (snapshot, chunk, payload, memory, replica)
                VALUES (\(number), \(Int32(count)), \(chunk), \(series.memory.rawValue), \(series.replica))
                """)
            count += 1
        }
        try await pool.execute(
            """
            INSERT INTO snapshots (snapshot, memory, format, feature_set_version, replica, transaction_id, sequence, chunks)
            VALUES (\(number), \(series.memory.rawValue), \(series.format), \(series.version), \(series.replica),
                \(PostgresTransactionID(position.transactionID)), \(position.sequence), \(count))
            """)
        return StoredSnapshot(number: number, position: position, chunks: count)
    }

    /// Deletes all but the newest snapshots, and the chunks of those that were never finished. Not while one is being written.
    func deleteOldSnapshots(of series: SnapshotSeries) async throws {
        try await pool.execute(
            """
            DELETE FROM snapshots WHERE memory = \(series.memory.rawValue) AND replica = \(series.replica) AND snapshot NOT IN (
                SELECT snapshot FROM snapshots WHERE memory = \(series.memory.rawValue) AND replica = \(series.replica)
                ORDER BY snapshot DESC LIMIT \(Self.maxSnapshots))
            """)
        var deleted = 1
        while deleted > 0 {
            deleted = try await pool.execute(
                """
                DELETE FROM snapshot_chunks WHERE (snapshot, chunk) IN (
                    SELECT snapshot, chunk FROM snapshot_chunks
                    WHERE memory = \(series.memory.rawValue) AND replica = \(series.replica)
                        AND snapshot NOT IN (SELECT snapshot FROM snapshots)
                    LIMIT \(Self.chunksAStep))
                """)
        }
    }
}
