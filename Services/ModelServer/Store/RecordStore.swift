import Models
import Postgres
import Records

/// What an entry of the ingestion gateway's log adds to the records here.
enum StoredRecord: Sendable {
    /// With its encoding, which is opaque here.
    case complaint(Complaint, encoded: [UInt8])
    case atm(CashMachine)
    case movement(TransactionKey, CashMovement)
    case jurisdiction(id: String, encoded: [UInt8])
    case label(TransactionKey, isFraud: Bool, knownAt: Timestamp)
}

/// Complaints, cash machines, movements of money and areas, as far as ingestion's log has been followed.
struct RecordStore: Sendable {
    let pool: PostgresPool

    /// Movements so much older than the newest are not kept.
    static let keptDays = 120

    // MARK: Writing

    /// In the transaction that moves the consumer's position. A complaint or movement that is there stays, a machine or area is replaced.
    func save(_ records: [StoredRecord], in transaction: PostgresTransaction) async throws {
        var complaints: [(Complaint, [UInt8])] = []
        var atms: [String: CashMachine] = [:]
        var movements: [(TransactionKey, CashMovement)] = []
        var jurisdictions: [String: [UInt8]] = [:]
        var labels: [TransactionKey: (isFraud: Bool, knownAt: Timestamp)] = [:]
        for record in records {
            switch record {
            case .complaint(let complaint, let encoded): complaints.append((complaint, encoded))
            case .atm(let machine): atms[machine.id] = machine
            case .movement(let key, let movement): movements.append((key, movement))
            case .jurisdiction(let id, let encoded): jurisdictions[id] = encoded
            case .label(let key, let isFraud, let knownAt):
                if knownAt >= labels[key]?.knownAt ?? knownAt { labels[key] = (isFraud, knownAt) }
            }
        }
        var statements: [SQL] = []
        if !complaints.isEmpty { statements.append(Self.insert(complaints)) }
        if !atms.isEmpty { statements.append(Self.insert(Array(atms.values))) }
        if !movements.isEmpty { statements.append(Self.insert(movements)) }
        if !labels.isEmpty { statements.append(Self.insert(labels)) }
        if !jurisdictions.isEmpty {
            statements.append(
                """
                INSERT INTO jurisdictions (jurisdiction_id, jurisdiction)
                SELECT * FROM unnest(\(Array(jurisdictions.keys)), \(Array(jurisdictions.values)))
                ON CONFLICT (jurisdiction_id) DO UPDATE SET jurisdiction = excluded.jurisdiction
                """)
        }
        try await transaction.pipeline(statements)
    }

    private static func insert(_ complaints: [(Complaint, [UInt8])]) -> SQL {
        let records = complaints.map(\.0)
        return """
            INSERT INTO complaints
                (reporter_id, complaint_id, crime_type, occurred_at, reported_at, latitude, longitude, complaint)
            SELECT * FROM unnest(
                \(records.map(\.reporter.id)), \(records.map(\.complaintID)), \(records.map(\.crimeType)),
                \(records.map { PostgresTimestamp($0.occurredAt) }), \(records.map { PostgresTimestamp($0.reportedAt) }),
                \(records.map(\.location?.latitude)), \(records.map(\.location?.longitude)), \(complaints.map(\.1)))
            ON CONFLICT DO NOTHING
            """
    }

    /// A machine that has moved gets a new number, so that its readers see it.
    private static func insert(_ machines: [CashMachine]) -> SQL {
        """
        INSERT INTO atms (terminal_id, latitude, longitude)
        SELECT * FROM unnest(\(machines.map(\.id)), \(machines.map(\.place.latitude)), \(machines.map(\.place.longitude)))
        ON CONFLICT (terminal_id) DO UPDATE SET number = DEFAULT, latitude = excluded.latitude, longitude = excluded.longitude
        """
    }

    private static func insert(_ movements: [(TransactionKey, CashMovement)]) -> SQL {
        func atm(_ movement: CashMovement) -> String? { if case .atm(let id) = movement.target { id } else { nil } }
        func account(_ movement: CashMovement) -> String? { if case .account(let id) = movement.target { id } else { nil } }
        return """
            INSERT INTO movements (bank_id, transaction_id, event_time, account_id, atm_id, counterparty_account_id, amount)
            SELECT * FROM unnest(
                \(movements.map(\.0.bankID)), \(movements.map(\.0.transactionID)), \(movements.map { PostgresTimestamp($0.1.time) }),
                \(movements.map(\.1.accountID)), \(movements.map { atm($0.1) }), \(movements.map { account($0.1) }),
                \(movements.map(\.1.amount)))
            ON CONFLICT DO NOTHING
            """
    }

