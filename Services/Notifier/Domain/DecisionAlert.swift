import Records

/// A decision that passed the alert threshold, as an officer needs to know it. No customer, account, card or device is in it.
struct DecisionAlert: Sendable, Hashable {
    var decisionID: String
    var key: TransactionKey
    var label: Decision.Label?
    var riskScore: Double
    var reasons: [String] = []
    var modelVersion = ""
    var decidedAt: Timestamp
    var eventTime: Timestamp?
    var amount: Money?
    var location: Coordinate?
    var terminalID = ""
    var channel: Channel?

    private static let maxReasons = 10
    private static let maxFieldCharacters = 200

    /// The alert in plain words. What the bank wrote stands in it without line breaks and within bounds.
    ///
    /// - Parameter dashboard: the dashboard's address, without a slash at its end.
    func content(dashboard: String) -> Alert.Content {
        Alert.Content(
            alertID: decisionID, subject: subject, body: body(dashboard: dashboard), riskScore: riskScore, location: location,
            eventTime: eventTime)
    }

    private var subject: String {
        var text = "Fraud alert: risk \(percent)"
        if let amount { text += ", \(amount)" }
        if !terminalID.isEmpty { text += ", terminal \(Self.line(terminalID, maxCharacters: 40))" }
        return text
    }

    private func body(dashboard: String) -> String {
        var rows: [(String, String)] = [("Risk score", "\(percent)\(label.map { " (\($0.rawValue))" } ?? "")")]
        if let amount { rows.append(("Amount", amount.description)) }
        if let eventTime { rows.append(("Time", Self.time(eventTime))) }
        if let location { rows.append(("Place", Self.place(location))) }
        if !terminalID.isEmpty { rows.append(("Terminal", Self.line(terminalID))) }
        if let channel { rows.append(("Channel", Self.words(channel))) }
        rows.append(("Bank", Self.line(key.bankID)))
        rows.append(("Transaction", Self.line(key.transactionID)))
        var text = "A payment is likely to be fraud.\n\n" + Self.table(rows)
        if !reasons.isEmpty {
            text += "\nWhy:\n" + reasons.prefix(Self.maxReasons).map { "- \(Self.line($0))\n" }.joined()
        }
        text += "\n"
        text += Self.table([
            ("Decision", decisionID), ("Decided", Self.time(decidedAt)), ("Model", Self.line(modelVersion)),
            ("Dashboard", "\(dashboard)/#alert=\(decisionID)"),
        ])
        return text
    }

    /// 97.3 %; never rounded up to a certainty that the model did not state.
    private var percent: String {
        let permille = Int((min(max(riskScore, 0), 1) * 1_000).rounded(.down))
        return "\(permille / 10).\(permille % 10) %"
    }

    private static func table(_ rows: [(String, String)]) -> String {
        rows.map { name, value in name + String(repeating: " ", count: max(1, 14 - name.count)) + value + "\n" }.joined()
    }

    /// `2026-11-22 10:43:21 UTC`
    static func time(_ time: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).iso8601
        return text.dropLast().replacing("T", with: " ") + " UTC"
    }

    private static func place(_ place: Coordinate) -> String {
        guard place.isOnGlobe else { return "unknown" }
        func degrees(_ value: Double, _ positive: String, _ negative: String) -> String {
            let parts = Int((abs(value) * 100_000).rounded())
            let fraction = String(parts % 100_000)
            return "\(parts / 100_000).\(String(repeating: "0", count: 5 - fraction.count))\(fraction)° \(value < 0 ? negative : positive)"
        }
        return degrees(place.latitude, "N", "S") + ", " + degrees(place.longitude, "E", "W")
    }

    private static func words(_ channel: Channel) -> String {
        switch channel {
        case .pos: "point of sale"
        case .atm: "cash machine"
        case .ecommerce: "card on line"
        case .mobile: "mobile payment"
        case .transfer: "transfer"
        case .branch: "branch"
        case .other: "other"
        }
    }

    private static func line(_ text: String, maxCharacters: Int = maxFieldCharacters) -> String {
        let cleaned = String(String.UnicodeScalarView(text.unicodeScalars.prefix(4 * maxCharacters).map { $0.properties.isControl ? " " : $0 }))
        return cleaned.count <= maxCharacters ? cleaned : cleaned.prefix(maxCharacters) + "…"
    }
}
