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

    /// Ends a command whose result is written: with exit status 3 where rows were left out.
    func finish() throws {
        if rejectedRows > 0 { throw ExitCode(3) }
    }

    private func read<T>(
        _ file: String, mapping name: String, as kind: RecordKind, options: ReadOptions = ReadOptions(), progress: inout ProgressLine,
        _ pick: (DatasetRecord) -> T?
    ) throws -> [T] {
        let mapping = try Mapping.load(name)
        guard mapping.kind == kind else {
            throw ValidationError("The mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue).")
        }
        let reader = try DatasetReader(file: file, mapping: mapping, options: options)
        var records: [T] = []
        var rejected = 0
        var count = 0
        while let item = try reader.next() {
            count += 1
            if count % 8_192 == 0 {
                progress.show("reading \(URL(fileURLWithPath: file).lastPathComponent)", fraction: reader.totalBytes.map {
                    Double(reader.bytesRead) / Double(max(1, $0))
                })
                try rejects?.flush()
            }
            switch item.outcome {
            case .record(let record): if let picked = pick(record) { records.append(picked) }
            case .nothing: break
            case .rejected(let why):
                rejected += 1
                rejects?.append(item.position, why)
                if rejected <= Self.maxToldRows, let first = why.first { progress.note(Self.line(file, item.position, first)) }
            }
        }
        try rejects?.flush()
        if rejected > 0 { progress.note("\(file): \(rejected) of \(count) rows are left out") }
        rejectedRows += rejected
        return records
    }

    static func line(_ file: String, _ position: RowPosition, _ fault: Rejection) -> String {
        let column = fault.column.isEmpty ? "" : " (column \(fault.column)\(fault.value.isEmpty ? "" : ": `\(fault.value)`"))"
        let what = [fault.field, fault.reason].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(file): row \(position.row) is left out: \(what)\(column)"
    }
}
