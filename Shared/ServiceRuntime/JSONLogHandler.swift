internal import Foundation
public import Logging

/// Writes each event as one line of JSON: `time`, `level`, `service`, `message`, `source`, then the metadata.
///
/// A metadata value whose key speaks of a secret is never written, in case a caller forgets.
public struct JSONLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    public var logLevel: Logger.Level

    private let service: String
    private let write: @Sendable ([UInt8]) -> Void

    /// - Parameter write: takes one whole line, newline included; standard error where not given.
    public init(service: String, level: Logger.Level, write: @escaping @Sendable ([UInt8]) -> Void = JSONLogHandler.standardError) {
        self.service = service
        self.logLevel = level
        self.write = write
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var line = "{\"time\":\""
        line += Date().formatted(.iso8601.year().month().day().timeZone(separator: .omitted).time(includingFractionalSeconds: true))
        line += "\",\"level\":\"\(event.level.rawValue)\",\"service\":"
        Self.append(service, to: &line)
        line += ",\"message\":"
        Self.append(event.message.description, to: &line)
        line += ",\"source\":"
        Self.append(event.source, to: &line)
        if let error = event.error {
            line += ",\"error\":"
            Self.append("\(error)", to: &line)
        }
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) where !Self.reserved.contains(key) {
            line += ","
            Self.append(key, to: &line)
            line += ":"
            if Self.isSecret(key) {
                line += "\"<redacted>\""
            } else {
                Self.append(value, to: &line)
            }
        }
        line += "}\n"
        write(Array(line.utf8))
    }

    /// One call for a whole line, so that lines of several threads do not mix.
    public static let standardError: @Sendable ([UInt8]) -> Void = { line in
        _ = line.withUnsafeBytes { Foundation.write(2, $0.baseAddress, $0.count) }
    }

    private static let reserved: Set<String> = ["time", "level", "service", "message", "source"]

    private static func isSecret(_ key: String) -> Bool {
        let key = key.lowercased()
        return ["authorization", "password", "secret", "token", "cookie"].contains { key == $0 || key.hasSuffix("_\($0)") }
    }

    private static func append(_ value: Logger.Metadata.Value, to line: inout String) {
        switch value {
        case .string(let text): append(text, to: &line)
        case .stringConvertible(let value): append(value.description, to: &line)
        case .array(let values):
            line += "["
            for (index, value) in values.enumerated() {
                if index > 0 { line += "," }
                append(value, to: &line)
            }
            line += "]"
        case .dictionary(let values):
            line += "{"
            for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { line += "," }
                append(key, to: &line)
                line += ":"
                if isSecret(key) { line += "\"<redacted>\"" } else { append(value, to: &line) }
            }
            line += "}"
        }
    }

    private static func append(_ text: String, to line: inout String) {
        line += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": line += "\\\""
            case "\\": line += "\\\\"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case "\u{0}"..."\u{1F}", "\u{2028}", "\u{2029}":
                let hex = String(scalar.value, radix: 16)
                line += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: line.unicodeScalars.append(scalar)
            }
        }
        line += "\""
    }
}
