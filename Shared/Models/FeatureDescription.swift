public import Features

/// A feature as a model knows it: enough to say a reason in words, without the code that computes it.
public struct FeatureDescription: Sendable, Hashable, Codable {
    public var name: String
    public var description: String
    /// With `{}` where the value goes.
    public var reason: String
    public var reasonIfZero: String?

    public init(name: String, description: String, reason: String, reasonIfZero: String? = nil) {
        self.name = name
        self.description = description
        self.reason = reason
        self.reasonIfZero = reasonIfZero
    }

    public init(_ definition: FeatureDefinition) {
        self.init(
            name: definition.name, description: definition.description, reason: definition.reason, reasonIfZero: definition.reasonIfZero)
    }

    /// The reason that a value gives.
    public func text(for value: Double) -> String {
        if value.isNaN { return "not known: \(description.prefix(1).lowercased())\(description.dropFirst())" }
        if value == 0, let reasonIfZero { return reasonIfZero }
        guard let hole else { return reason }
        let rest = reason[hole.upperBound...]
        let days = " days "
        if rest.hasPrefix(days) {
            return reason[..<hole.lowerBound] + FeatureDescription.span(days: value) + " " + rest.dropFirst(days.count)
        }
        return reason[..<hole.lowerBound] + FeatureDescription.format(value) + rest
    }

    /// Where in the reason the value goes. By bytes: to compare characters takes longer than all else about a reason.
    private var hole: Range<String.Index>? {
        var rest = reason.utf8[...]
        while let open = rest.firstIndex(of: UInt8(ascii: "{")) {
            let next = rest.index(after: open)
            rest = rest[next...]
            if rest.first == UInt8(ascii: "}") { return open..<rest.index(after: next) }
        }
        return nil
    }

    /// `3.5 days`, `5 hours`, `1 minute`: a time in days in the unit that reads best.
    private static func span(days: Double) -> String {
        for (unit, perDay) in [("day", 1.0), ("hour", 24.0)] where days * perDay >= 1 {
            let number = format(unit == "day" ? days : (days * perDay).rounded())
            return number == "1" ? "1 \(unit)" : "\(number) \(unit)s"
        }
        let minutes = format((days * 1440).rounded())
        return minutes == "1" ? "1 minute" : "\(minutes) minutes"
    }

    /// Three significant digits, at most two decimals, no exponent: `0.05`, `3.7`, `120`, `5716`.
    static func format(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e15 else { return value.isFinite ? "very much" : "\(value)" }
        let decimals = value.magnitude >= 100 ? 0 : value.magnitude >= 10 ? 1 : 2
        let factor: Double = decimals == 0 ? 1 : decimals == 1 ? 10 : 100
        let scaled = Int64((value.magnitude * factor).rounded())
        var text = String(scaled / Int64(factor))
        var rest = Int(scaled % Int64(factor))
        if rest > 0 {
            var digits = String(rest)
            digits = String(repeating: "0", count: decimals - digits.utf8.count) + digits
            while rest % 10 == 0 {
                rest /= 10
                digits.removeLast()
            }
            text += "." + digits
        }
        return value < 0 && scaled != 0 ? "-" + text : text
    }
}
