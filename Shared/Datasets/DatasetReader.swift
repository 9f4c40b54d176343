public import Records

/// A transaction, and its label where the file has one.
public struct LabelledTransaction: Sendable, Hashable {
    public var transaction: Transaction
    /// Nil: not known yet.
    public var label: Label?

    public init(transaction: Transaction, label: Label? = nil) {
        self.transaction = transaction
        self.label = label
    }
}

/// A row made into the record that its mapping says it is.
public enum DatasetRecord: Sendable, Hashable {
    case transaction(LabelledTransaction)
    case label(Label)
    case terminal(Terminal)
    case customer(Customer)
    case merchant(Merchant)
    case complaint(Complaint)
    case contextSignal(ContextSignal)
    case jurisdiction(Jurisdiction)
}

/// Why one field of a row was refused.
public struct Rejection: Sendable, Hashable {
    /// The field as the contract and the gateway's answers name it, `transaction.amount.minor_units`; empty when the row itself is broken.
    public var field: String
    /// The column or path in the file; empty when none is to blame.
    public var column: String
    /// Masked where it names a person, cut where it is long, empty where it is missing or no text.
    public var value: String
    /// In words that go on from the field's name.
    public var reason: String

    public init(field: String, column: String, value: String, reason: String) {
        self.field = field
        self.column = column
        self.value = value
        self.reason = reason
    }
}

/// A row that was refused, with all that is wrong with it.
public struct RejectedRow: Sendable, Hashable {
    public var position: RowPosition
    public var rejections: [Rejection]

    public init(position: RowPosition, rejections: [Rejection]) {
        self.position = position
        self.rejections = rejections
    }
}

/// One row of a file.
public struct DatasetItem: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable {
        case record(DatasetRecord)
        case rejected([Rejection])
        /// The row is no record: a label that is still open, or one that the mapping leaves out.
        case nothing
    }

    public var position: RowPosition
    public var outcome: Outcome
    /// Of a refused row, what could be read of it.
    public var content: RowContent?
}

/// What a reader needs to know beside the file and the mapping.
public struct ReadOptions: Sendable, Hashable {
    /// The bank, for mappings that do not map `bank_id`.
    public var bankID: String
    /// Who reports complaints, for mappings that do not say.
    public var reporter: Complaint.Reporter
    /// The time that "in the future" is judged by.
    public var now: Timestamp
    /// Whether records are checked by their own rules, beside being readable.
    public var validates: Bool
    /// Whether a CSV file of transactions may lack columns that only its labels need; it then has no labels.
    public var mayLackLabels: Bool

    public init(
        bankID: String = "local", reporter: Complaint.Reporter = .init(kind: .agency, id: "local"), now: Timestamp = .now(),
        validates: Bool = true, mayLackLabels: Bool = false
    ) {
        self.bankID = bankID
        self.reporter = reporter
        self.now = now
        self.validates = validates
        self.mayLackLabels = mayLackLabels
    }
}

/// Reads a file row by row into records: CSV, NDJSON or a JSON list, gzip or not. Memory stays bounded whatever the file holds.
///
/// ```swift
/// let reader = try DatasetReader(file: "transactions.csv.gz", mapping: .load("handbook-transactions"))
/// while let item = try reader.next() {
///     switch item.outcome {
///     case .record(let record): send(record)
///     case .rejected(let why): report(item.position.row, why)
///     case .nothing: break
///     }
/// }
/// ```
///
/// Not to be shared between tasks.
public final class DatasetReader {
    private let table: TableReader
    private let builder: RecordBuilder

