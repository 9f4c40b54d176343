import EventLog
import Features
import Postgres

/// A snapshot of memory and the last entry of the log that it holds.
struct StoredSnapshot: Sendable, Hashable {
    let number: Int64
    let position: LogPosition
    let chunks: Int
}

extension FeatureStoreDatabase {
    /// The newest one may turn out damaged: then the one before serves.
    static let maxSnapshots = 2
    /// Deleted in so small steps because a long transaction holds back the readers of the log.
    private static let chunksAStep = 16

    /// The last entry of the log. Only the writer may ask, while nothing is being written.
    func lastPosition() async throws -> LogPosition {
        let rows = try await pool.query(
            "SELECT transaction_id, sequence FROM event_log ORDER BY transaction_id DESC, sequence DESC LIMIT 1")
        guard let (transaction, sequence) = try rows.first?.decode(PostgresTransactionID.self, Int64.self) else { return .start }
        return LogPosition(transactionID: transaction.value, sequence: sequence)
    }

    /// Snapshots of a feature set in the format that this version reads, the newest first.
    /// - Parameter replica: whose; empty where one store keeps everything, here and below.
    func snapshots(version: String, replica: String = "") async throws -> [StoredSnapshot] {
        let rows = try await pool.query(
            """
            SELECT snapshot, transaction_id, sequence, chunks FROM snapshots
            WHERE replica = \(replica) AND feature_set_version = \(version) AND format = \(FeatureSnapshotWriter.format)
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
    func store(_ snapshot: FeatureSnapshotWriter, version: String, replica: String = "", at position: LogPosition) async throws -> StoredSnapshot {
        let number = try await pool.query("SELECT nextval('snapshot_numbers')")[0].decode(Int64.self)
        var snapshot = snapshot
        var count = 0
        while let chunk = snapshot.next() {
            try Task.checkCancellation()
            try await pool.execute(
                """
                INSERT INTO snapshot_chunks (snapshot, chunk, payload, replica)
                VALUES (\(number), \(Int32(count)), \(chunk), \(replica))
                """)
            count += 1
        }
        try await pool.execute(
            """
            INSERT INTO snapshots (snapshot, format, feature_set_version, replica, transaction_id, sequence, chunks)
            VALUES (\(number), \(FeatureSnapshotWriter.format), \(version), \(replica), \(PostgresTransactionID(position.transactionID)),
                \(position.sequence), \(count))
            """)
        return StoredSnapshot(number: number, position: position, chunks: count)
    }

    /// Deletes all but the newest snapshots, and the chunks of those that were never finished. Not while one is being written.
    func deleteOldSnapshots(replica: String = "") async throws {
        try await pool.execute(
            """
            DELETE FROM snapshots WHERE replica = \(replica) AND snapshot NOT IN (
                SELECT snapshot FROM snapshots WHERE replica = \(replica) ORDER BY snapshot DESC LIMIT \(Self.maxSnapshots))
            """)
        var deleted = 1
        while deleted > 0 {
            deleted = try await pool.execute(
                """
                DELETE FROM snapshot_chunks WHERE (snapshot, chunk) IN (
                    SELECT snapshot, chunk FROM snapshot_chunks
                    WHERE replica = \(replica) AND snapshot NOT IN (SELECT snapshot FROM snapshots)
                    LIMIT \(Self.chunksAStep))
                """)
        }
    }
}
