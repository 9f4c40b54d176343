import Datasets
import DequeModule
import Records

/// How many rows of an import became what. `rows` = `acknowledged` + `rejected` + `empty`.
struct ImportCounts: Codable, Hashable, Sendable {
    var rows = 0
    /// Durable in the gateway's schema: accepted now, or before.
    var acknowledged = 0
    /// Of the acknowledged, those that were durable before this import sent them.
    var duplicates = 0
    var rejected = 0
    /// Rows that are no records: left out by the mapping, or labels that are still open.
    var empty = 0
    /// Of the acknowledged transactions, those whose decision follows later.
    var pending = 0
    /// Of the acknowledged transactions, those that came back with their decision.
    var decided = 0
    /// Of the acknowledged labels, those whose transaction the gateway does not have, or not among the late ones.
    /// Nil where there are none, and in what earlier versions kept.
    var ofUnknownTransactions: Int?
    /// Rows sent more than once because the connection broke before the answer.
    var resent = 0
}

/// What became of a row.
enum RowResult: Hashable, Sendable {
    /// What else the gateway says of a row that it has.
    enum Detail: Hashable, Sendable {
        case none
        case pending
        case decided
        /// It is a label, of a transaction that the gateway does not have.
        case ofUnknownTransaction
    }

    case accepted(Detail)
    case duplicate(Detail)
    /// With what can be shown of the row, where it was refused before it was sent.
    case rejected([Rejection], RowContent? = nil)
    case empty
}

/// Which rows were read, sent and answered. No input or output: the importer asks it what to send next and tells it what came back.
///
/// Rows settle in the file's order, whatever the order of their answers, so that everything before `resumePosition` is done and counted,
/// and an import that goes on from there counts each row once.
struct ImportLedger<Message: Sendable>: Sendable {
    enum Step: Sendable {
        case send(row: Int, Message)
        /// A row must be read from the file.
        case read
        /// Enough is on its way; wait for an answer.
        case wait
    }

    private struct Entry: Sendable {
        let position: RowPosition
        let message: Message?
        var timesSent = 0
        var result: RowResult?
    }

    /// How many rows, done or not, may be held behind one that is not answered, for each that may be on its way.
    private static var rowsHeldPerInFlight: Int { 2 }

    private let maxInFlight: Int
    /// Rows up to this one may have been sent by an earlier run: one that is durable already is no duplicate of the bank's.
    private let sentBefore: Int
    private var entries: Deque<Entry> = []
    /// The row of `entries.first`.
    private var firstRow: Int
    /// Rows to be sent again, in order.
    private var toResend: Deque<Int> = []
    private(set) var inFlight = 0
    private(set) var counts: ImportCounts
    /// The last row that was sent.
    private(set) var lastSentRow: Int
    /// The last row read.
    private var lastPosition: RowPosition?

    init(maxInFlight: Int, counts: ImportCounts = ImportCounts(), sentBefore: Int = 0) {
        self.maxInFlight = maxInFlight
        self.counts = counts
        self.sentBefore = sentBefore
        firstRow = counts.rows + 1
        lastSentRow = sentBefore
    }

    /// The first row that is not settled; nil when all that were read are.
    var resumePosition: RowPosition? { entries.first?.position }
    var lastReadPosition: RowPosition? { lastPosition }
    var isSettled: Bool { entries.isEmpty }

    /// Whether `next` would say so.
    var mustWait: Bool {
        inFlight >= maxInFlight || (toResend.isEmpty && entries.count >= maxInFlight * Self.rowsHeldPerInFlight)
    }

    mutating func next() -> Step {
        if mustWait { return .wait }
        while let row = toResend.popFirst() {
            let index = row - firstRow
            guard entries.indices.contains(index), entries[index].result == nil, let message = entries[index].message else { continue }
            return .send(row: row, send(index, message))
        }
        return mustWait ? .wait : .read
    }

    /// A row that goes to the gateway.
    mutating func add(_ position: RowPosition, _ message: Message) -> Step {
        lastPosition = position
        entries.append(Entry(position: position, message: message))
        return .send(row: position.row, send(entries.count - 1, message))
    }

    /// A row that does not.
    mutating func add(_ position: RowPosition, settled result: RowResult) {
        lastPosition = position
        entries.append(Entry(position: position, message: nil, result: result))
    }

    /// An answer. One for a row that is not waited for is passed over.
    mutating func answer(row: Int, _ result: RowResult) {
        let index = row - firstRow
        guard entries.indices.contains(index), entries[index].result == nil, entries[index].message != nil else { return }
        entries[index].result = result
        inFlight -= 1
    }

    /// The connection is gone: what has not been answered is sent again on the next.
    mutating func connectionLost() {
        toResend.removeAll()
        for index in entries.indices where entries[index].result == nil { toResend.append(firstRow + index) }
        inFlight = 0
    }

    /// Takes the rows off that are done, in the file's order.
    mutating func settle(_ body: (RowPosition, RowResult, Message?) -> Void) {
        while let entry = entries.first, let result = entry.result {
            entries.removeFirst()
            firstRow += 1
            count(entry, result)
            body(entry.position, result, entry.message)
        }
    }

    private mutating func send(_ index: Int, _ message: Message) -> Message {
        entries[index].timesSent += 1
        inFlight += 1
        lastSentRow = max(lastSentRow, entries[index].position.row)
        return message
    }

    private mutating func count(_ entry: Entry, _ result: RowResult) {
        counts.rows += 1
        if entry.timesSent > 1 { counts.resent += 1 }
        switch result {
        case .empty: counts.empty += 1
        case .rejected: counts.rejected += 1
        case .accepted(let detail), .duplicate(let detail):
            counts.acknowledged += 1
            if case .duplicate = result, entry.timesSent == 1, entry.position.row > sentBefore { counts.duplicates += 1 }
            if detail == .pending { counts.pending += 1 }
            if detail == .decided { counts.decided += 1 }
            if detail == .ofUnknownTransaction { counts.ofUnknownTransactions = (counts.ofUnknownTransactions ?? 0) + 1 }
        }
    }
}
