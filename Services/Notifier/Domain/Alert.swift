import Records

/// Something that a person should know about now.
struct Alert: Sendable, Hashable {
    enum State: String, Sendable, CaseIterable {
        case pending
        /// Handed to every recipient.
        case delivered
        /// Shown and not sent.
        case listed
        /// Given up for at least one recipient.
        case failed
        case acknowledged
    }

    /// What is said when the alert is raised.
    struct Content: Sendable, Hashable {
        /// For a decision, the decision's.
        var alertID: String
        var subject: String
        var body: String
        /// 0…1
        var riskScore: Double
        var location: Coordinate?
        /// When that which it is about happened.
        var eventTime: Timestamp?
    }

    var content: Content
    var state: State
    var raisedAt: Timestamp
    var deliveredAt: Timestamp?
    var acknowledgedAt: Timestamp?
    var acknowledgedBy: String?
    /// Of all recipients together.
    var attempts: Int
}

/// What may be said in an alert from outside.
enum AlertLimits {
    static let maxIDBytes = 128
    static let maxSubjectBytes = 512
    static let maxBodyBytes = 65_536
}

extension Alert.Content {
    /// All that is wrong with it; empty when it may be raised.
    func violations() -> [Violation] {
        var found: [Violation] = []
        func check(_ holds: Bool, _ field: String, _ reason: String) {
            if !holds { found.append(Violation(field: field, reason: reason)) }
        }
        check(Self.isAlertID(alertID), "alert_id", "is not 1 to \(AlertLimits.maxIDBytes) letters, digits, hyphens and underscores")
        check(!subject.allSatisfy(\.isWhitespace), "subject", "is missing")
        check(subject.utf8.count <= AlertLimits.maxSubjectBytes, "subject", "is longer than \(AlertLimits.maxSubjectBytes) bytes")
        check(subject.unicodeScalars.allSatisfy { !$0.properties.isControl }, "subject", "holds a line break or another control character")
        check(body.utf8.count <= AlertLimits.maxBodyBytes, "body", "is longer than \(AlertLimits.maxBodyBytes) bytes")
        check((0...1).contains(riskScore), "risk_score", "is not between 0 and 1")
        check(location?.isOnGlobe ?? true, "location", "is not on the globe")
        return found
    }

    /// Alert ids become part of a Message-ID (RFC 5322) and of addresses, so they hold nothing that means something there.
    static func isAlertID(_ text: String) -> Bool {
        (1...AlertLimits.maxIDBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }
}

extension Unicode.Scalar.Properties {
    /// Control characters, and the separators that some programs break lines at.
    var isControl: Bool {
        switch generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
