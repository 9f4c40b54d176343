import EventLog
import Geo
import Postgres

/// All SQL of the tile service.
struct MapStore: Sendable {
    let pool: PostgresPool
    /// More alerts than memory holds, so that a link to one works for longer than it is among the newest.
    var maxStoredAlerts = 20_000

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(
            name: "0002_past_and_complaints", sql: String(decoding: PackageResources.V0002_past_and_complaints_sql, as: UTF8.self)),
        Migration(name: "0003_alert_keys", sql: String(decoding: PackageResources.V0003_alert_keys_sql, as: UTF8.self)),
        Migration(
            name: "0004_complaint_versions", sql: String(decoding: PackageResources.V0004_complaint_versions_sql, as: UTF8.self)),
    ]

    // MARK: Writing

    /// Adds a change to what is stored, in the transaction that moves the log's position.
    func save(_ change: MapState.Change, in transaction: PostgresTransaction) async throws {
        if !change.unplaced.isEmpty || !change.sites.isEmpty {
            // One batch counts at a terminal while another registers it: without turns, neither would see the other's rows.
            try await transaction.execute("LOCK TABLE unplaced IN SHARE ROW EXCLUSIVE MODE")
        }
        try await saveKinds(Set(change.placed.keys.map(\.slot.kind)).union(change.unplaced.keys.map(\.slot.kind)), in: transaction)
        try await savePlaced(change.placed, in: transaction)
        try await saveUnplaced(change.unplaced, in: transaction)
        try await saveSites(change.sites, in: transaction)
        let terminals = Set(change.sites.map(\.terminalID)).union(change.unplaced.keys.map(\.terminalID))
        try await place(terminals.sorted(), knownHour: change.knownHour, in: transaction)
        try await saveLate(change.late, in: transaction)
        try await saveAreas(change.areas, in: transaction)
        try await saveAlerts(change.alerts, in: transaction)
        try await saveComplaints(change.complaints, in: transaction)
    }

    private func saveKinds(_ kinds: Set<Kind>, in transaction: PostgresTransaction) async throws {
        guard !kinds.isEmpty else { return }
        let ordered = kinds.sorted { ($0.signal.rawValue, $0.type) < ($1.signal.rawValue, $1.type) }
        // Kinds that are known are left out beforehand: a conflict would use up a number each time.
        try await transaction.execute(
            """
            INSERT INTO kinds (signal, type)
            SELECT new.signal, new.type FROM unnest(\(ordered.map(\.signal.rawValue)), \(ordered.map(\.type))) AS new (signal, type)
            WHERE NOT EXISTS (SELECT FROM kinds k WHERE k.signal = new.signal AND k.type = new.type)
            ON CONFLICT (signal, type) DO NOTHING
            """)
    }

    private func savePlaced(_ placed: [MapState.Place: Tally], in transaction: PostgresTransaction) async throws {
        guard !placed.isEmpty else { return }
        let rows = Array(placed)
        // In the order of the key, so that two consumers that meet wait for each other instead of dying together.
        try await transaction.execute(
            """
            INSERT INTO cells AS c (cell, kind, hour, count, risk_sum)
            SELECT new.cell, k.kind, new.hour, new.count, new.risk_sum
            FROM unnest(
                \(rows.map { Int64($0.key.cell) }), \(rows.map(\.key.slot.kind.signal.rawValue)), \(rows.map(\.key.slot.kind.type)),
                \(rows.map { Int32($0.key.slot.hour) }), \(rows.map { Int64($0.value.count) }), \(rows.map(\.value.riskSum))
            ) AS new (cell, signal, type, hour, count, risk_sum)
            JOIN kinds k USING (signal, type)
            ORDER BY new.cell, k.kind, new.hour
            ON CONFLICT (cell, kind, hour) DO UPDATE SET count = c.count + excluded.count, risk_sum = c.risk_sum + excluded.risk_sum
            """)
    }

    private func saveUnplaced(_ unplaced: [MapState.UnknownPlace: Tally], in transaction: PostgresTransaction) async throws {
        guard !unplaced.isEmpty else { return }
        let rows = Array(unplaced)
        try await transaction.execute(
            """
            INSERT INTO unplaced AS u (terminal_id, kind, hour, count, risk_sum)
            SELECT new.terminal_id, k.kind, new.hour, new.count, new.risk_sum
            FROM unnest(
                \(rows.map(\.key.terminalID)), \(rows.map(\.key.slot.kind.signal.rawValue)), \(rows.map(\.key.slot.kind.type)),
                \(rows.map { Int32($0.key.slot.hour) }), \(rows.map { Int64($0.value.count) }), \(rows.map(\.value.riskSum))
            ) AS new (terminal_id, signal, type, hour, count, risk_sum)
            JOIN kinds k USING (signal, type)
            ORDER BY new.terminal_id, k.kind, new.hour
            ON CONFLICT (terminal_id, kind, hour) DO UPDATE
            SET count = u.count + excluded.count, risk_sum = u.risk_sum + excluded.risk_sum
            """)
    }

    private func saveSites(_ sites: [Site], in transaction: PostgresTransaction) async throws {
        guard !sites.isEmpty else { return }
        try await transaction.execute(
            """
            INSERT INTO sites (terminal_id, sort, latitude, longitude, cell, institution)
            SELECT * FROM unnest(
                \(sites.map(\.terminalID)), \(sites.map(\.sort.rawValue)), \(sites.map(\.position.latitude)),
                \(sites.map(\.position.longitude)), \(sites.map { Int64(MapState.cell($0.position)) }), \(sites.map(\.institution)))
            ON CONFLICT (terminal_id) DO UPDATE
            SET sort = excluded.sort, latitude = excluded.latitude, longitude = excluded.longitude, cell = excluded.cell,
                institution = excluded.institution
            """)
    }

    /// Moves what was counted at these terminals into their cells, where their places are known by now.
    /// - Parameter knownHour: when the map learned of their places.
    private func place(_ terminals: [String], knownHour: Int, in transaction: PostgresTransaction) async throws {
        guard !terminals.isEmpty else { return }
        try await transaction.execute(
            """
            WITH moved AS (
                DELETE FROM unplaced u USING sites s
                WHERE u.terminal_id = s.terminal_id AND u.terminal_id = ANY (\(terminals))
                RETURNING s.cell, u.kind, u.hour, u.count, u.risk_sum
            ), placed AS (
                SELECT cell, kind, hour, sum(count)::bigint AS count, sum(risk_sum) AS risk_sum FROM moved GROUP BY cell, kind, hour
            ), remembered AS (
                INSERT INTO late AS l (known_hour, cell, kind, hour, count, risk_sum)
                SELECT \(Int32(knownHour)), cell, kind, hour, count, risk_sum FROM placed WHERE hour < \(Int32(knownHour))
                ON CONFLICT (known_hour, cell, kind, hour) DO UPDATE
                SET count = l.count + excluded.count, risk_sum = l.risk_sum + excluded.risk_sum
            )
            INSERT INTO cells AS c (cell, kind, hour, count, risk_sum)
            SELECT cell, kind, hour, count, risk_sum FROM placed ORDER BY cell, kind, hour
            ON CONFLICT (cell, kind, hour) DO UPDATE SET count = c.count + excluded.count, risk_sum = c.risk_sum + excluded.risk_sum
            """)
    }

    private func saveAreas(_ areas: [Area], in transaction: PostgresTransaction) async throws {
        for area in areas {
            let outline = try area.outline.map { outline in
                String(
                    decoding: try GeoJSON.write(.init(features: [.init(geometry: .multiPolygon(outline))])), as: UTF8.self)
            }
            try await transaction.execute(
                """
                INSERT INTO areas (area_id, name, outline) VALUES (\(area.id), \(area.name), \(outline))
                ON CONFLICT (area_id) DO UPDATE SET name = excluded.name, outline = excluded.outline
                """)
        }
    }

    private func saveAlerts(_ alerts: [AlertNote], in transaction: PostgresTransaction) async throws {
        guard !alerts.isEmpty else { return }
        func time(_ microseconds: Int64) -> PostgresTimestamp { PostgresTimestamp(microsecondsSince1970: microseconds) }
        try await transaction.execute(
            """
            INSERT INTO alerts (
                decision_id, event_time, decided_at, latitude, longitude, terminal_id, channel, amount_minor_units, currency, risk, reasons,
                bank_id, transaction_id)
            SELECT * FROM unnest(
                \(alerts.map(\.decisionID)), \(alerts.map { time($0.eventMicroseconds) }), \(alerts.map { time($0.decidedMicroseconds) }),
                \(alerts.map(\.position?.latitude)), \(alerts.map(\.position?.longitude)),
                \(alerts.map(\.terminalID)), \(alerts.map(\.channel)), \(alerts.map(\.amountMinorUnits)),
                \(alerts.map(\.currency)), \(alerts.map(\.risk)),
                \(alerts.map { Self.column($0.reasons) }), \(alerts.map(\.bankID)), \(alerts.map(\.transactionID)))
            ON CONFLICT (decision_id) DO NOTHING
            """)
        try await transaction.execute(
            """
            DELETE FROM alerts WHERE decided_at <
                (SELECT decided_at FROM alerts ORDER BY decided_at DESC OFFSET \(maxStoredAlerts - 1) LIMIT 1)
            """)
    }

    // MARK: Reading

    /// All that is stored, as of one moment, and how far each consumer had read then.
    func load(revision: UInt64, consumers: [LogConsumer]) async throws -> (state: MapState, positions: [String: LogPosition]) {
        try await pool.withTransaction(isolation: .repeatableRead) { transaction in
            var positions: [String: LogPosition] = [:]
            let rows = try await transaction.query("SELECT consumer, transaction_id, sequence FROM log_positions")
            for (name, transactionID, sequence) in try rows.decode(String.self, PostgresTransactionID.self, Int64.self) {
                positions[name] = LogPosition(transactionID: transactionID.value, sequence: sequence)
            }
            for consumer in consumers where positions[consumer.name] == nil { positions[consumer.name] = .start }
            var state = MapState(revision: revision)
            let kinds = try await loadKinds(transaction)
            state.restore(
                cube: try await loadCube(kinds, transaction), unplaced: try await loadUnplaced(kinds, transaction),
                alerts: try await loadAlerts(transaction), complaints: try await loadComplaints(transaction),
                sites: try await loadSites(transaction), areas: try await loadAreas(transaction))
            return (state, positions)
        }
    }

    /// By number, in the order of the numbers.
    func loadKinds(_ transaction: PostgresTransaction) async throws -> [(number: Int32, kind: Kind)] {
        let rows = try await transaction.query("SELECT kind, signal, type FROM kinds ORDER BY kind")
        return try rows.decode(Int32.self, String.self, String.self).compactMap { number, signal, type in
            Signal(rawValue: signal).map { (number, Kind(signal: $0, type: type)) }
        }
    }

    private func loadCube(_ kinds: [(number: Int32, kind: Kind)], _ transaction: PostgresTransaction) async throws -> Cube {
        try await cube(kinds: kinds, transaction, rows: "SELECT cell, kind, hour, count, risk_sum FROM cells WHERE count > 0")
    }

    /// A cube of rows of cell, kind, hour, count and sum of risks, in any order: to sort them here takes less than to read them sorted.
    func cube(kinds: [(number: Int32, kind: Kind)], _ transaction: PostgresTransaction, rows query: SQL) async throws -> Cube {
        var cube = Cube()
        let numbers = Dictionary(uniqueKeysWithValues: kinds.map { ($0.number, cube.number(for: $0.kind)) })
        var builder = CubeBuilder(cube)
        try await transaction.copyOut(query) { batch in
            for row in batch {
                let (cell, kind, hour, count, risk) = try row.decode(Int64.self, Int32.self, Int32.self, Int64.self, Double.self)
                guard let number = numbers[kind] else { continue }
                builder.add(.init(cell: UInt64(cell), hour: Int(hour), kind: number, tally: Tally(count: Int(count), riskSum: risk)))
            }
        }
        return builder.finish()
    }

    private func loadUnplaced(
        _ kinds: [(number: Int32, kind: Kind)], _ transaction: PostgresTransaction
    ) async throws -> [MapState.UnknownPlace: Tally] {
        let byNumber = Dictionary(uniqueKeysWithValues: kinds.map { ($0.number, $0.kind) })
        var unplaced: [MapState.UnknownPlace: Tally] = [:]
        try await transaction.stream("SELECT terminal_id, kind, hour, count, risk_sum FROM unplaced WHERE count > 0") { rows in
            for (terminal, number, hour, count, risk) in try rows.decode(String.self, Int32.self, Int32.self, Int64.self, Double.self) {
                guard let kind = byNumber[number] else { continue }
                unplaced[.init(terminalID: terminal, slot: .init(hour: Int(hour), kind: kind))] = Tally(count: Int(count), riskSum: risk)
            }
        }
        return unplaced
    }

    private func loadSites(_ transaction: PostgresTransaction) async throws -> [Site] {
        let rows = try await transaction.query("SELECT terminal_id, sort, latitude, longitude, institution FROM sites")
        return try rows.decode(String.self, String.self, Double.self, Double.self, String.self).map { row in
            let (id, sort, latitude, longitude, institution) = row
            return Site(
                terminalID: id, sort: Site.Sort(rawValue: sort) ?? .pos, position: Position(latitude: latitude, longitude: longitude),
                institution: institution)
        }
    }

    private func loadAreas(_ transaction: PostgresTransaction) async throws -> [Area] {
        let rows = try await transaction.query("SELECT area_id, name, outline FROM areas")
        return try rows.decode(String.self, String.self, String?.self).map { id, name, outline in
            // Earlier versions stored all rings as one polygon's.
            let area = try outline.flatMap { try GeoJSON.read(Array($0.utf8)).features.first?.geometry?.area }
            return Area(id: id, name: name, outline: try area.map { try MultiPolygon(evenOdd: $0.polygons.flatMap(\.rings)) })
        }
    }

    private func loadAlerts(_ transaction: PostgresTransaction) async throws -> [AlertNote] {
        try Self.alerts(in: try await transaction.query("\(Self.selectAlerts) \(Self.inOrder) LIMIT \(MapState.maxAlerts)"))
    }

    /// One alert by its decision; nil when there is none, or not any more.
    func alert(_ decisionID: String) async throws -> AlertNote? {
        try Self.alerts(in: try await pool.query("\(Self.selectAlerts) WHERE decision_id = \(decisionID)")).first
    }

    /// Alerts of payments in these hours in the order of the list, at most ``MapState/maxAlerts``: those behind a place, else the first.
    func alerts(in hours: Range<Int>, after place: AlertNote.Place? = nil) async throws -> [AlertNote] {
        func start(_ hour: Int) -> PostgresTimestamp { PostgresTimestamp(microsecondsSince1970: Int64(hour) * CubeHour.microsecondsPerHour) }
        // Before the first there is nothing.
        let decided = PostgresTimestamp(microsecondsSince1970: place?.decidedMicroseconds ?? start(CubeHour.range.upperBound).microsecondsSince1970)
        return try Self.alerts(in: try await pool.query(
            """
            \(Self.selectAlerts) WHERE event_time >= \(start(hours.lowerBound)) AND event_time < \(start(hours.upperBound))
                AND decided_at <= \(decided) AND (decided_at < \(decided) OR decision_id COLLATE "C" < \(place?.decisionID ?? ""))
            \(Self.inOrder) LIMIT \(MapState.maxAlerts)
            """))
    }

    /// As ``AlertNote/Place`` orders them.
    private static let inOrder: SQL = "ORDER BY decided_at DESC, decision_id COLLATE \"C\" DESC"

    private static let selectAlerts: SQL = """
        SELECT decision_id, event_time, decided_at, latitude, longitude, terminal_id, channel,
            amount_minor_units, currency, risk, reasons, bank_id, transaction_id
        FROM alerts
        """

    private static func alerts(in rows: PostgresRows) throws -> [AlertNote] {
        try rows.decode(
            String.self, PostgresTimestamp.self, PostgresTimestamp.self, Double?.self, Double?.self, String.self, String.self, Int64?.self,
            String.self, Double.self, String.self, String.self, String.self
        ).map { id, eventTime, decidedAt, latitude, longitude, terminal, channel, amount, currency, risk, reasons, bank, transaction in
            var position: Position?
            if let latitude, let longitude { position = Position(latitude: latitude, longitude: longitude) }
            return AlertNote(
                decisionID: id, eventMicroseconds: eventTime.microsecondsSince1970, decidedMicroseconds: decidedAt.microsecondsSince1970,
                position: position, terminalID: terminal, channel: channel, amountMinorUnits: amount,
                currency: currency, risk: risk, reasons: Self.reasons(inColumn: reasons), bankID: bank, transactionID: transaction)
        }
    }

    /// An alert's reasons as they are stored: a line each, of feature, value and words with tabs between; of words alone where no feature is known.
    static func column(_ reasons: [AlertNote.Reason]) -> String {
        func clean(_ text: String) -> String { text.split { $0.isNewline || $0 == "\t" }.joined(separator: " ") }
        return reasons.map { reason in
            let value = reason.value.map { "\($0)" } ?? ""
            return reason.feature.isEmpty ? clean(reason.text) : "\(clean(reason.feature))\t\(value)\t\(clean(reason.text))"
        }.joined(separator: "\n")
    }

    static func reasons(inColumn column: String) -> [AlertNote.Reason] {
        column.split(separator: "\n").map { line in
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return parts.count == 3 ? .init(feature: parts[0], value: Double(parts[1]), text: parts[2]) : .init(text: String(line))
        }
    }
}
