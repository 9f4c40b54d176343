public import Records

/// How many rows of a file became what. `rows` is the sum of the others.
public struct ReadSummary: Sendable, Hashable {
    public var rows = 0
    public var records = 0
    public var rejected = 0
    /// Rows that are no records: left out by the mapping, or labels that are still open.
    public var empty = 0

    public init() {}
}

/// Whole files as arrays of records, for training and offline use.
///
/// Each function takes a file and a mapping of the matching kind, hands refused rows to `rejected` and goes on, and throws `DatasetError`
/// when the file or the mapping cannot be used.
public enum Dataset {
    /// Transactions in file order, each with its label where the mapping and the row have one.
    ///
    /// - Parameter limit: reads at most so many rows.
    public static func transactions(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [LabelledTransaction] {
        try load(.transactions, file, mapping, limit, options, rejected) { if case .transaction(let row) = $0 { row } else { nil } }
    }

    public static func labels(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [Label] {
        try load(.labels, file, mapping, limit, options, rejected) { if case .label(let label) = $0 { label } else { nil } }
    }

    public static func terminals(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [Terminal] {
        try load(.terminals, file, mapping, limit, options, rejected) { if case .terminal(let terminal) = $0 { terminal } else { nil } }
    }

    public static func customers(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [Customer] {
        try load(.customers, file, mapping, limit, options, rejected) { if case .customer(let customer) = $0 { customer } else { nil } }
    }

    public static func complaints(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [Complaint] {
        try load(.complaints, file, mapping, limit, options, rejected) { if case .complaint(let complaint) = $0 { complaint } else { nil } }
    }

    public static func contextSignals(
        file: String, mapping: Mapping, limit: Int? = nil, options: ReadOptions = ReadOptions(), rejected: (RejectedRow) -> Void = { _ in }
    ) throws(DatasetError) -> [ContextSignal] {
        try load(.context, file, mapping, limit, options, rejected) { if case .contextSignal(let signal) = $0 { signal } else { nil } }
    }

    /// Transactions in batches, for files that memory should not hold whole.
    ///
    /// - Throws: `DatasetError`, or what `body` throws.
    @discardableResult
    public static func forEachBatch(
        ofTransactionsIn file: String, mapping: Mapping, batchRows: Int = 10_000, options: ReadOptions = ReadOptions(),
        rejected: (RejectedRow) -> Void = { _ in }, _ body: ([LabelledTransaction]) throws -> Void
    ) throws -> ReadSummary {
        let reader = try open(.transactions, file, mapping, options)
        var summary = ReadSummary()
        var batch: [LabelledTransaction] = []
        batch.reserveCapacity(batchRows)
        while let item = try reader.next() {
            if let record = summary.count(item, rejected), case .transaction(let row) = record { batch.append(row) }
            if batch.count >= batchRows {
                try body(batch)
                batch.removeAll(keepingCapacity: true)
            }
        }
        if !batch.isEmpty { try body(batch) }
        return summary
    }

    private static func load<T>(
        _ kind: RecordKind, _ file: String, _ mapping: Mapping, _ limit: Int?, _ options: ReadOptions, _ rejected: (RejectedRow) -> Void,
        _ pick: (DatasetRecord) -> T?
    ) throws(DatasetError) -> [T] {
        let reader = try open(kind, file, mapping, options)
        var summary = ReadSummary()
        var records: [T] = []
        while summary.rows < limit ?? .max, let item = try reader.next() {
            if let record = summary.count(item, rejected).flatMap(pick) { records.append(record) }
        }
        return records
    }

    private static func open(
        _ kind: RecordKind, _ file: String, _ mapping: Mapping, _ options: ReadOptions
    ) throws(DatasetError) -> DatasetReader {
        guard mapping.kind == kind else {
            throw DatasetError(.mapping, "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue)")
        }
        return try DatasetReader(file: file, mapping: mapping, options: options)
    }
}

extension ReadSummary {
    fileprivate mutating func count(_ item: DatasetItem, _ rejected: (RejectedRow) -> Void) -> DatasetRecord? {
        rows += 1
        switch item.outcome {
        case .record(let record):
            records += 1
            return record
        case .rejected(let rejections):
            self.rejected += 1
            rejected(RejectedRow(position: item.position, rejections: rejections))
        case .nothing: empty += 1
        }
        return nil
    }
}
