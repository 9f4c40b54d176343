import ArgumentParser
import Datasets
import Foundation
import Models
import Records
import Testing

@testable import Vigil

@Suite("Places that training commands write to")
struct OutputPlacesTests {
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-places-\(UUID().uuidString)").path

        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ text: String = "") throws -> String {
            let file = URL(fileURLWithPath: "\(path)/\(name)")
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            return file.path
        }
    }

    private let folder: Folder

    init() throws { folder = try Folder() }

    private func fault(_ places: OutputPlaces) -> String? {
        do {
            try places.check()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func `a bundle replaces an empty folder and a bundle, nothing else`() throws {
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(folder.path)/new/bundle"))) == nil)
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", folder.path))) == nil)
        _ = try folder.write("mine/thesis.doc", "years of work")
        let thesis = try #require(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(folder.path)/mine"))))
        #expect(thesis.contains("thesis.doc") && thesis.contains("\(folder.path)/mine"))
        _ = try folder.write("app/manifest.json", #"{"manifest_version": 3}"#)
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(folder.path)/app"))) != nil)
        _ = try folder.write("old/manifest.json", #"{"format": 1, "version": "fraud-2026.01.01-00000000", "kind": "fraud"}"#)
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(folder.path)/old"))) == nil)
        _ = try folder.write("old/notes.txt")
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(folder.path)/old"))) != nil)
    }

    @Test func `an output that is an input under any name is refused`() throws {
        let input = try folder.write("in.csv", "a\n")
        let symbolic = "\(folder.path)/symbolic.csv", hard = "\(folder.path)/hard.csv"
        try FileManager.default.createSymbolicLink(atPath: symbolic, withDestinationPath: input)
        try FileManager.default.linkItem(atPath: input, toPath: hard)
        for output in [input, symbolic, hard, "\(folder.path)/../\(URL(fileURLWithPath: folder.path).lastPathComponent)/in.csv"] {
            let said = fault(OutputPlaces(inputs: [nil, "-", input], files: ["--output": output]))
            #expect(said?.contains("would overwrite the input") == true)
        }
        #expect(fault(OutputPlaces(inputs: [input], files: ["--output": "\(folder.path)/out.csv", "--report": nil])) == nil)
        let twice = fault(OutputPlaces(inputs: [], files: ["--scores": "\(folder.path)/x", "--report": "\(folder.path)/./x"]))
        #expect(twice?.contains("--scores and --report") == true)
    }

    @Test func `what cannot be written is said in one line`() throws {
        let file = try folder.write("file")
        for path in [folder.path, "\(folder.path)/none/out.csv", "\(file)/out.csv"] {
            let said = try #require(fault(OutputPlaces(inputs: [], files: ["--output": path])))
            #expect(said.contains(path) && !said.contains("Domain") && !said.contains("\n"))
        }
        #expect(fault(OutputPlaces(inputs: [], bundle: ("--output", "\(file)/bundle")))?.contains("is no folder") == true)
        #expect(throws: PlaceFault.self) { try OptionFile.text("\(folder.path)/no.key", for: "--sign-with") }
    }

    @Test func `a beginning after the newest payment or after as-of is refused by name`() throws {
        let early = Timestamp(CivilTime(year: 2026, month: 1, day: 1)), late = early + .days(30)
        let newest = #expect(throws: ValidationError.self) { try TrainCommand.period(from: late, asOf: late + .days(1), last: early) }
        #expect(newest?.message.contains("after the newest payment") == true)
        let asOf = #expect(throws: ValidationError.self) { try TrainCommand.period(from: late, asOf: early, last: late) }
        #expect(asOf?.message.contains("--as-of") == true)
        #expect(try TrainCommand.period(from: early, asOf: late, last: late)?.contains(late) == true)
        #expect(try TrainCommand.period(from: nil, asOf: early, last: late) == nil)
    }

    @Test func `payments without a column of labels are read where labels are not needed`() throws {
        let file = try folder.write(
            "new.csv",
            """
            TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT
            1,2026-01-01 10:00:00,7,9,12.50
            2,2026-01-01 11:00:00,7,9,much

            """)
        let rejects = "\(folder.path)/rejects.csv"
        let files = try DatasetFiles(rejects: rejects)
        var progress = ProgressLine(isTerminal: false)
        let rows = try files.transactions(file, mapping: "handbook-transactions", mayLackLabels: true, progress: &progress)
        #expect(rows.map(\.transaction.key.transactionID) == ["1"])
        #expect(rows.allSatisfy { $0.label == nil })
        #expect(files.rejectedRows == 1)
        let status = #expect(throws: ExitCode.self) { try files.finish() }
        #expect(status?.rawValue == 3)
        #expect(try String(contentsOfFile: rejects, encoding: .utf8).contains("TX_AMOUNT,much"))
        #expect(throws: (any Error).self) {
            try files.transactions(file, mapping: "handbook-transactions", mayLackLabels: false, progress: &progress)
        }
    }

    @Test func `a bundle that cannot be read is told by folder and key`() throws {
        _ = try folder.write("forest.bin")
        _ = try folder.write("manifest.json", #"{"format": 1, "version": "x", "kind": "fraud"}"#)
        let key = #expect(throws: BundleError.self) { try ModelBundle(directory: folder.path) }
        #expect(key?.description.contains(folder.path) == true && key?.description.contains("`createdAt`") == true)
        let none = #expect(throws: BundleError.self) { try ModelBundle(directory: "\(folder.path)/none") }
        #expect(none?.description == "there is no folder \(folder.path)/none")
    }
}
