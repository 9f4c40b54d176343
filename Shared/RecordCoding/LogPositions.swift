public import Contracts
public import EventLog
public import RPC
import Records
public import StandardContracts

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

extension EventLog {
    /// The position after which a caller reads on.
    /// - Throws: OUT_OF_RANGE where it is none of this log.
    public func checked(_ message: EventLogV1.LogPosition?) async throws -> LogPosition {
        let position = LogPosition(message)
        do {
            try await check(position)
        } catch let error as UnknownPosition {
            throw RPCError(.outOfRange, error.description)
        }
        return position
    }
}

extension RPCError {
    /// Whether it is what ``EventLog/checked(_:)`` throws.
    public static func isUnknownPosition(_ error: any Error) -> Bool { (error as? RPCError)?.code == .outOfRange }
}

extension EventLogV1.LogRun {
    public init(_ run: LogRun) {
        self.init(
            transactionID: run.transactionID, firstSequence: run.sequences.lowerBound, lastSequence: run.sequences.upperBound,
            count: UInt32(run.count))
    }
}

extension LogRun {
    /// - Throws: for a message that ends before it begins, or that no count fits.
    public init(_ message: EventLogV1.LogRun) throws(InvalidRecord) {
        let (distance, isTooFar) = message.lastSequence.subtractingReportingOverflow(message.firstSequence)
        guard !isTooFar, (0..<Int64(UInt32.max)).contains(distance), message.lastSequence < .max else {
            throw InvalidRecord([Violation(field: "last_sequence", reason: "is before the first, or too far from it")])
        }
        self.init(
            transactionID: message.transactionID, sequences: message.firstSequence...message.lastSequence, count: Int(message.count))
    }
}

extension [LogRun] {
    /// - Parameter entries: that come along. More are not named: what is named and does not come would be passed over for ever.
    /// - Throws: INVALID_ARGUMENT.
    public init(_ messages: [EventLogV1.LogRun], field: String, of entries: Int) throws(RPCError) {
        self = []
        guard messages.reduce(0, { $0 + Int($1.count) }) <= entries else {
            throw RPCError.invalidArgument([.init(field: field, description: "names more entries than the \(entries) that come along")])
        }
        for message in messages {
            do throws(InvalidRecord) {
                append(try LogRun(message))
            } catch {
                throw error.rpcError(within: field)
            }
        }
    }
}

extension RunFollower.Entry {
    /// - Parameter recordedAt: by the database's clock; the age is what it is by ours.
    public init(
        position: EventLogV1.LogPosition?, recordedAt: GoogleProtobuf.Timestamp?, event: Event?, run: EventLogV1.LogRun?
    ) throws(InvalidRecord) {
        self.init(
            position: LogPosition(position), age: Duration(sinceWritten: recordedAt), event: event,
            run: try run.map(LogRun.init))
    }
}

extension Duration {
    /// How long ago something was written, by two clocks; since 1970 where that is not said.
    fileprivate init(sinceWritten time: GoogleProtobuf.Timestamp?) {
        self = .microseconds((Timestamp.now() - (time.flatMap { Timestamp($0) } ?? .epoch)).microseconds)
    }
}

extension ContinuousClock.Instant {
    /// When something was written, by our clock.
    public init(written time: GoogleProtobuf.Timestamp?) { self = .now - max(Duration(sinceWritten: time), .zero) }
}
