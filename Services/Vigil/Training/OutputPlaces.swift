import Foundation
import Models

/// A file or folder of the command line that cannot be used.
struct PlaceFault: Error, CustomStringConvertible {
    let description: String
}

/// Where a command's results go, checked before any work begins: that they can be written, and that nothing is lost by it.
struct OutputPlaces {
    /// What the command reads; nil and what is no file (a shipped mapping's name, `-`) do not matter.
    var inputs: [String?]
    /// By option. Nil: not asked for.
    var files: KeyValuePairs<String, String?> = [:]
    /// The option and folder that a bundle goes to.
    var bundle: (option: String, folder: String)?

    /// - Throws: `PlaceFault`, one line that names the option and the place; `BundleError` for a folder that holds something else.
    func check() throws {
        var taken: [String: String] = [:]
        for (option, path) in files {
            guard let path else { continue }
            try Self.requireFile(path, for: option, inputs: inputs)
            let place = Self.resolved(path)
            if let other = taken[place] { throw PlaceFault(description: "\(other) and \(option) are both \(path)") }
            taken[place] = option
        }
        guard let bundle else { return }
        try ModelBundle.requireReplaceable(bundle.folder)
        try Self.requireFolder(bundle.folder)
        // A bundle with anything else in it would not be replaced again.
        let place = Self.resolved(bundle.folder)
        for (option, path) in files {
            if let path, (Self.resolved(path) + "/").hasPrefix(place + "/") {
                throw PlaceFault(description: "\(option) \(path) lies in the folder that \(bundle.option) replaces")
            }
        }
    }

    private static func requireFile(_ path: String, for option: String, inputs: [String?]) throws {
        if let mine = identity(of: path) {
            guard mine.kind != .typeDirectory else { throw PlaceFault(description: "\(option) \(path) is a folder; name a file") }
            if mine.kind == .typeRegular, let input = inputs.compactMap({ $0 }).first(where: { identity(of: $0) == mine }) {
                throw PlaceFault(description: "\(option) \(path) would overwrite the input \(input)")
            }
            guard access(path, W_OK) == 0 else { throw fault(path) }
            guard mine.kind == .typeRegular else { return }
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if let above = identity(of: folder), above.kind != .typeDirectory {
            throw PlaceFault(description: "\(path) cannot be written: \(folder) is no folder")
        }
        guard access(folder, W_OK | X_OK) == 0 else { throw fault(path) }
    }

    /// That a folder can be made or written, with those above it.
    static func requireFolder(_ path: String) throws {
        var place = URL(fileURLWithPath: path)
        while identity(of: place.path) == nil, place.path != "/" { place.deleteLastPathComponent() }
        guard identity(of: place.path)?.kind == .typeDirectory else {
            throw PlaceFault(description: "\(path) cannot be written: \(place.path) is no folder")
        }
        guard access(place.path, W_OK | X_OK) == 0 else { throw fault(path) }
    }

    private static func fault(_ path: String) -> PlaceFault {
        PlaceFault(description: "\(path) cannot be written: \(reason(errno))")
    }

    fileprivate static func reason(_ number: Int32) -> String { String(cString: strerror(number)).lowercased() }

    private static func resolved(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path }

    private struct Identity: Equatable {
        let device: Int?
        let number: Int?
        let kind: FileAttributeType?
    }

    /// The same for all names of one file: links of both kinds, and ways over `..`. Nil where there is none.
    private static func identity(of path: String) -> Identity? {
        guard let found = try? FileManager.default.attributesOfItem(atPath: resolved(path)) else { return nil }
        return Identity(
            device: (found[.systemNumber] as? NSNumber)?.intValue, number: (found[.systemFileNumber] as? NSNumber)?.intValue,
            kind: found[.type] as? FileAttributeType)
    }
}

/// A small file that an option names, such as a key.
enum OptionFile {
    static func text(_ path: String, for option: String) throws -> String {
        guard access(path, R_OK) == 0 else {
            throw PlaceFault(description: "\(option) \(path) cannot be read: \(OutputPlaces.reason(errno))")
        }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw PlaceFault(description: "\(option) \(path) cannot be read: it is no text file")
        }
        return text
    }

    static func names(inFolder path: String) throws -> [String] {
        guard access(path, R_OK | X_OK) == 0 else {
            throw PlaceFault(description: "\(path) cannot be read: \(OutputPlaces.reason(errno))")
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw PlaceFault(description: "\(path) cannot be read: it is no folder")
        }
        return names.sorted()
    }
}
