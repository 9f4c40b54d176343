import EventLog
import Postgres
import Records
import ServiceRuntime

/// One process in the place of one replica of one ring.
struct ReplicaMembership: Sendable, Hashable {
    let ringGeneration: Int64
    let name: String
    let incarnation: Int64
}

/// Why a process may not take, or no longer has, a replica's place.
struct MembershipError: Error, CustomStringConvertible {
    let description: String
}

extension FeatureStoreDatabase {
    /// With the schema's name, so that two stores in one database do not wait for each other.
    private static let lockKey: SQL = "1447642185, hashtext(current_schema())"

    /// Which ring the store is kept by; nil where one store keeps everything.
    func ring(in transaction: PostgresTransaction? = nil) async throws -> (generation: Int64, names: [String])? {
        let select: SQL = "SELECT ring_generation, name FROM replicas ORDER BY name"
        let rows = if let transaction { try await transaction.query(select) } else { try await pool.query(select) }
        let members = try rows.decode(Int64.self, String.self)
        return members.first.map { ($0.0, members.map(\.1)) }
    }

    /// Takes a replica's place, from an earlier process of that name too. The first of a new ring ends the old one: what its replicas have
    /// under way is waited for, and what comes later is refused.
    ///
    /// - Parameter outsider: the application name of a store that keeps everything; one of those must not run beside a ring.
    func join(_ ring: ReplicaRing, as name: String, outsider: String) async throws -> ReplicaMembership {
        try await pool.withTransaction { transaction in
            try await transaction.execute("SELECT pg_advisory_xact_lock(\(Self.lockKey))")
            let current = try await self.ring(in: transaction)
            if let current, current.generation > ring.generation {
                throw MembershipError(
                    description: """
                        ring \(ring.generation) is over: ring \(current.generation) has taken its place; a generation above that, for the gateway and \
                        all replicas, ends it
                        """)
            }
            if let current, current.generation == ring.generation, current.names != ring.names {
                throw MembershipError(
                    description: """
                        ring \(ring.generation) has other replicas already: \(current.names.joined(separator: ", ")); a higher generation, for the \
                        gateway and all replicas, ends it
                        """)
            }
            if current?.generation != ring.generation {
                if current == nil { try await Self.refuseOutsiders(outsider, in: transaction) }
                try await Self.replaceRing(with: ring, in: transaction)
            }
            let incarnation = try await transaction.query(
                "UPDATE replicas SET incarnation = incarnation + 1 WHERE name = \(name) RETURNING incarnation")[0].decode(Int64.self)
            return ReplicaMembership(ringGeneration: ring.generation, name: name, incarnation: incarnation)
        }
    }

