import Datasets
import Foundation
import Geo
import Records
import Simulation

/// A simulated world as files. What a bank and the police would know goes into the folder itself, what only the simulator knows into
/// `truth/`.
struct WorldFiles {
    struct File {
        let name: String
        let rows: Int
    }

    let world: World
    let directory: String

    /// Writes all files, those that were there before are replaced.
    ///
    /// - Parameter progress: is told how much is done, 0…1.
    func write(progress: (Double) -> Void) throws -> [File] {
        try FileManager.default.createDirectory(atPath: "\(directory)/truth", withIntermediateDirectories: true)
        let atms = world.terminals.filter { $0.kind == .atm }, tills = world.terminals.filter { $0.kind == .pos }
        return [
            try transactions(progress),
            try file("customers.csv", ["CUSTOMER_ID", "latitude", "longitude"], world.customers) { [$0.customerID] + Self.cells($0.home) },
            try file("terminals.csv", Self.terminalHeader, tills, Self.cells),
            try file("atms.csv", Self.terminalHeader, atms, Self.cells),
            try file("complaints.csv", Self.complaintHeader, world.complaints, Self.cells),
            try jurisdictions(),
            try file("truth/fraud.csv", ["TRANSACTION_ID", "pattern"], world.transactions.filter { world.truth[$0.key] != nil }) {
                [$0.key.transactionID, world.truth[$0.key]?.rawValue ?? ""]
            },
            try file("truth/cash-outs.csv", ["complaint_id", "TRANSACTION_ID", "event_time", "atm_id"], world.cashOuts) {
                [$0.complaintID, $0.transaction.transactionID, $0.time.iso8601, $0.atmID]
            },
        ]
    }

    // MARK: Transactions

    /// The handbook's columns and then our own.
    private static let transactionHeader = [
        "TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_TIME_SECONDS", "TX_TIME_DAYS", "TX_FRAUD",
        "CHANNEL", "ACCOUNT_ID", "CARD_ID", "DEVICE_ID", "COUNTERPARTY_ACCOUNT_ID", "MCC", "LATITUDE", "LONGITUDE", "LABEL_KNOWN_AT",
        "LABEL_SOURCE",
    ]

    private func transactions(_ progress: (Double) -> Void) throws -> File {
        let labels = Dictionary(uniqueKeysWithValues: world.labels.map { ($0.key, $0) })
        var done = 0
        return try file("transactions.csv", Self.transactionHeader, world.transactions) { transaction in
            done += 1
            if done % 8_192 == 0 { progress(Double(done) / Double(world.transactions.count)) }
            let seconds = Int((transaction.eventTime - world.configuration.start).seconds)
            let label = labels[transaction.key]
            return [
                transaction.key.transactionID, Self.dateTime(transaction.eventTime), transaction.customerID, transaction.terminalID ?? "",
                Self.decimal(transaction.amount), "\(seconds)", "\(seconds / 86_400)", label.map { $0.isFraud ? "1" : "0" } ?? "",
                transaction.channel.rawValue, transaction.accountID ?? "", transaction.cardID ?? "", transaction.deviceID ?? "",
                transaction.counterpartyAccountID ?? "", transaction.merchantCategoryCode?.description ?? "",
            ] + Self.cells(transaction.location) + [label.map { Self.dateTime($0.knownAt) } ?? "", label?.source ?? ""]
        }
    }

    // MARK: The rest

    private static let terminalHeader = ["TERMINAL_ID", "latitude", "longitude", "INSTITUTION", "CITY"]
    private static let complaintHeader = [
        "complaint_id", "crime_type", "occurred_at", "reported_at", "latitude", "longitude", "amount", "suspect_account_ids", "channel",
    ]

    private static func cells(_ terminal: Terminal) -> [String] {
        [terminal.terminalID] + cells(terminal.location) + [terminal.institution ?? "", terminal.city ?? ""]
    }

    private static func cells(_ complaint: Complaint) -> [String] {
        [complaint.complaintID, complaint.crimeType, complaint.occurredAt.iso8601, complaint.reportedAt.iso8601] + cells(complaint.location)
            + [complaint.amount.map(decimal) ?? "", complaint.suspectAccountIDs.joined(separator: "|"), complaint.channel?.rawValue ?? ""]
    }

    private static func cells(_ place: Coordinate?) -> [String] {
        place.map { ["\($0.latitude)", "\($0.longitude)"] } ?? ["", ""]
    }

    private func jurisdictions() throws -> File {
        let features = try world.jurisdictions.map { district in
            let rings = district.rings.map { ring in ring.map { Position(latitude: $0.latitude, longitude: $0.longitude) } }
            return GeoJSON.Feature(
                id: district.id, geometry: .polygon(try Polygon(rings: rings)), properties: ["name": .string(district.name)])
        }
        let bytes = try GeoJSON.write(GeoJSON.FeatureCollection(features: features))
        try Data(bytes + [0x0A]).write(to: URL(fileURLWithPath: "\(directory)/jurisdictions.geojson"), options: .atomic)
        return File(name: "jurisdictions.geojson", rows: features.count)
    }

    private func file<Row>(_ name: String, _ header: [String], _ rows: [Row], _ cells: (Row) -> [String]) throws -> File {
        var csv = CSVWriter(header: header)
        for row in rows { csv.row(cells(row)) }
        try Data(csv.bytes).write(to: URL(fileURLWithPath: "\(directory)/\(name)"), options: .atomic)
        return File(name: name, rows: rows.count)
    }

    /// `2026-01-01 05:30:00`, UTC, as the handbook writes times.
    private static func dateTime(_ time: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).iso8601
        return String(text.prefix(10)) + " " + String(text.dropFirst(11).prefix(8))
    }

    /// In rupees, with two decimals.
    private static func decimal(_ money: Money) -> String {
        let paise = money.minorUnits % 100
        return "\(money.minorUnits / 100).\(paise < 10 ? "0" : "")\(paise)"
    }
}
