public import Logging
internal import Postgres

// A dump restored into another cluster brings positions by the old cluster's transaction numbers, while the new one's begin low.

/// A log whose positions lie so far ahead of the cluster's transaction numbers that assigning the numbers between would take too long.
public struct NumbersTooLow: Error, CustomStringConvertible {
    let last: UInt64
    let next: UInt64

    /// Only the epoch changes, so that the 32 bits that rows are marked with stay as they are, and nothing comes nearer to its wraparound.
    public var description: String {
        """
        this cluster's next transaction number is \(next) and the log's last is \(last), of the cluster that it was dumped from: what is \
        written now would lie before what has been read. Stop PostgreSQL cleanly, run `pg_resetwal --epoch=\(last >> 32 + 1)` on its \
        data directory, and start it again
        """
    }
}

/// A position that names no entry of the log: whoever stored it has read what this log does not hold any more, or another log.
public struct UnknownPosition: Error, Hashable, CustomStringConvertible {
    let position: LogPosition
    /// The last entry before it, or of all.
    let last: LogPosition

    public var description: String {
        """
        the log has no entry at \(position), up to which it has been read; the last one before it is \(last): the log was restored from an \
        older backup than its reader, which must be restored from the same one or read anew (README, "Backup and restore")
        """
    }
}

extension EventLog {
    /// Up to so many are assigned in vain, about 100,000 a second: far from what makes PostgreSQL freeze rows early (200 million).
    public static let maxNumbersInVain: UInt64 = 10_000_000

    /// Moves the cluster's transaction numbers beyond the log's, where a dump has been restored into a new cluster: else new entries would
    /// get positions that have been read already, and nobody would ever see them. To be called before the log is read or written.
    ///
    /// Several services may do so at once.
    /// - Throws: ``NumbersTooLow`` where there are more than ten million between.
    public func continueNumbers(logger: Logger, maxInVain: UInt64 = maxNumbersInVain) async throws {
        let newest: SQL = "SELECT transaction_id FROM \(ident: table) ORDER BY transaction_id DESC, sequence DESC LIMIT 1"
        guard let last = try await pool.query(newest).first?.decode(PostgresTransactionID.self).value else { return }
        var next = try await nextNumber()
        guard next <= last else { return }
        guard last - next < maxInVain else { throw NumbersTooLow(last: last, next: next) }
        while next <= last {
            logger.notice("a restored log's transaction numbers are passed over", metadata: ["next": "\(next)", "last": "\(last)"])
            let pieces = Swift.min((last - next) / Self.numbersInVain + 1, Self.piecesAtOnce)
            for _ in 0..<pieces { try await pool.execute(Self.assignInVain) }
            next = try await nextNumber()
        }
        // Numbers are not flushed when nothing was written under them, and a crash must not bring them back.
        try await pool.execute("SELECT pg_logical_emit_message(true, 'vigil', '')")
    }

    /// That the next transaction to write anything gets.
    private func nextNumber() async throws -> UInt64 {
        let rows = try await pool.query("SELECT pg_snapshot_xmax(pg_current_snapshot())")
        return try rows.first?.decode(PostgresTransactionID.self).value ?? 0
    }

    private static let numbersInVain: UInt64 = 1_000
    private static let piecesAtOnce: UInt64 = 1_000
    private static let assignInVain: SQL = """
        DO $$ BEGIN FOR number IN 1..1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$
        """

    /// Returns if the log can be read on from a position: it is the start, or an entry's, or lies before the oldest entry that is kept.
    ///
    /// - Throws: ``UnknownPosition``. To go on from there would pass over what is written until the log has come so far again.
    public func check(_ position: LogPosition) async throws {
        guard position > .start else { return }
        let rows = try await pool.query(
            """
            SELECT transaction_id, \(lastSequence) FROM \(ident: table)
            WHERE (transaction_id, sequence) <= (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
            ORDER BY transaction_id DESC, sequence DESC LIMIT 1
            """)
        guard let (transaction, last) = try rows.first?.decode(PostgresTransactionID.self, Int64.self) else {
            guard try await position.transactionID < nextNumber() else { throw UnknownPosition(position: position, last: .start) }
            return
        }
        guard transaction.value == position.transactionID, position.sequence <= last else {
            throw UnknownPosition(position: position, last: LogPosition(transactionID: transaction.value, sequence: last))
        }
    }
}
