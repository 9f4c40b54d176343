import Datasets
import Foundation
import Models
import Records

/// Why the command cannot begin.
struct SeriesFileError: Error, CustomStringConvertible {
    let description: String
}

/// One series in a file, and where its scores go.
struct SeriesFile {
    let input: String
    let output: String

    /// The files to score: the input itself, or each `.csv` or `.csv.gz` below it, in the order of their paths.
    static func find(input: String, output: String) throws -> [SeriesFile] {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        guard input == "-" || manager.fileExists(atPath: input, isDirectory: &isFolder) else {
            throw SeriesFileError(description: "\(input): there is no such file or folder")
        }
        guard resolved(input) != resolved(output) else { throw SeriesFileError(description: "--output would overwrite the input \(input)") }
        guard isFolder.boolValue else {
            var outputIsFolder: ObjCBool = false
            if manager.fileExists(atPath: output, isDirectory: &outputIsFolder), outputIsFolder.boolValue {
                throw SeriesFileError(description: "\(output) is a folder; for the file \(input) name a file")
            }
            return [SeriesFile(input: input, output: output)]
        }
        guard let paths = manager.enumerator(atPath: input) else { throw SeriesFileError(description: "\(input): the folder cannot be read") }
        let root = URL(fileURLWithPath: input), target = URL(fileURLWithPath: output)
        // An output folder inside the input must not be read as input when the command runs again.
        let own = resolved(output) + "/"
        let names = paths.compactMap { $0 as? String }.filter { name in
            let lower = name.lowercased()
            return (lower.hasSuffix(".csv") || lower.hasSuffix(".csv.gz")) && !(resolved(root.appendingPathComponent(name).path) + "/").hasPrefix(own)
        }
        guard !names.isEmpty else { throw SeriesFileError(description: "\(input): the folder holds no .csv file") }
        return names.sorted().map { name in
            let plain = name.lowercased().hasSuffix(".gz") ? String(name.dropLast(3)) : name
            return SeriesFile(input: root.appendingPathComponent(name).path, output: target.appendingPathComponent(plain).path)
        }
    }

    private static func resolved(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path }

    struct Outcome: Encodable {
        struct Point: Encodable {
            var timestamp: String
            var score: Double
        }

        var input: String
        var output: String
        var scored = 0
        var rejected = 0
        /// The first point with the highest score.
        var highest: Point?
        /// Why the file could not be read or written; then there is no output.
        var error: String?
    }

    /// Reads, scores and writes the series. The output appears whole or not at all.
    /// - Parameters:
    ///   - point: told of each point: seconds since 1970, value, score.
    ///   - fault: told of each row that cannot be read.
    func score(
        point: (_ seconds: Double, _ value: Double, _ score: Double) -> Void = { _, _, _ in }, fault: @escaping (String) -> Void
    ) -> Outcome {
        var outcome = Outcome(input: input, output: output)
        do {
            try score(into: &outcome, point: point, fault: fault)
        } catch let error as DatasetError {
            outcome.error = error.message.contains(input) ? error.message : "\(input): \(error.message)"
        } catch {
            outcome.error = "\(output): cannot be written: \(error.localizedDescription)"
        }
        return outcome
    }

    private func score(
        into outcome: inout Outcome, point: (Double, Double, Double) -> Void, fault: @escaping (String) -> Void
    ) throws {
        let table = try TableReader(file: input, columns: ["timestamp", "value"])
        let name = input
        table.onRefusedRow = { position, column, reason in
            fault("\(name): row \(position.row) (line \(position.line))\(column.map { ": \($0)" } ?? "") \(reason)")
        }
        let folder = URL(fileURLWithPath: output).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let partial = output + ".partial"
        guard FileManager.default.createFile(atPath: partial, contents: nil) else { throw CocoaError(.fileWriteUnknown) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: partial))
        do {
            var csv = CSVWriter(header: ["timestamp", "value", "anomaly_score"])
            var detector = AnomalyDetector()
            while try table.next() {
                let cells = [table.text(0) ?? "", table.text(1) ?? ""]
                let it = Self.point(of: table, cells, fault: { fault("\(name): row \(table.position.row) (line \(table.position.line)): \($0)") })
                let score = it.map { detector.score($0.value, atSeconds: $0.seconds) }
                if let it, let score { point(it.seconds, it.value, score) }
                csv.row(cells + [score.map(Self.text(ofScore:)) ?? ""])
                if let score {
                    outcome.scored += 1
                    if score > outcome.highest?.score ?? -1 { outcome.highest = .init(timestamp: cells[0], score: score) }
                } else {
                    outcome.rejected += 1
                }
                if csv.bytes.count > 1 << 20 { try file.write(contentsOf: csv.take()) }
            }
            outcome.rejected += table.refusedRows
            try file.write(contentsOf: csv.take())
            try file.close()
            guard rename(partial, output) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch {
            unlink(partial)
            throw error
        }
    }

    private static func point(of table: TableReader, _ cells: [String], fault: (String) -> Void) -> (seconds: Double, value: Double)? {
        guard let seconds = table.timestamp(0).map({ Double($0.microseconds) / 1e6 }) ?? table.double(0).map(secondsSince1970(_:)) else {
            fault("timestamp \(quoted(cells[0])) is no date and time")
            return nil
        }
        guard let value = table.double(1) else {
            fault("value \(quoted(cells[1])) is no finite number")
            return nil
        }
        return (seconds, value)
    }

    /// A bare number counts seconds or, where that would be after the year 5000, milliseconds.
    private static func secondsSince1970(_ number: Double) -> Double { abs(number) > 1e11 ? number / 1_000 : number }

    private static func quoted(_ text: String) -> String { text.isEmpty ? "(empty)" : "`\(text.prefix(40))`" }

    /// Eight decimals, so that one threshold can tell one point in a million from one in ten million.
    static func text(ofScore score: Double) -> String {
        let units = Int((max(0, min(1, score)) * 1e8).rounded(.down))
        let digits = String(units % 100_000_000)
        return "\(units / 100_000_000)." + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