    private static func insert(_ labels: [TransactionKey: (isFraud: Bool, knownAt: Timestamp)]) -> SQL {
        let (keys, words) = (Array(labels.keys), Array(labels.values))
        return """
            INSERT INTO labels (bank_id, transaction_id, is_fraud, known_at)
            SELECT * FROM unnest(
                \(keys.map(\.bankID)), \(keys.map(\.transactionID)), \(words.map(\.isFraud)), \(words.map { PostgresTimestamp($0.knownAt) }))
            ON CONFLICT (bank_id, transaction_id) DO UPDATE SET is_fraud = excluded.is_fraud, known_at = excluded.known_at
            WHERE excluded.known_at >= labels.known_at
            """
    }

    /// Removes movements that no forecast looks at any more.
    func removeOldMovements() async throws {
        try await pool.execute(
            """
            DELETE FROM movements
            WHERE event_time < (SELECT max(event_time) FROM movements) - make_interval(days => \(Int32(Self.keptDays)))
            """)
    }

    // MARK: Reading

    /// All machines, by name, and the highest of their numbers; a higher one than before says that there is something new.
    func machines() async throws -> [CashMachine] {
        let rows = try await pool.query("SELECT terminal_id, latitude, longitude FROM atms ORDER BY terminal_id")
        return try rows.decode(String.self, Double.self, Double.self).map { id, latitude, longitude in
            CashMachine(id: id, place: Coordinate(latitude: latitude, longitude: longitude))
        }
    }

    func lastMachineNumber() async throws -> Int64 {
        try await pool.query("SELECT coalesce(max(number), 0) FROM atms").first?.decode(Int64.self) ?? 0
    }

    /// Movements after a number, by number.
    func movements(after number: Int64, limit: Int) async throws -> (movements: [CashMovement], last: Int64) {
        let rows = try await pool.query(
            """
            SELECT number, event_time, account_id, atm_id, counterparty_account_id, amount FROM movements
            WHERE number > \(number) ORDER BY number LIMIT \(limit)
            """)
        var last = number
        let movements = try rows.map { row in
            let (number, time, account, atm, counterparty, amount) = try row.decode(
                Int64.self, PostgresTimestamp.self, String.self, String?.self, String?.self, Double.self)
            last = number
            return CashMovement(
                time: Timestamp(microseconds: time.microsecondsSince1970), accountID: account,
                target: atm.map { .atm($0) } ?? .account(counterparty ?? ""), amount: amount)
        }
        return (movements, last)
    }

    /// Encoded complaints with their reporters after a number, by number.
    func complaints(after number: Int64, limit: Int) async throws -> (complaints: [(reporter: String, encoded: [UInt8])], last: Int64) {
        let rows = try await pool.query(
            "SELECT number, reporter_id, complaint FROM complaints WHERE number > \(number) ORDER BY number LIMIT \(limit)")
        let found = try rows.decode(Int64.self, String.self, [UInt8].self)
        return (found.map { (reporter: $0.1, encoded: $0.2) }, found.last?.0 ?? number)
    }

    func lastComplaintNumber() async throws -> Int64 {
        try await pool.query("SELECT coalesce(max(number), 0) FROM complaints").first?.decode(Int64.self) ?? 0
    }

    /// The newest incidents with a place that had happened and been reported before a moment.
    func incidents(before time: Timestamp, days: Int, limit: Int) async throws -> [Incident] {
        let rows = try await pool.query(
            """
            SELECT crime_type, occurred_at, latitude, longitude FROM complaints
            WHERE occurred_at < \(PostgresTimestamp(time)) AND reported_at < \(PostgresTimestamp(time))
                AND occurred_at >= \(PostgresTimestamp(time - .days(days))) AND latitude IS NOT NULL AND longitude IS NOT NULL
            ORDER BY occurred_at DESC LIMIT \(limit)
            """)
        return try rows.decode(String.self, PostgresTimestamp.self, Double.self, Double.self).map { type, time, latitude, longitude in
            Incident(
                time: Timestamp(microseconds: time.microsecondsSince1970), place: Coordinate(latitude: latitude, longitude: longitude),
                type: type)
        }
    }

    /// The encoding of a submitted complaint.
    func complaint(reporter: String, id: String) async throws -> [UInt8]? {
        let rows = try await pool.query("SELECT complaint FROM complaints WHERE reporter_id = \(reporter) AND complaint_id = \(id)")
        return try rows.first?.decode([UInt8].self)
    }

    /// The encodings of these areas, those that are unknown left out.
    func jurisdictions(_ ids: Set<String>) async throws -> [[UInt8]] {
        try await pool.query("SELECT jurisdiction FROM jurisdictions WHERE jurisdiction_id = ANY(\(Array(ids)))").decode([UInt8].self)
    }
}

extension PostgresTimestamp {
    init(_ time: Timestamp) { self.init(microsecondsSince1970: time.microseconds) }
}
