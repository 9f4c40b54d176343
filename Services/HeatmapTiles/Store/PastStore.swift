import Geo
import Postgres

// The map as it was known before.
extension MapStore {
    /// The cube as it was known at the end of the hour before `hour`: without what happened or became known from then on.
    ///
    /// - Parameter kinds: numbered as in the map that it is to stand in for, which may know more of them.
    func loadPast(before hour: Int) async throws -> Cube {
        // COPY takes no parameters.
        let hour = SQL(unsafe: String(hour))
        return try await pool.withTransaction(isolation: .repeatableRead) { transaction in
            try await cube(kinds: try await loadKinds(transaction), transaction, rows: """
                SELECT c.cell, c.kind, c.hour, c.count - coalesce(l.count, 0), c.risk_sum - coalesce(l.risk_sum, 0)
                FROM cells c
                LEFT JOIN (
                    SELECT cell, kind, hour, sum(count)::bigint AS count, sum(risk_sum) AS risk_sum
                    FROM late WHERE known_hour >= \(hour) GROUP BY cell, kind, hour
                ) l USING (cell, kind, hour)
                WHERE c.hour < \(hour) AND c.count > coalesce(l.count, 0)
                """)
        }
    }

    func saveLate(_ late: [MapState.LatePlace: Tally], in transaction: PostgresTransaction) async throws {
        guard !late.isEmpty else { return }
        let rows = Array(late)
        try await transaction.execute(
            """
            INSERT INTO late AS l (known_hour, cell, kind, hour, count, risk_sum)
            SELECT new.known_hour, new.cell, k.kind, new.hour, new.count, new.risk_sum
            FROM unnest(
                \(rows.map { Int32($0.key.knownHour) }), \(rows.map { Int64($0.key.place.cell) }),
                \(rows.map(\.key.place.slot.kind.signal.rawValue)), \(rows.map(\.key.place.slot.kind.type)),
                \(rows.map { Int32($0.key.place.slot.hour) }), \(rows.map { Int64($0.value.count) }), \(rows.map(\.value.riskSum))
            ) AS new (known_hour, cell, signal, type, hour, count, risk_sum)
            JOIN kinds k USING (signal, type)
            ORDER BY new.known_hour, new.cell, k.kind, new.hour
            ON CONFLICT (known_hour, cell, kind, hour) DO UPDATE
            SET count = l.count + excluded.count, risk_sum = l.risk_sum + excluded.risk_sum
            """)
    }
}
