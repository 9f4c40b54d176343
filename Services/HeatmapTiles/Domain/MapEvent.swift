import Geo

/// What the map hears from the logs.
enum MapEvent: Sendable, Hashable {
    case decision(ScoredTransaction)
    case complaint(ComplaintNote)
    case site(Site)
    case area(Area)
}

/// A transaction and the decision on it.
struct ScoredTransaction: Sendable, Hashable {
    /// Microseconds since 1970.
    var eventMicroseconds: Int64
    /// Nil when only the terminal is known.
    var position: Position?
    /// Empty when there is none.
    var terminalID: String
    var channel: String
    /// 0…1
    var risk: Double
    var isFraud: Bool
    /// Given when the decision is above the alert threshold.
    var alert: AlertNote?
    /// When the service that tells it knew it, in microseconds since 1970; nil for when it happened.
    var knownMicroseconds: Int64?
}

/// A complaint, without anything that a person said in it and without the accounts it names.
struct ComplaintNote: Sendable, Hashable {
    /// Names a complaint, however often it is told.
    struct Key: Sendable, Hashable {
        var reporterID: String
        var complaintID: String
    }

    /// Where in the log it was told; a later version replaces an earlier.
    struct Version: Sendable, Hashable {
        var transactionID: UInt64 = 0
        var sequence: Int64 = 0
    }

    /// Microseconds since 1970.
    var eventMicroseconds: Int64
    /// Nil when it is not known.
    var position: Position?
    var crimeType: String
    /// When it came in, in microseconds since 1970; nil for when it happened.
    var knownMicroseconds: Int64?
    /// Who took it down, and by which number; empty when unknown.
    var reporterID = ""
    var complaintID = ""
    /// When it was reported.
    var reportedMicroseconds: Int64 = 0
    var amountMinorUnits: Int64?
    var currency = ""
    var district = ""
    var version = Version()

    /// Nil when it cannot be told from others.
    var key: Key? { complaintID.isEmpty ? nil : Key(reporterID: reporterID, complaintID: complaintID) }
}
