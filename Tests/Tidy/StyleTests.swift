import Foundation
import Testing

/// The rules of the house that a machine can see (DESIGN, section 5).
@Suite("Style")
struct StyleTests {
    private static let maxFileLines = 400
    private static let maxFunctionLines = 70
    private static let maxLineLength = 160

    private func violations(in files: [SourceFile] = SourceTree.files, _ pattern: Regex<Substring>) -> [String] {
        files.flatMap { file in
            file.lines.enumerated().filter { $0.element.contains(pattern) }.map { "\(file.path):\($0.offset + 1): \($0.element)" }
        }
    }

    @Test func thereAreFilesToLookAt() {
        #expect(SourceTree.files.count > 20)
    }

    @Test func filesAreShort() {
        let long = SourceTree.files.filter { $0.lines.count - 1 > Self.maxFileLines }
        #expect(long.map { "\($0.path): \($0.lines.count - 1) lines" } == [])
    }

    @Test func functionsAreShort() {
        let long = SourceTree.files.flatMap { file in
            functions(of: file).filter { $0.length > Self.maxFunctionLines }.map { "\(file.path):\($0.line): \($0.length) lines" }
        }
        #expect(long == [])
    }

    /// From a line that opens a function to the brace that closes its body at the same indentation.
    private func functions(of file: SourceFile) -> [(line: Int, length: Int)] {
        file.lines.indices.compactMap { start in
            let line = file.lines[start]
            let words = line.split(separator: " ")
            guard let keyword = words.first(where: { !Self.modifiers.contains(String($0)) && !$0.hasPrefix("@") }),
                keyword == "func" || keyword.hasPrefix("init(") || keyword.hasPrefix("init<") || keyword == "deinit"
            else { return nil }
            let indent = line.prefix { $0 == " " }
            // The signature may take several lines; a requirement or a body in one line has no closing brace to look for.
            let rest = file.lines[start...]
            let signatureEnd = rest.firstIndex { $0.hasSuffix("{") || $0.hasSuffix("}") || ($0.isEmpty) }
            guard let signatureEnd, file.lines[signatureEnd].hasSuffix("{"),
                let end = file.lines[signatureEnd...].firstIndex(of: "\(indent)}")
            else { return nil }
            return (start + 1, end - start + 1)
        }
    }

    private static let modifiers: Set = [
        "public", "package", "internal", "fileprivate", "private", "static", "override", "final", "mutating", "nonisolated",
        "convenience", "required", "consuming", "borrowing", "isolated", "class",
    ]

    @Test func linesFitTheWindow() {
        let long = SourceTree.files.flatMap { file in
            file.lines.enumerated().filter { $0.element.count > Self.maxLineLength }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(long == [])
    }

    @Test func nothingIsLeftForLater() {
        let words = ["TO" + "DO", "FIX" + "ME"]
        let found = SourceTree.files.flatMap { file in
            file.lines.enumerated().filter { line in words.contains { line.element.contains($0) } }.map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(found == [])
    }

    @Test func noErrorIsSwallowed() {
        #expect(violations(in: SourceTree.files.filter { !$0.isUnder("Tests/Tidy/") }, /catch *\{ *\}/) == [])
    }

    @Test func testsWaitForEventsNotForTime() {
        // The torture's client keeps a bank's pace, and its faults come when they come.
        let tests = SourceTree.files.filter {
            $0.isUnder("Tests/") && !$0.isUnder("Tests/Tidy/", "Tests/Benchmarks/", "Tests/Torture/Client.swift")
        }
        #expect(violations(in: tests, /Task\.sleep|usleep\(|Thread\.sleep/) == [])
    }

    @Test func sqlLiesInStoresOnly() {
        let files = SourceTree.files.filter { $0.isUnder("Services/") && !$0.path.contains("/Store/") }
        #expect(violations(in: files, #/"(?:SELECT|INSERT INTO|UPDATE [a-z]|DELETE FROM) /#) == [])
    }

    @Test func filesAreNamedForWhatTheyHold() {
        let vague = ["Utils", "Helpers", "Common", "Manager"]
        #expect(SourceTree.files.map(\.path).filter { path in vague.contains { path.hasSuffix("\($0).swift") } } == [])
    }

    @Test func uncheckedSendableComesWithItsProof() {
        let unproven = SourceTree.files.filter { !$0.isUnder("Tests/Tidy/") }.flatMap { file in
            file.lines.indices.filter { index in
                guard file.lines[index].contains("@unchecked Sendable"), !file.lines[index].trimmingCharacters(in: .whitespaces).hasPrefix("//") else {
                    return false
                }
                return !file.lines[max(0, index - 4)...index].contains { $0.contains("//") }
            }.map { "\(file.path):\($0 + 1)" }
        }
        #expect(unproven == [])
    }

    @Test func everyServiceSaysWhatItDoes() {
        let silent = SourceTree.folders(in: "Services").filter {
            !FileManager.default.fileExists(atPath: SourceTree.root.appendingPathComponent("Services/\($0)/README.md").path)
        }
        #expect(silent == [])
    }

    @Test func publicTypesAreDocumented() {
        let declaration = #/^public (?:final )?(?:struct|class|enum|protocol|actor) /#
        let bare = SourceTree.files.filter { $0.isUnder("Shared/") }.flatMap { file in
            file.lines.indices.filter { index in
                guard file.lines[index].prefixMatch(of: declaration) != nil else { return false }
                let before = file.lines[..<index].last { !$0.trimmingCharacters(in: .whitespaces).hasPrefix("@") } ?? ""
                return !before.trimmingCharacters(in: .whitespaces).hasPrefix("///")
            }.map { "\(file.path):\($0 + 1): \(file.lines[$0])" }
        }
        #expect(bare == [])
    }
}
