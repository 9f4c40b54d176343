/// Events of one transaction, from a sequence to another.
public struct LogRun: Sendable, Hashable {
    public let transactionID: UInt64
    public let sequences: ClosedRange<Int64>
    /// Less than there are sequences where some between them are not this transaction's.
    public let count: Int

    public init(transactionID: UInt64, sequences: ClosedRange<Int64>, count: Int) {
        self.transactionID = transactionID
        self.sequences = sequences
        self.count = count
    }

    /// Of the last event.
    public var end: LogPosition { LogPosition(transactionID: transactionID, sequence: sequences.upperBound) }
}

extension [LogRun] {
    /// Runs of events at these positions. Those that follow one another become one run.
    public init(_ positions: [LogPosition]) {
        self = []
        for position in positions {
            if let last, last.transactionID == position.transactionID, last.sequences.upperBound + 1 == position.sequence {
                self[count - 1] = LogRun(
                    transactionID: last.transactionID, sequences: last.sequences.lowerBound...position.sequence, count: last.count + 1)
            } else {
                append(LogRun(transactionID: position.transactionID, sequences: position.sequence...position.sequence, count: 1))
            }
        }
    }
}

/// A run as the log tells of it, without what it says.
public struct LoggedRun: Sendable, Hashable {
    /// Whether its events have names.
    public enum Naming: Sendable, Hashable {
        case all, none, some
    }

    public let run: LogRun
    public let naming: Naming
    /// When its last event was written, by the database's clock, in microseconds since 1970.
    public let recordedAtMicroseconds: Int64
}
