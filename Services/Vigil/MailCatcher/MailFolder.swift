import Crypto
import Foundation
import Synchronization

/// A folder of mails, one `.eml` file each. A file is named after its mail's Message-ID, so a mail that is sent again is the same file.
struct MailFolder: Sendable {
    let path: String
    private static let lastNumber = Atomic(0)
    private static let maxNameBytes = 200

    /// - Throws: when the folder cannot be made.
    init(path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// Keeps a mail: whole and durable when this returns, or not at all.
    ///
    /// - Returns: the file's name.
    func keep(_ mail: ReceivedMail) throws -> String {
        let number = Self.lastNumber.add(1, ordering: .relaxed).newValue
        let unique = "\(ProcessInfo.processInfo.processIdentifier)-\(number)"
        let name = Self.fileName(messageID: Self.header("message-id", in: mail.content)) ?? "without-id-\(Int(Date().timeIntervalSince1970))-\(unique)"
        let target = "\(path)/\(name).eml"
        let temporary = "\(path)/.incoming-\(unique)"
        do {
            try Self.write(Self.envelope(of: mail) + mail.content, to: temporary)
            guard rename(temporary, target) == 0 else { throw MailFolderError("rename", target) }
            try Self.synchronize(path)
        } catch {
            unlink(temporary)
            throw error
        }
        return "\(name).eml"
    }

    /// RFC 5321's way to note the envelope: Return-Path, added on final delivery.
    private static func envelope(of mail: ReceivedMail) -> [UInt8] {
        let recipients = mail.recipients.map { "Delivered-To: \($0)\r\n" }.joined()
        return Array("Return-Path: <\(mail.sender)>\r\n\(recipients)".utf8)
    }

    /// Letters, digits and the signs of Message-IDs that mean nothing in a path; what has others is named by its hash. Nil without an id.
    static func fileName(messageID: String?) -> String? {
        guard let messageID else { return nil }
        let id = messageID.trimmingCharacters(in: .whitespaces)
        guard !id.isEmpty else { return nil }
        let inner = id.hasPrefix("<") && id.hasSuffix(">") ? id.dropFirst().dropLast() : id[...]
        let isPlain = !inner.isEmpty && inner.first != "." && inner.utf8.count <= maxNameBytes
            && inner.utf8.allSatisfy { plainBytes.contains($0) }
        if isPlain { return String(inner) }
        return SHA256.hash(data: Array(id.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static let plainBytes = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@+=".utf8)

    /// The first header of that name, unfolded.
    static func header(_ name: String, in content: [UInt8]) -> String? {
        var value: String?
        for line in content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let text = String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
            if text.isEmpty { break }
            if let found = value {
                guard text.first == " " || text.first == "\t" else { return found }
                value = found + text
            } else if let colon = text.firstIndex(of: ":"), text[..<colon].lowercased() == name {
                value = text[text.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return value
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw MailFolderError("open", path) }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { throw MailFolderError("write", path) }
            rest = rest.dropFirst(max(count, 0))
        }
        guard fsync(file) == 0 else { throw MailFolderError("fsync", path) }
    }

    /// Makes the new name durable.
    private static func synchronize(_ folder: String) throws {
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw MailFolderError("open", folder) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw MailFolderError("fsync", folder) }
    }
}

/// A mail that could not be kept.
struct MailFolderError: Error, CustomStringConvertible {
    let description: String

    /// From `errno`.
    init(_ call: String, _ path: String) {
        description = "\(call) \(path): \(String(cString: strerror(errno)))"
    }
}