    /// - Parameter file: a path, or `-` for the standard input.
    /// - Throws: `DatasetError`: the file cannot be opened, or has not the columns that the mapping names.
    public init(file: String, mapping: Mapping, options: ReadOptions = ReadOptions()) throws(DatasetError) {
        var columns: [String] = []
        var needed: Set<String> = []
        for field in mapping.fields {
            let names = field.columnNames
            for name in names where !columns.contains(name) { columns.append(name) }
            if !(options.mayLackLabels && field.isOfLabel) { needed.formUnion(names) }
        }
        for name in mapping.choice.columnNames {
            if !columns.contains(name) { columns.append(name) }
            needed.insert(name)
        }
        let optional = Set(columns).subtracting(needed)
        let table = try TableReader(
            file: file, columns: columns, optional: optional, format: mapping.format, mappingName: mapping.name)
        let lacksLabels = optional.contains { table.cell(ofColumn: $0) == nil }
        let buffer = table.buffer
        self.table = table
        let targets = Target.all(for: mapping.kind)
        var plans: [FieldPlan] = []
        for field in mapping.fields where !(lacksLabels && field.isOfLabel) {
            let target = targets.first { $0.name == field.target } ?? Target(name: field.target)
            var cells: [Int] = []
            if case .columns(let names) = field.source { cells = names.compactMap { table.cell(ofColumn: $0) } }
            do {
                let zoneCell = field.zoneColumn.flatMap { table.cell(ofColumn: $0) }
                plans.append(try FieldPlan(target: target, path: target.path(in: mapping.kind), mapping: field, cells: cells, zoneCell: zoneCell))
            } catch {
                throw DatasetError(.mapping, "the mapping \(mapping.name), field `\(field.target)`: \(error.reason)")
            }
        }
        let fields = FieldReader(buffer: buffer, format: mapping.format)
        let sieve = RowSieve(mapping.choice, fields) { table.cell(ofColumn: $0) }
        builder = RecordBuilder(kind: mapping.kind, plans: plans, fields: fields, sieve: sieve, format: mapping.format, options: options)
    }

    /// The next row; nil at the end of the file.
    ///
    /// - Throws: `DatasetError` when the file cannot be read further. What came before has been handed out.
    public func next() throws(DatasetError) -> DatasetItem? {
        switch try table.nextEvent() {
        case nil: nil
        case .refused(let position, let column, let reason): hinted(builder.refusal(position, column: column, reason, showsCells: false))
        case .refusedCells(let position, let column, let reason):
            hinted(builder.refusal(position, column: column, reason, showsCells: true))
        case .row(let position): hinted(builder.item(position))
        }
    }

    /// Says of a first row that is refused where the rows seem to be.
    private func hinted(_ item: DatasetItem) -> DatasetItem {
        guard item.position.row == 1, let list = table.unreadList, case .rejected(var rejections) = item.outcome, !rejections.isEmpty
        else { return item }
        rejections[0].reason += "; the file has a list at `\(JSONEnvelope.text(list))`: name it with `records:` in the mapping's format"
        var item = item
        item.outcome = .rejected(rejections)
        return item
    }

    /// Reads all rows that are left of a file of transactions into columns, many times faster than record by record.
    ///
    /// - Parameters:
    ///   - refused: gets each row that became no payment.
    ///   - progress: called now and then with the number of rows read.
    /// - Throws: `DatasetError` when the file cannot be read further, or what the others throw.
    public func readPayments(
        into payments: inout PaymentColumns, refused: (DatasetItem) throws -> Void, progress: (_ rows: Int) throws -> Void
    ) throws {
        var rows = 0
        while let event = try table.nextEvent() {
            rows += 1
            if rows % 8_192 == 0 { try progress(rows) }
            switch event {
            case .refused(let position, let column, let reason):
                try refused(hinted(builder.refusal(position, column: column, reason, showsCells: false)))
            case .refusedCells(let position, let column, let reason):
                try refused(hinted(builder.refusal(position, column: column, reason, showsCells: true)))
            case .row(let position):
                if let item = builder.append(position, to: &payments) { try refused(hinted(item)) }
            }
        }
        try progress(rows)
    }

    /// Goes on at a row that an earlier reader of the same file met; to be called before the first `next`.
    public func skip(to position: RowPosition) throws(DatasetError) { try table.skip(to: position) }

    /// How many bytes of the file have been read, compressed if it is.
    public var bytesRead: Int64 { table.bytesRead }
    /// The file's size; nil for a pipe.
    public var totalBytes: Int64? { table.totalBytes }
    /// What `position.byteOffset` runs up to, as far as can be judged; nil for a pipe.
    public var estimatedUncompressedBytes: Int64? { table.estimatedUncompressedBytes }
}
