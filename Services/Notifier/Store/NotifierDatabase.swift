import EventLog
import Postgres
import Records

/// One alert to be brought to one recipient, claimed by this process for as long as the lease lasts.
struct ClaimedDelivery: Sendable, Hashable {
    let id: Int64
    let recipient: String
    /// Which attempt this is, from 1.
    let attempt: Int
    let content: Alert.Content
    let raisedAt: Timestamp
}

/// All SQL of the notifier.
struct NotifierDatabase: Sendable {
    /// The only channel so far, by its name in the outbox.
    static let mailChannel = "mail"

    let pool: PostgresPool

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self))
    ]

    // MARK: Raising

    /// Stores alerts, each with a delivery for each recipient; those stored before stay as they are.
    ///
    /// - Parameter recipients: of alerts at the same index; none for those that are listed only.
    /// - Returns: how many were new.
    @discardableResult
    func raise(_ alerts: [(content: Alert.Content, recipients: [String])], in transaction: PostgresTransaction) async throws -> Int {
        guard !alerts.isEmpty else { return 0 }
        let contents = alerts.map(\.content)
        let states = alerts.map { ($0.recipients.isEmpty ? Alert.State.listed : .pending).rawValue }
        let new = Set(try await transaction.query(
            """
            INSERT INTO alerts (alert_id, state, subject, body, risk_score, latitude, longitude, event_time)
            SELECT alert_id, state::alert_state, subject, body, risk_score, latitude, longitude, event_time FROM unnest(
                \(contents.map(\.alertID)), \(states), \(contents.map(\.subject)), \(contents.map(\.body)),
                \(contents.map(\.riskScore)), \(contents.map { $0.location?.latitude }), \(contents.map { $0.location?.longitude }),
                \(contents.map { $0.eventTime.map { PostgresTimestamp($0) } }))
                AS new (alert_id, state, subject, body, risk_score, latitude, longitude, event_time)
            ON CONFLICT (alert_id) DO NOTHING
            RETURNING alert_id
            """).decode(String.self))
        // An alert that comes twice in one call is inserted once; so are its deliveries.
        let deliveries = alerts.filter { new.contains($0.content.alertID) }
            .flatMap { alert in alert.recipients.map { (alert.content.alertID, $0) } }
        guard !deliveries.isEmpty else { return new.count }
        try await transaction.execute(
            """
            INSERT INTO deliveries (alert_id, channel, recipient)
            SELECT alert_id, \(Self.mailChannel), recipient
            FROM unnest(\(deliveries.map(\.0)), \(deliveries.map(\.1))) AS new (alert_id, recipient)
            ON CONFLICT (alert_id, channel, recipient) DO NOTHING
            """)
        return new.count
    }

    /// Stores one alert.
    ///
    /// - Returns: the alert as it stands, and whether it was there before.
    func raise(_ content: Alert.Content, recipients: [String]) async throws -> (alert: Alert, isDuplicate: Bool)? {
        let new = try await pool.withTransaction { transaction in
            try await raise([(content: content, recipients: recipients)], in: transaction)
        }
        return try await alert(id: content.alertID).map { ($0, new == 0) }
    }

    // MARK: Delivering

    /// Takes deliveries that are due, the newest first: in a flood, what has just happened matters most.
    ///
    /// Until the lease is over nobody else takes them; then, if nothing was heard of them, they are due again.
    ///
    /// - Parameters:
    ///   - limit: how many at most.
    ///   - maxPerMinute: how many may be attempted within a minute, by all replicas together.
    func claim(limit: Int, maxPerMinute: Int, leaseSeconds: Double) async throws -> [ClaimedDelivery] {
        let due: SQL = "SELECT FROM deliveries WHERE state = 'pending' AND due_at <= clock_timestamp()"
        // A look without a lock, so that waiting for work costs no write.
        guard let row = try await pool.query("SELECT EXISTS (\(due))").first, try row.decode(Bool.self) else { return [] }
        let results = try await pool.pipeline([
            "SELECT only_row FROM claim_turn FOR UPDATE",
            """
            WITH claimed AS (
                SELECT delivery_id FROM deliveries
                WHERE state = 'pending' AND due_at <= clock_timestamp()
                ORDER BY delivery_id DESC
                LIMIT (
                    SELECT least(\(limit), greatest(\(maxPerMinute) - count(*), 0))
                    FROM deliveries WHERE attempted_at > clock_timestamp() - interval '1 minute')
                FOR UPDATE SKIP LOCKED
            )
            UPDATE deliveries d
            SET attempts = attempts + 1, attempted_at = clock_timestamp(),
                due_at = clock_timestamp() + \(leaseSeconds) * interval '1 second'
            FROM claimed, alerts a
            WHERE d.delivery_id = claimed.delivery_id AND a.alert_id = d.alert_id
            RETURNING d.delivery_id, d.recipient, d.attempts, a.alert_id, a.subject, a.body, a.risk_score, a.raised_at
            """,
        ])
        return try results[1].map { row in
            let (id, recipient, attempts, alertID, subject, body, risk, raised) = try row.decode(
                Int64.self, String.self, Int.self, String.self, String.self, String.self, Double.self, PostgresTimestamp.self)
            let content = Alert.Content(alertID: alertID, subject: subject, body: body, riskScore: risk)
            return ClaimedDelivery(id: id, recipient: recipient, attempt: attempts, content: content, raisedAt: Timestamp(raised))
        }
    }

    /// The recipient's server has taken it.
    func markSent(_ delivery: ClaimedDelivery) async throws {
        try await finish(
            delivery,
            """
            UPDATE deliveries SET state = 'sent', finished_at = clock_timestamp(), last_error = NULL
            WHERE delivery_id = \(delivery.id) AND state = 'pending'
            """)
    }

    /// It is not tried again.
    func markFailed(_ delivery: ClaimedDelivery, error: String) async throws {
        try await finish(
            delivery,
            """
            UPDATE deliveries SET state = 'failed', finished_at = clock_timestamp(), last_error = \(error)
            WHERE delivery_id = \(delivery.id) AND state = 'pending' AND attempts = \(delivery.attempt)
            """)
    }

    /// It is tried again after a while, unless another process has taken it since.
    func postpone(_ delivery: ClaimedDelivery, seconds: Double, error: String) async throws {
        try await pool.execute(
            """
            UPDATE deliveries SET due_at = clock_timestamp() + \(seconds) * interval '1 second', last_error = \(error)
            WHERE delivery_id = \(delivery.id) AND state = 'pending' AND attempts = \(delivery.attempt)
            """)
    }

    /// Ends a delivery, and with the last one of an alert says how the alert stands. The alert is locked first, so that of two
    /// deliveries that end together the second sees the first.
    private func finish(_ delivery: ClaimedDelivery, _ update: SQL) async throws {
        let id = delivery.content.alertID
        _ = try await pool.pipeline([
            "SELECT alert_id FROM alerts WHERE alert_id = \(id) FOR UPDATE",
            update,
            """
            UPDATE alerts SET
                delivered_at = CASE WHEN sum.failed = 0 THEN clock_timestamp() END,
                state = CASE WHEN state <> 'pending' THEN state WHEN sum.failed = 0 THEN 'delivered' ELSE 'failed' END
            FROM (
                SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'failed') AS failed
                FROM deliveries WHERE alert_id = \(id)
            ) AS sum
            WHERE alert_id = \(id) AND sum.pending = 0
            """,
        ])
    }

    /// How many deliveries wait.
    func pendingDeliveries() async throws -> Int {
        let rows = try await pool.query("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        return try rows.first?.decode(Int.self) ?? 0
    }

    // MARK: Looking

    private static let columns: SQL = """
        alert_id, state::text, raised_at, delivered_at, acknowledged_at, acknowledged_by, subject, body, risk_score, latitude, longitude,
        event_time, (SELECT coalesce(sum(attempts), 0)::bigint FROM deliveries d WHERE d.alert_id = alerts.alert_id)
        """

    func alert(id: String) async throws -> Alert? {
        try await pool.query("SELECT \(Self.columns) FROM alerts WHERE alert_id = \(id)").first.map(Self.alert)
    }

    /// The newest first.
    ///
    /// - Parameter states: only those in one of them; nil for all.
    func alerts(in states: [Alert.State]?, among ids: [String]? = nil, limit: Int) async throws -> (alerts: [Alert], total: Int64) {
        let inState: SQL = states.map { "state = ANY(\($0.map(\.rawValue))::alert_state[])" } ?? "true"
        let isMeant: SQL = ids.map { "alert_id = ANY(\($0))" } ?? "true"
        let condition: SQL = "WHERE \(inState) AND \(isMeant)"
        let rows = try await pool.query("SELECT \(Self.columns) FROM alerts \(condition) ORDER BY sequence DESC LIMIT \(limit)")
        let total = try await pool.query("SELECT count(*) FROM alerts \(condition)").first?.decode(Int64.self)
        return (try rows.map(Self.alert), total ?? 0)
    }

    /// Notes who has taken an alert; the first who does stays.
    ///
    /// - Returns: the alert, nil if there is none of that id.
    func acknowledge(id: String, by subject: String) async throws -> Alert? {
        try await pool.execute(
            """
            UPDATE alerts SET state = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = \(subject)
            WHERE alert_id = \(id) AND state <> 'acknowledged'
            """)
        return try await alert(id: id)
    }

    private static func alert(_ row: PostgresRow) throws -> Alert {
        let (id, state, raised, delivered, acknowledged, officer) = try (
            row[0, as: String.self], row[1, as: String.self], row[2, as: PostgresTimestamp.self], row[3, as: PostgresTimestamp?.self],
            row[4, as: PostgresTimestamp?.self], row[5, as: String?.self]
        )
        let (latitude, longitude) = try (row[9, as: Double?.self], row[10, as: Double?.self])
        let content = Alert.Content(
            alertID: id, subject: try row[6, as: String.self], body: try row[7, as: String.self], riskScore: try row[8, as: Double.self],
            location: latitude.flatMap { latitude in longitude.map { Coordinate(latitude: latitude, longitude: $0) } },
            eventTime: try row[11, as: PostgresTimestamp?.self].map(Timestamp.init))
        return Alert(
            content: content, state: Alert.State(rawValue: state) ?? .listed, raisedAt: Timestamp(raised),
            deliveredAt: delivered.map(Timestamp.init), acknowledgedAt: acknowledged.map(Timestamp.init), acknowledgedBy: officer,
            attempts: try row[12, as: Int.self])
    }
}

extension PostgresTimestamp {
    fileprivate init(_ time: Timestamp) {
        self.init(microsecondsSince1970: time.microseconds)
    }
}

extension Timestamp {
    fileprivate init(_ time: PostgresTimestamp) {
        self.init(microseconds: time.microsecondsSince1970)
    }
}
