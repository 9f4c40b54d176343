import Geo
import Postgres

// Complaints, each with all its versions: what a version takes away when it replaces another depends on which came before it, also for a
// replica that reads it later.
extension MapStore {
    func saveComplaints(_ complaints: [ComplaintNote], in transaction: PostgresTransaction) async throws {
        guard !complaints.isEmpty else { return }
        func time(_ microseconds: Int64) -> PostgresTimestamp { PostgresTimestamp(microsecondsSince1970: microseconds) }
        try await transaction.execute(
            """
            UPDATE complaints c SET is_newest = false
            FROM (SELECT DISTINCT * FROM unnest(\(complaints.map(\.reporterID)), \(complaints.map(\.complaintID)))) AS k (reporter_id, complaint_id)
            WHERE c.reporter_id = k.reporter_id AND c.complaint_id = k.complaint_id AND c.is_newest
            """)
        let newest = Dictionary(complaints.map { ($0.key, $0.version) }) { $1 }
        try await transaction.execute(
            """
            INSERT INTO complaints (
                reporter_id, complaint_id, transaction_id, sequence, is_newest, crime_type, occurred_at, reported_at, latitude, longitude,
                amount_minor_units, currency, district)
            SELECT * FROM unnest(
                \(complaints.map(\.reporterID)), \(complaints.map(\.complaintID)),
                \(complaints.map { PostgresTransactionID($0.version.transactionID) }), \(complaints.map(\.version.sequence)),
                \(complaints.map { newest[$0.key] == $0.version }), \(complaints.map(\.crimeType)),
                \(complaints.map { time($0.eventMicroseconds) }), \(complaints.map { time($0.reportedMicroseconds) }),
                \(complaints.map(\.position?.latitude)), \(complaints.map(\.position?.longitude)),
                \(complaints.map(\.amountMinorUnits)), \(complaints.map(\.currency)), \(complaints.map(\.district)))
            """)
    }

    /// The newest complaints, in the order of the list.
    func loadComplaints(_ transaction: PostgresTransaction) async throws -> [ComplaintNote] {
        try Self.complaints(in: try await transaction.query(
            """
            \(Self.selectComplaints) WHERE c.is_newest \(Self.inOrder)
            """))
    }

    /// The newest versions behind a place in the list, in its order.
    func complaints(_ search: ComplaintNote.Search) async throws -> [ComplaintNote] {
        func start(_ hour: Int?) -> PostgresTimestamp? {
            hour.map { PostgresTimestamp(microsecondsSince1970: Int64($0) * CubeHour.microsecondsPerHour) }
        }
        let (from, to, box) = (start(search.hours?.lowerBound), start(search.hours?.upperBound), search.box)
        let reported = PostgresTimestamp(microsecondsSince1970: search.after.reportedMicroseconds)
        let version = search.after.version
        return try Self.complaints(in: try await pool.query(
            """
            \(Self.selectComplaints) WHERE c.is_newest
                AND (c.reported_at, c.transaction_id, c.sequence) < (\(reported), \(PostgresTransactionID(version.transactionID)), \(version.sequence))
                AND (\(from)::timestamptz IS NULL OR c.occurred_at >= \(from)) AND (\(to)::timestamptz IS NULL OR c.occurred_at < \(to))
                AND (\(box?.west)::float8 IS NULL
                    OR c.longitude BETWEEN \(box?.west) AND \(box?.east) AND c.latitude BETWEEN \(box?.south) AND \(box?.north))
            \(Self.inOrder)
            """))
    }

    private static let inOrder: SQL = "ORDER BY c.reported_at DESC, c.transaction_id DESC, c.sequence DESC LIMIT \(MapState.maxComplaints)"

    /// The last versions of complaints before a version of any: none of those that are new then.
    func complaints(
        _ keys: Set<ComplaintNote.Key>, before version: ComplaintNote.Version, in transaction: PostgresTransaction
    ) async throws -> [ComplaintNote.Key: ComplaintNote] {
        guard !keys.isEmpty else { return [:] }
        let ordered = Array(keys)
        let found = try Self.complaints(in: try await transaction.query(
            """
            \(Self.selectComplaints)
            JOIN unnest(\(ordered.map(\.reporterID)), \(ordered.map(\.complaintID))) AS k (reporter_id, complaint_id) USING (reporter_id, complaint_id)
            WHERE (c.transaction_id, c.sequence) < (\(PostgresTransactionID(version.transactionID)), \(version.sequence))
            ORDER BY c.transaction_id, c.sequence
            """))
        return Dictionary(found.compactMap { note in note.key.map { ($0, note) } }) { $1 }
    }

    private static let selectComplaints: SQL = """
        SELECT c.reporter_id, c.complaint_id, c.transaction_id, c.sequence, c.crime_type, c.occurred_at, c.reported_at, c.latitude, c.longitude,
            c.amount_minor_units, c.currency, c.district
        FROM complaints c
        """

    private static func complaints(in rows: PostgresRows) throws -> [ComplaintNote] {
        try rows.decode(
            String.self, String.self, PostgresTransactionID.self, Int64.self, String.self, PostgresTimestamp.self, PostgresTimestamp.self,
            Double?.self, Double?.self, Int64?.self, String.self, String.self
        ).map { reporter, id, transaction, sequence, type, occurredAt, reportedAt, latitude, longitude, amount, currency, district in
            var position: Position?
            if let latitude, let longitude { position = Position(latitude: latitude, longitude: longitude) }
            return ComplaintNote(
                eventMicroseconds: occurredAt.microsecondsSince1970, position: position, crimeType: type, reporterID: reporter,
                complaintID: id, reportedMicroseconds: reportedAt.microsecondsSince1970, amountMinorUnits: amount, currency: currency,
                district: district, version: .init(transactionID: transaction.value, sequence: sequence))
        }
    }
}
