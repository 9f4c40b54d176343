import Foundation

/// A Swift file of ours, as lines.
struct SourceFile: Sendable, CustomStringConvertible {
    /// From the repository's root, for example "Shared/Geo/Tile.swift".
    let path: String
    let lines: [String]

    var description: String { path }

    /// The modules it imports, with the line's number.
    var imports: [(module: String, line: Int)] {
        lines.enumerated().compactMap { index, line in
            let words = line.split(separator: " ").drop { $0.hasPrefix("@") || Self.accessLevels.contains(String($0)) }
            guard words.first == "import", words.count >= 2 else { return nil }
            let named = words.dropFirst().drop { Self.declarationKinds.contains(String($0)) }
            guard let module = named.first?.split(separator: ".").first else { return nil }
            return (String(module), index + 1)
        }
    }

    func isUnder(_ prefixes: String...) -> Bool { prefixes.contains { path.hasPrefix($0) } }

    private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
    private static let declarationKinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
}

/// The repository, read once.
enum SourceTree {
    static let root: URL = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// All Swift files but the generated ones.
    static let files: [SourceFile] = ["Shared", "Services", "Tests", "Protos/Plugin"].flatMap(swiftFiles)

    private static func swiftFiles(under folder: String) -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        let paths = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
        return paths.filter { $0.hasSuffix(".swift") && !$0.contains("/Generated/") && !$0.hasPrefix("Generated/") }.sorted().compactMap { name in
            guard let text = try? String(contentsOf: base.appendingPathComponent(name), encoding: .utf8) else { return nil }
            return SourceFile(path: "\(folder)/\(name)", lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
        }
    }

    static func folders(in folder: String) -> [String] {
        let base = root.appendingPathComponent(folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base.path)) ?? []
        return names.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: base.appendingPathComponent($0).path, isDirectory: &isFolder) && isFolder.boolValue
        }.sorted()
    }
}
