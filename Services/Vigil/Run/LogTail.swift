import Foundation

/// The end of a log, to be shown when something failed.
enum LogTail {
    static func lines(of path: String, count: Int = 8, maxBytes: UInt64 = 16_384) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { return "    (no log)" }
        defer { try? file.close() }
        guard let end = try? file.seekToEnd(), (try? file.seek(toOffset: end > maxBytes ? end - maxBytes : 0)) != nil,
            let data = try? file.readToEnd()
        else { return "    (an empty log)" }
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n").suffix(count)
        return lines.map { "    \($0.prefix(400))" }.joined(separator: "\n")
    }
}
