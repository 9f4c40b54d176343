/// JSON numbers. The proto3 mapping takes each as a number or as a string, integers also as `1.0` or `1e3`.
extension JSONReader {
    public mutating func readInt32() throws -> Int32 { try readInteger(as: "a 32-bit integer") }
    public mutating func readUInt32() throws -> UInt32 { try readInteger(as: "an unsigned 32-bit integer") }
    public mutating func readInt64() throws -> Int64 { try readInteger(as: "a 64-bit integer") }
    public mutating func readUInt64() throws -> UInt64 { try readInteger(as: "an unsigned 64-bit integer") }

    public mutating func readDouble() throws -> Double {
        let text = try readNumberText()
        if let special = nonFinite(text) { return special }
        guard JSONNumber(text) != nil, let value = Double(text), value.isFinite else { throw invalid("expected a number in range") }
        return value
    }

    public mutating func readFloat() throws -> Float {
        let text = try readNumberText()
        if let special = nonFinite(text) { return Float(special) }
        guard JSONNumber(text) != nil, let value = Float(text), value.isFinite else { throw invalid("expected a number in range") }
        return value
    }

    /// An enum's value, by name or by number.
    ///
    /// - Returns: nil where the name is not known and unknown fields are passed over.
    public mutating func readEnum<E: ProtobufEnum>(_ type: E.Type = E.self) throws -> E? {
        guard try peekKind() == .string else { return E(rawValue: try readInt32()) }
        let name = try readString()
        if let value = E(name: name) { return value }
        if let number = Int32(name) { return E(rawValue: number) }
        if options.refusesUnknownFields { throw invalid("no such value of \(E.fullName)") }
        return nil
    }

    /// A map's key that is an integer.
    public func integerKey<I: FixedWidthInteger>(_ text: String, _ type: I.Type = I.self) throws -> I {
        guard let number = JSONNumber(text), let value = number.integer(I.self) else { throw invalid("expected an integer as the name") }
        return value
    }

    /// A map's key that is a boolean.
    public func boolKey(_ text: String) throws -> Bool {
        switch text {
        case "true": return true
        case "false": return false
        default: throw invalid("expected true or false as the name")
        }
    }

    private mutating func readInteger<I: FixedWidthInteger>(as kind: String) throws -> I {
        let text = try readNumberText()
        guard let number = JSONNumber(text), let value = number.integer(I.self) else { throw invalid("expected \(kind)") }
        return value
    }

    private func nonFinite(_ text: String) -> Double? {
        switch text {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: nil
        }
    }
}

/// The parts of a number in JSON's grammar.
struct JSONNumber {
    var isNegative = false
    /// All digits, before and after the point.
    var digits: [UInt8] = []
    /// How many of them stand after the point.
    var fractionDigits = 0
    var exponent = 0

    /// Nil where `text` is no JSON number.
    init?(_ text: String) {
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "-") {
            isNegative = true
            rest.removeFirst()
        }
        let whole = Self.takeDigits(&rest)
        guard !whole.isEmpty, whole.count == 1 || whole[0] != 0 else { return nil }
        digits = whole
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            let fraction = Self.takeDigits(&rest)
            guard !fraction.isEmpty else { return nil }
            digits += fraction
            fractionDigits = fraction.count
        }
        if let mark = rest.first, mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") {
            rest.removeFirst()
            let sign = rest.first
            if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest.removeFirst() }
            let power = Self.takeDigits(&rest)
            guard !power.isEmpty else { return nil }
            // Beyond a million no number of ours differs any more.
            let magnitude = power.reduce(0) { min($0 * 10 + Int($1), 1_000_000) }
            exponent = sign == UInt8(ascii: "-") ? -magnitude : magnitude
        }
        guard rest.isEmpty else { return nil }
    }

    private static func takeDigits(_ rest: inout Substring.UTF8View) -> [UInt8] {
        let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        rest = rest[digits.endIndex...]
        return digits.map { $0 - UInt8(ascii: "0") }
    }

    /// The number as an integer; nil where it has a fraction or does not fit.
    func integer<I: FixedWidthInteger>(_ type: I.Type) -> I? {
        let shift = exponent - fractionDigits
        let kept = shift < 0 ? digits.dropLast(-shift) : digits[...]
        guard shift >= 0 || digits.suffix(-shift).allSatisfy({ $0 == 0 }) else { return nil }
        var value: I = 0
        for digit in kept {
            guard append(digit, to: &value) else { return nil }
        }
        guard shift > 0, value != 0 else { return value }
        // Twenty zeros already overflow 64 bits.
        guard shift <= 20 else { return nil }
        for _ in 0..<shift {
            guard append(0, to: &value) else { return nil }
        }
        return value
    }

    /// Appends a decimal digit, away from zero; false on overflow.
    private func append<I: FixedWidthInteger>(_ digit: UInt8, to value: inout I) -> Bool {
        let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = isNegative ? shifted.subtractingReportingOverflow(I(digit)) : shifted.addingReportingOverflow(I(digit))
        value = sum
        return !overflow && !carry
    }
}