    private static func refuseOutsiders(_ name: String, in transaction: PostgresTransaction) async throws {
        let sessions = try await transaction.query(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = current_user AND application_name = \(name)
            """)[0].decode(Int64.self)
        guard sessions == 0 else {
            throw MembershipError(description: "a feature store that keeps everything still runs: it must end before a ring begins")
        }
    }

    /// All begin with the gateway's log where the slowest of before was: what is read again has no second effect.
    private static func replaceRing(with ring: ReplicaRing, in transaction: PostgresTransaction) async throws {
        let names = ring.names
        let consumers = names.map(Slice.consumerName)
        _ = try await transaction.pipeline([
            "DELETE FROM replicas",
            "INSERT INTO replicas (name, ring_generation, incarnation) SELECT name, \(ring.generation), 0 FROM unnest(\(names)) AS name",
            "DELETE FROM snapshots WHERE replica <> ALL(\(names))",
            "DELETE FROM snapshot_chunks WHERE replica <> ALL(\(names))",
            """
            INSERT INTO log_positions (consumer, transaction_id, sequence)
            SELECT consumer, slowest.transaction_id, slowest.sequence FROM unnest(\(consumers)) AS consumer CROSS JOIN (
                SELECT transaction_id, sequence FROM log_positions
                WHERE consumer = \(Slice.wholeConsumerName) OR starts_with(consumer, \(Slice.wholeConsumerName + "/"))
                ORDER BY transaction_id, sequence LIMIT 1) AS slowest
            ON CONFLICT (consumer) DO UPDATE SET transaction_id = excluded.transaction_id, sequence = excluded.sequence
            """,
            """
            DELETE FROM log_positions
            WHERE (consumer = \(Slice.wholeConsumerName) OR starts_with(consumer, \(Slice.wholeConsumerName + "/")))
              AND consumer <> ALL(\(consumers))
            """,
        ])
    }

    /// Makes the rest of a transaction that of a process that still has its place, until the transaction ends.
    func hold(_ membership: ReplicaMembership, in transaction: PostgresTransaction) async throws {
        let rows = try await transaction.pipeline([
            "SELECT pg_advisory_xact_lock_shared(\(Self.lockKey))",
            """
            SELECT 1 FROM replicas WHERE name = \(membership.name) AND ring_generation = \(membership.ringGeneration)
                AND incarnation = \(membership.incarnation)
            """,
        ])[1]
        guard !rows.isEmpty else {
            throw MembershipError(description: "another process or ring has taken the place of replica \(membership.name)")
        }
    }

    /// The entries of these transactions' first halves, by key.
    func partialObservations(of keys: [TransactionKey]) async throws -> [TransactionKey: [[UInt8]]] {
        guard !keys.isEmpty else { return [:] }
        let rows = try await pool.query(
            """
            SELECT o.partial_bank_id, o.partial_transaction_id, o.payloads[1]
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN event_log o ON o.partial_bank_id = wanted.bank_id AND o.partial_transaction_id = wanted.transaction_id
            """)
        var found: [TransactionKey: [[UInt8]]] = [:]
        for (bank, transaction, message) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction), default: []].append(message)
        }
        return found
    }

    /// Payments whose first half the log holds behind a position, and that are not whole.
    func unfinished(after position: LogPosition) async throws -> Set<TransactionKey> {
        let rows = try await pool.query(
            """
            SELECT DISTINCT partial_bank_id, partial_transaction_id FROM event_log half
            WHERE partial_bank_id IS NOT NULL
                AND (transaction_id, sequence) > (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
                AND NOT EXISTS (
                    SELECT FROM observed o WHERE o.bank_id = half.partial_bank_id AND o.bank_transaction_id = half.partial_transaction_id)
            """)
        return Set(try rows.decode(String.self, String.self).map { TransactionKey(bankID: $0, transactionID: $1) })
    }

    /// Those of these transactions that have been observed whole.
    func observed(among keys: Set<TransactionKey>) async throws -> Set<TransactionKey> {
        guard !keys.isEmpty else { return [] }
        let keys = Array(keys)
        let rows = try await pool.query(
            """
            SELECT found.* FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS key (bank_id, transaction_id), LATERAL (
                SELECT bank_id, bank_transaction_id FROM observed o
                WHERE o.bank_id = key.bank_id AND o.bank_transaction_id = key.transaction_id
                ORDER BY o.bank_id, o.bank_transaction_id LIMIT 1
            ) found
            """)
        return Set(try rows.decode(String.self, String.self).map { TransactionKey(bankID: $0, transactionID: $1) })
    }

    /// Writes first halves, each in a row of its own: it is found by its key there.
    func append(partial lines: [LogLine], in transaction: PostgresTransaction) async throws {
        guard !lines.isEmpty else { return }
        try await transaction.execute(
            """
            INSERT INTO event_log (payloads, bank_ids, bank_transaction_ids, event_times, partial_bank_id, partial_transaction_id)
            SELECT ARRAY[payload], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::timestamptz], bank_id, transaction_id FROM unnest(
                \(lines.map(\.payload)), \(lines.map { $0.observed?.key.bankID }), \(lines.map { $0.observed?.key.transactionID })
            ) WITH ORDINALITY AS line (payload, bank_id, transaction_id, place)
            ORDER BY place
            """)
    }
}
