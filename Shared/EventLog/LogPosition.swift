/// A place in an event log: everything up to and including the event there has been read.
///
/// Positions are ordered by the writing transaction first and the sequence number second; ``EventLog`` says why.
public struct LogPosition: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The number of the transaction that wrote the event: PostgreSQL's `xid8`.
    public var transactionID: UInt64
    public var sequence: Int64

    public init(transactionID: UInt64, sequence: Int64) {
        self.transactionID = transactionID
        self.sequence = sequence
    }

    /// Before the first event of any log.
    public static let start = LogPosition(transactionID: 0, sequence: 0)

    /// So many sequences on, in the same transaction.
    public func advanced(by count: Int) -> LogPosition { LogPosition(transactionID: transactionID, sequence: sequence + Int64(count)) }

    public static func < (left: Self, right: Self) -> Bool {
        (left.transactionID, left.sequence) < (right.transactionID, right.sequence)
    }

    public var description: String { "\(transactionID)/\(sequence)" }
}

/// An event as it stands in the log.
public struct LoggedEvent: Sendable, Hashable {
    public let position: LogPosition
    /// When it was written, by the database's clock, in microseconds since 1970.
    public let recordedAtMicroseconds: Int64
    public let payload: [UInt8]
}
