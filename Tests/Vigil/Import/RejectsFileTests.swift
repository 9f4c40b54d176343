import Datasets
import Foundation
import Records
import Testing
@testable import Vigil

@Suite("The rejects file")
struct RejectsFileTests {
    /// A path in a folder that is removed after the test.
    private func withPath(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "rejects-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.appending(path: "rejects.csv").path)
    }

    private let rejection = Rejection(field: "amount", column: "TX_AMOUNT", value: "-1", reason: "is negative")

    @Test func takesThePlaceOfAnEarlierRunsRejects() throws {
        try withPath { path in
            let first = try RejectsFile(path: path)
            first.append(RowPosition(row: 1, line: 2, byteOffset: 0), [rejection])
            try first.flush()
            let second = try RejectsFile(path: path)
            second.append(RowPosition(row: 7, line: 8, byteOffset: 0), [rejection])
            try second.flush()
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.split(separator: "\n").count == 2)
            #expect(text.contains("7,8,,amount"))
        }
    }

    @Test func whatEarlierRunsRefusedStaysWhereItsRowsDoNotComeAgain() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "vigil-rejects-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "core-bank.transactions.rejects.csv").path
        func run(_ rows: Range<Int>) throws -> RejectsFile {
            let file = try RejectsFile(path: path, keepsEarlier: true)
            for row in rows { file.append(RowPosition(row: row, line: row, byteOffset: 0), [rejection]) }
            try file.flush()
            return file
        }
        #expect(try run(1..<2).earlier == [])
        let without = try run(0..<0)
        #expect(without.earlier == [path] && !without.exists)
        let second = try run(2..<3)
        #expect(second.earlier.count == 1 && second.earlier != [path])
        #expect(try String(contentsOfFile: second.earlier[0], encoding: .utf8).contains("\n1,1,"))
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("\n2,2,"))
        #expect(try run(3..<4).earlier.count == 2)
        #expect(Set(try run(0..<0).earlier).count == 3)
    }

    @Test func tellsTheFirstFaultsInWords() throws {
        try withPath { path in
            let rejects = try RejectsFile(path: path)
            for row in 1...9 { rejects.append(RowPosition(row: row, line: row + 1, byteOffset: 0), [rejection]) }
            #expect(rejects.firstFaults.count == RejectsFile.maxFirstFaults)
            #expect(rejects.firstFaults.first == "row 1: amount \"-1\" is negative")
            let areas = try RejectsFile(path: path)
            let content = RowContent(.jurisdiction(Jurisdiction(id: "D-7", name: "Old Town", rings: [])))
            areas.append(RowPosition(row: 3, line: 3, byteOffset: 9), [Rejection(field: "", column: "", value: "", reason: "is too long")], content)
            #expect(areas.firstFaults == ["row 3 with id D-7: is too long"])
        }
    }

    @Test(arguments: ["TRANSACTION_ID,TX_DATETIME\n1,2018-04-01\n", "my notes", "row"])
    func leavesAnyOtherFileAlone(content: String) throws {
        try withPath { path in
            try content.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(throws: (any Error).self) { _ = try RejectsFile(path: path) }
            let kept = try String(contentsOfFile: path, encoding: .utf8)
            #expect(kept == content)
        }
    }

    @Test func isWrittenByOneImportAtATime() throws {
        try withPath { path in
            let first = try ImportLock(path: path)
            let refusal = #expect(throws: SuiteConnection.Problem.self) { _ = try ImportLock(path: path) }
            #expect(refusal?.description.contains("process \(ProcessInfo.processInfo.processIdentifier),") == true)
            #expect(refusal?.description.contains("--rejects") == true)
            first.release()
            _ = try ImportLock(path: path)
        }
    }

    @Test func saysInWordsWhyItCannotBeWritten() throws {
        let full = #expect(throws: SuiteConnection.Problem.self) {
            try orPlainly("write the rejects") { try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full")).write(contentsOf: Data([1])) }
        }
        #expect(full?.description == "cannot write the rejects: No space left on device")
    }

    @Test func refusesToGoOnWithAFileThatHasLostItsEnd() throws {
        try withPath { path in
            let first = try RejectsFile(path: path)
            first.append(RowPosition(row: 1, line: 2, byteOffset: 0), [rejection])
            try first.flush()
            #expect(throws: (any Error).self) { _ = try RejectsFile(path: path, keptBytes: first.bytesWritten + 1) }
            let again = try RejectsFile(path: path, keptBytes: first.bytesWritten)
            #expect(again.exists)
        }
    }
}
