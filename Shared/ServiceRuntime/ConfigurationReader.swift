internal import Configuration
internal import Foundation

/// Reads a service's configuration from its environment, whole: every variable is read and checked before anything starts, and
/// all that is wrong is told at once.
///
/// Each read declares a variable with its meaning, so that `--help` lists them all. A read that fails returns a placeholder and
/// is noted in ``problems``; whoever reads checks those afterwards.
///
/// ```swift
/// struct NotifierConfiguration {
///     var senderAddress: String
///     var maxRetries: Int
///
///     init(from reader: ConfigurationReader) {
///         senderAddress = reader.required("VIGIL_NOTIFIER_SENDER", "address from which alerts are sent")
///         maxRetries = reader.int("VIGIL_NOTIFIER_MAX_RETRIES", default: 8, in: 0...100, "attempts after the first")
///     }
/// }
/// ```
public final class ConfigurationReader {
    /// One declared variable.
    public struct Variable: Sendable, Hashable {
        public let name: String
        public let meaning: String
        /// The default in text; `nil` where there is none.
        public let defaultText: String?
        public let isRequired: Bool
    }

    /// What is wrong with one variable.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        public let variable: String
        /// Says what was expected. Shows the value only where the variable holds no secret.
        public let reason: String

        public var description: String { "\(variable): \(reason)" }
    }

    /// All variables declared so far, in order.
    public private(set) var variables: [Variable] = []
    /// All that was wrong so far, in order.
    public private(set) var problems: [Problem] = []

    private let reader: ConfigReader
    private let setNames: [String]

    /// - Parameter environment: names and values; an empty value counts as not set.
    public init(environment: [String: String]) {
        setNames = environment.keys.sorted()
        reader = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment.filter { !$0.value.isEmpty }))
    }

    /// Whether something has been found wrong with a variable.
    public func hasProblem(with name: String) -> Bool { problems.contains { $0.variable == name } }

    /// A text; the default where it is not set.
    public func string(_ name: String, default defaultValue: String, _ meaning: String) -> String {
        declare(name, meaning, default: defaultValue)
        return text(name) ?? defaultValue
    }

    /// A text that may be absent.
    public func optional(_ name: String, _ meaning: String) -> String? {
        declare(name, meaning)
        return text(name)
    }

    /// A text that must be there.
    public func required(_ name: String, _ meaning: String) -> String {
        declare(name, meaning, isRequired: true)
        guard let value = text(name) else {
            fail(name, "is required: \(meaning)")
            return ""
        }
        return value
    }

    /// A whole number within a range.
    public func int(_ name: String, default defaultValue: Int, in range: ClosedRange<Int>, _ meaning: String) -> Int {
        declare(name, "\(meaning) (\(range.lowerBound) to \(range.upperBound))", default: String(defaultValue))
        guard let text = text(name) else { return defaultValue }
        guard let value = try? reader.requiredInt(forKey: ConfigKey([name])) else {
            fail(name, "\"\(shortened(text))\" is not a whole number")
            return defaultValue
        }
        guard range.contains(value) else {
            fail(name, "\(value) is not within \(range.lowerBound) to \(range.upperBound)")
            return defaultValue
        }
        return value
    }

    /// A number within a range.
    public func double(_ name: String, default defaultValue: Double, in range: ClosedRange<Double>, _ meaning: String) -> Double {
        declare(name, "\(meaning) (\(range.lowerBound) to \(range.upperBound))", default: String(defaultValue))
        guard let text = text(name) else { return defaultValue }
        guard let value = try? reader.requiredDouble(forKey: ConfigKey([name])), value.isFinite else {
            fail(name, "\"\(shortened(text))\" is not a number")
            return defaultValue
        }
        guard range.contains(value) else {
            fail(name, "\(value) is not within \(range.lowerBound) to \(range.upperBound)")
            return defaultValue
        }
        return value
    }

    /// `true`, `yes`, `1`, or `false`, `no`, `0`.
    public func bool(_ name: String, default defaultValue: Bool, _ meaning: String) -> Bool {
        declare(name, meaning, default: String(defaultValue))
        guard let text = text(name) else { return defaultValue }
        guard let value = try? reader.requiredBool(forKey: ConfigKey([name])) else {
            fail(name, "\"\(shortened(text))\" is neither true nor false")
            return defaultValue
        }
        return value
    }

    /// One of an enumeration's raw values.
    public func choice<Value: CaseIterable & RawRepresentable>(_ name: String, default defaultValue: Value, _ meaning: String) -> Value
    where Value.RawValue == String {
        let choices = Value.allCases.map(\.rawValue).joined(separator: ", ")
        declare(name, "\(meaning) (\(choices))", default: defaultValue.rawValue)
        guard let text = text(name) else { return defaultValue }
        guard let value = Value(rawValue: text) else {
            fail(name, "\"\(shortened(text))\" is none of \(choices)")
            return defaultValue
        }
        return value
    }

    /// Texts separated by commas.
    public func list(_ name: String, default defaultValue: [String] = [], _ meaning: String) -> [String] {
        declare(name, "\(meaning) (separated by commas)", default: defaultValue.joined(separator: ","))
        guard text(name) != nil else { return defaultValue }
        return reader.stringArray(forKey: ConfigKey([name]), default: defaultValue).filter { !$0.isEmpty }
    }

    /// An `https://host:port` or `http://host:port` address; several hosts share one scheme, `https://a:8442,b:8442`.
    public func url(_ name: String, default defaultValue: String, _ meaning: String) -> String {
        declare(name, meaning, default: defaultValue)
        guard let text = text(name) else { return defaultValue }
        let scheme = ["https://", "http://"].first { text.hasPrefix($0) }
        let hosts = text.dropFirst(scheme?.count ?? 0).split(separator: ",", omittingEmptySubsequences: false)
        let isAddress = hosts.allSatisfy { host in scheme.flatMap { URL(string: $0 + host) }?.host() != nil }
        guard isAddress else {
            fail(name, "\"\(shortened(text))\" is not an http or https address")
            return defaultValue
        }
        return text
    }

    /// The path of a file that can be read, and may be absent.
    public func optionalFile(_ name: String, _ meaning: String) -> String? {
        declare(name, meaning)
        guard let path = text(name) else { return nil }
        return isReadable(path, name) ? path : nil
    }

    /// The path of a file that can be read, and must be given; empty where it is not.
    public func requiredFile(_ name: String, _ meaning: String) -> String {
        let path = required(name, meaning)
        return !path.isEmpty && isReadable(path, name) ? path : ""
    }

    /// Any other kind of value.
    /// - Parameter parse: throws, or returns `nil`, for a text that does not fit.
    public func value<Value>(
        _ name: String, default defaultValue: Value, defaultText: String, _ meaning: String, parse: (String) throws -> Value?
    ) -> Value {
        declare(name, meaning, default: defaultText)
        guard let text = text(name) else { return defaultValue }
        do {
            if let value = try parse(text) { return value }
            fail(name, "\"\(shortened(text))\" is not valid: \(meaning)")
        } catch {
            fail(name, "is not valid: \(error)")
        }
        return defaultValue
    }

    /// Notes a problem that a service found itself, such as two values that do not fit together.
    public func fail(_ name: String, _ reason: String) {
        problems.append(Problem(variable: name, reason: reason))
    }

    /// Variables that are set and begin so, but that nobody has declared: mostly misspelt ones.
    public func undeclared(beginningWith prefixes: [String]) -> [String] {
        setNames.filter { name in prefixes.contains { name.hasPrefix($0) } && !variables.contains { $0.name == name } }
    }

    /// The list that `--help` prints.
    public var help: String {
        variables.map { variable in
            let origin: String
            switch (variable.isRequired, variable.defaultText) {
            case (true, _): origin = "required"
            case (false, let text?) where !text.isEmpty: origin = "default \(text)"
            case (false, _): origin = "optional"
            }
            return "  \(variable.name)\n      \(variable.meaning) [\(origin)]\n"
        }.joined()
    }

    private func declare(_ name: String, _ meaning: String, default defaultText: String? = nil, isRequired: Bool = false) {
        guard !variables.contains(where: { $0.name == name }) else { return }
        variables.append(Variable(name: name, meaning: meaning, defaultText: defaultText, isRequired: isRequired))
    }

    private func text(_ name: String) -> String? {
        reader.string(forKey: ConfigKey([name]))
    }

    private func isReadable(_ path: String, _ name: String) -> Bool {
        var isDirectory: ObjCBool = false
        if !FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
            fail(name, "there is no file \(path)")
        } else if isDirectory.boolValue {
            fail(name, "\(path) is a folder, not a file")
        } else if !FileManager.default.isReadableFile(atPath: path) {
            fail(name, "\(path) cannot be read")
        } else {
            return true
        }
        return false
    }

    private func shortened(_ text: String) -> String {
        text.count <= 60 ? text : text.prefix(60) + "…"
    }
}
