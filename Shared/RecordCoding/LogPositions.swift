public import Contracts
public import EventLog

extension EventLogV1.LogPosition {
    public init(_ position: LogPosition) {
        self.init(transactionID: position.transactionID, sequence: position.sequence)
    }
}

extension LogPosition {
    /// The position after which to read; the log's start where none is given.
    public init(_ message: EventLogV1.LogPosition?) {
        self = message.map { LogPosition(transactionID: $0.transactionID, sequence: $0.sequence) } ?? .start
    }
}
