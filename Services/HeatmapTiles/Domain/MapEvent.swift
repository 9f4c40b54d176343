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
}

/// A complaint, without anything that a person said in it.
struct ComplaintNote: Sendable, Hashable {
    /// Microseconds since 1970.
    var eventMicroseconds: Int64
    var position: Position
    var crimeType: String
}
