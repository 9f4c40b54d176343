import Foundation
import Testing

@testable import Vigil

@Suite("vigil anomalies")
struct SeriesFileTests {
    /// A folder that is gone after the body.
    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-anomalies-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private func write(_ text: String, to file: URL) throws {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    private func series(_ count: Int) -> String {
        "timestamp,value\n" + (0..<count).map { point in
            let minute = String(point * 5 % 60), hour = String(point / 12 % 24), day = String(1 + point / 288)
            let time = [hour, minute].map { ($0.count < 2 ? "0" : "") + $0 }.joined(separator: ":")
            return "2014-04-\(day.count < 2 ? "0" : "")\(day) \(time):00,\(20 + point % 12)\n"
        }.joined()
    }

    private func lines(_ file: URL) throws -> [String] { try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init) }

    @Test func writesEachRowWithItsTextAndAScore() throws {
        try withFolder { folder in
            let input = folder.appendingPathComponent("in.csv"), output = folder.appendingPathComponent("out.csv")
            try write("timestamp,value\n2014-04-01 00:00:00,20.50\n2014-04-01T00:05:00+02:00,1e2\n1396311000,007\n", to: input)
            let outcome = SeriesFile(input: input.path, output: output.path).score { _ in }
            #expect(outcome.scored == 3)
            #expect(outcome.rejected == 0)
            #expect(outcome.error == nil)
            let rows = try lines(output).map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
            #expect(rows.first == ["timestamp", "value", "anomaly_score"])
            #expect(rows.dropFirst().map(\.[0]) == ["2014-04-01 00:00:00", "2014-04-01T00:05:00+02:00", "1396311000"])
            #expect(rows.dropFirst().map(\.[1]) == ["20.50", "1e2", "007"])
            #expect(rows.dropFirst().allSatisfy { (0...1).contains(Double($0[2]) ?? -1) })
        }
    }

    @Test func aSeriesCutShortKeepsTheScoresOfItsEarlierPoints() throws {
        try withFolder { folder in
            let whole = folder.appendingPathComponent("whole.csv"), short = folder.appendingPathComponent("short.csv")
            try write(series(1_200), to: whole)
            try write(series(700), to: short)
            for file in [whole, short] { #expect(SeriesFile(input: file.path, output: file.path + ".scored").score { _ in }.error == nil) }
            let all = try lines(URL(fileURLWithPath: whole.path + ".scored")), some = try lines(URL(fileURLWithPath: short.path + ".scored"))
            #expect(some.count == 701)
            #expect(Array(all.prefix(701)) == some)
        }
    }

    @Test func rowsThatCannotBeReadAreNamedAndKeptWithoutAScore() throws {
        try withFolder { folder in
            let input = folder.appendingPathComponent("in.csv"), output = folder.appendingPathComponent("out.csv")
            try write("timestamp,value\n2014-04-01 00:00:00,1\nyesterday,2\n2014-04-01 00:10:00,NaN\n2014-04-01 00:15:00,\n2014-04-01 00:20:00\n", to: input)
            var faults: [String] = []
            let outcome = SeriesFile(input: input.path, output: output.path).score { faults.append($0) }
            #expect(outcome.scored == 1)
            #expect(outcome.rejected == 4)
            #expect(faults.count == 4)
            #expect(faults.allSatisfy { $0.hasPrefix("\(input.path): row ") })
            #expect(faults.first?.contains("row 2 (line 3): timestamp `yesterday`") == true)
            #expect(faults.dropFirst().first?.contains("value `NaN`") == true)
            #expect(try lines(output).dropFirst(2) == ["yesterday,2,", "2014-04-01 00:10:00,NaN,", "2014-04-01 00:15:00,,"])
            var summary = AnomalySummary()
            summary.files = [outcome]
            #expect(summary.status == 3)
        }
    }

    @Test func aFileWithoutTheColumnsFailsAndLeavesNothing() throws {
        try withFolder { folder in
            let input = folder.appendingPathComponent("in.csv"), output = folder.appendingPathComponent("out.csv")
            try write("time,amount\n2014-04-01 00:00:00,1\n", to: input)
            let outcome = SeriesFile(input: input.path, output: output.path).score { _ in }
            #expect(outcome.error?.contains("timestamp") == true)
            #expect(outcome.error?.contains(input.path) == true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["in.csv"])
            var summary = AnomalySummary()
            summary.files = [outcome]
            #expect(summary.status == 1)
        }
    }

    @Test func aFolderIsWalkedAndItsPathsAreKept() throws {
        try withFolder { folder in
            let input = folder.appendingPathComponent("in"), output = input.appendingPathComponent("scored")
            for name in ["b.csv", "a/deep/c.csv"] { try write(series(30), to: input.appendingPathComponent(name)) }
            try write("{}", to: input.appendingPathComponent("windows.json"))
            for _ in 0..<2 {
                let files = try SeriesFile.find(input: input.path, output: output.path)
                #expect(files.map { $0.output.dropFirst(output.path.count) } == ["/a/deep/c.csv", "/b.csv"])
                for file in files { #expect(file.score { _ in }.scored == 30) }
            }
            #expect(FileManager.default.fileExists(atPath: output.appendingPathComponent("a/deep/c.csv").path))
        }
    }

    @Test func anInputIsNeverOverwritten() throws {
        try withFolder { folder in
            let input = folder.appendingPathComponent("in.csv")
            try write(series(3), to: input)
            #expect(throws: SeriesFileError.self) { try SeriesFile.find(input: input.path, output: folder.path + "/./in.csv") }
            #expect(throws: SeriesFileError.self) { try SeriesFile.find(input: folder.path + "/none", output: folder.path + "/out") }
            #expect(throws: SeriesFileError.self) { try SeriesFile.find(input: folder.appendingPathComponent("in.csv").path, output: folder.path) }
        }
    }

    @Test(arguments: [(0.0, "0.00000000"), (1, "1.00000000"), (0.999_999_99, "0.99999999"), (0.5, "0.50000000"), (0.012_345_678, "0.01234567")])
    func scoresAreWrittenWithEightDecimals(score: Double, text: String) {
        #expect(SeriesFile.text(ofScore: score).hasPrefix(text.dropLast()))
    }
}
