import ArgumentParser
import Datasets
import Foundation
import Records

/// Reads files whole, telling of refused rows.
final class DatasetFiles {
    /// So many refused rows of a file are told one by one.
    private static let maxToldRows = 10

    private let rejects: RejectsFile?
    /// Of all files.
    private(set) var rejectedRows = 0

    /// - Parameter path: where refused rows go; nil for nowhere.
    init(rejects path: String? = nil) throws { rejects = try path.map { try RejectsFile(path: $0) } }

    func transactions(
        _ file: String, mapping: String, mayLackLabels: Bool, progress: inout ProgressLine
    ) throws -> [LabelledTransaction] {
        let options = ReadOptions(mayLackLabels: mayLackLabels)
        return try read(file, mapping: mapping, as: .transactions, options: options, progress: &progress) { record in
            if case .transaction(let row) = record { row } else { nil }
        }
    }

    func labels(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [Label] {
        try read(file, mapping: mapping, as: .labels, progress: &progress) { if case .label(let label) = $0 { label } else { nil } }
    }

    func customers(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [Customer] {
        try read(file, mapping: mapping, as: .customers, progress: &progress) { if case .customer(let it) = $0 { it } else { nil } }
    }

    func terminals(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [Terminal] {
        try read(file, mapping: mapping, as: .terminals, progress: &progress) { if case .terminal(let it) = $0 { it } else { nil } }
    }

    func complaints(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [Complaint] {
        try read(file, mapping: mapping, as: .complaints, progress: &progress) { if case .complaint(let it) = $0 { it } else { nil } }
    }

    /// Counts rows that are left out for what other rows say.
    func leaveOut(_ rows: Int) { rejectedRows += rows }

    /// Ends a command whose result is written: with exit status 3 where rows were left out.
    func finish() throws {
        if rejectedRows > 0 { throw ExitCode(3) }
    }

    /// Payments as columns; their file may lack labels.
    func payments(_ file: String, mapping: String, progress: inout ProgressLine) throws -> PaymentColumns {
        let reader = try reader(of: file, mapping: mapping, as: .transactions, options: ReadOptions(mayLackLabels: true))
        var payments = PaymentColumns()
        var refused = Refusals(file: file)
        try reader.readPayments(into: &payments) { item in
            refused.note(item, in: rejects, &progress)
        } progress: { rows in
            refused.rows = rows
            try show(file, reader, &progress)
        }
        finish(refused, &progress)
        return payments
    }

    private func read<T>(
        _ file: String, mapping name: String, as kind: RecordKind, options: ReadOptions = ReadOptions(), progress: inout ProgressLine,
        _ pick: (DatasetRecord) -> T?
    ) throws -> [T] {
        let reader = try reader(of: file, mapping: name, as: kind, options: options)
        var records: [T] = []
        var refused = Refusals(file: file)
        while let item = try reader.next() {
            refused.rows += 1
            if refused.rows % 8_192 == 0 { try show(file, reader, &progress) }
            if case .record(let record) = item.outcome {
                if let picked = pick(record) { records.append(picked) }
            } else {
                refused.note(item, in: rejects, &progress)
            }
        }
        try rejects?.flush()
        finish(refused, &progress)
        return records
    }

    private func reader(of file: String, mapping name: String, as kind: RecordKind, options: ReadOptions) throws -> DatasetReader {
        let mapping = try Mapping.load(name)
        guard mapping.kind == kind else {
            throw PlaceFault(description: "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue)")
        }
        return try DatasetReader(file: file, mapping: mapping, options: options)
    }

    private func show(_ file: String, _ reader: DatasetReader, _ progress: inout ProgressLine) throws {
        progress.show("reading \(URL(fileURLWithPath: file).lastPathComponent)", fraction: reader.totalBytes.map {
            Double(reader.bytesRead) / Double(max(1, $0))
        })
        try rejects?.flush()
    }

    private func finish(_ refused: Refusals, _ progress: inout ProgressLine) {
        if refused.count > 0 { progress.note("\(refused.file): \(refused.count) of \(refused.rows) rows are left out") }
        rejectedRows += refused.count
    }

    /// Of one file.
    private struct Refusals {
        let file: String
        var rows = 0
        var count = 0

        mutating func note(_ item: DatasetItem, in rejects: RejectsFile?, _ progress: inout ProgressLine) {
            guard case .rejected(let why) = item.outcome else { return }
            count += 1
            rejects?.append(item.position, why, item.content)
            if count <= DatasetFiles.maxToldRows, let first = why.first { progress.note(DatasetFiles.line(file, item.position, first)) }
        }
    }

    static func line(_ file: String, _ position: RowPosition, _ fault: Rejection) -> String {
        // A value too many is in no named column, but in the 19th.
        let name = fault.column.hasPrefix("column ") ? fault.column : "column \(fault.column)"
        let column = fault.column.isEmpty ? "" : " (\(name)\(fault.value.isEmpty ? "" : ": `\(fault.value)`"))"
        let what = [fault.field, fault.reason].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(file): row \(position.row) is left out: \(what)\(column)"
    }
}
