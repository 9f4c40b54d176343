/// One thing wrong with a record from outside.
public struct Violation: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field's path in the record, as the contract names it: `event_time`, `amount.currency`, `suspect_account_ids[2]`.
    public var field: String
    /// What is wrong, in words that go on from the field's name: `is in the future`.
    public var reason: String

    public init(field: String, reason: String) {
        self.field = field
        self.reason = reason
    }

    public var description: String { "\(field) \(reason)" }

    /// The same violation seen from the record that holds this one under `parent`.
    public func within(_ parent: String) -> Violation { Violation(field: field.isEmpty ? parent : "\(parent).\(field)", reason: reason) }
}

/// How large the parts of a record may be.
public enum RecordLimits {
    public static let maxIdentifierBytes = 128
    public static let maxNameBytes = 256
    public static let maxTextBytes = 1_024
    public static let maxSuspectAccounts = 64
    public static let maxAttributes = 32
    public static let maxPolygonRings = 1_000
    public static let maxPolygonVertices = 20_000
    public static let maxReasons = 32
    /// 10^15 minor units, and in no currency more than 10^13 major ones: ten trillion euros or yen. More is a fault in the data.
    public static let maxAmountMinorUnits: Int64 = 1_000_000_000_000_000
    public static let maxAmountMajorUnits: Int64 = 10_000_000_000_000

    @inline(__always)
    public static func isTooLarge(_ amount: Money) -> Bool {
        amount.minorUnits > maxAmountMinorUnits || amount.minorUnits > maxAmountMajorUnits * amount.currency.minorUnitsPerMajor
    }
    /// How far a sender's clock may run ahead of ours.
    public static let maxClockSkew = TimeSpan.minutes(10)
    /// 1990-01-01T00:00:00Z. An earlier time is a fault in the data, most often an empty field read as zero.
    public static let earliestTime = Timestamp(microseconds: 631_152_000_000_000)
    /// How far ahead something planned, such as a festival, may end.
    public static let maxPlanAhead = TimeSpan.days(3 * 366)
}

/// Collects what is wrong with the fields of one record.
struct Checker {
    private(set) var violations: [Violation] = []
    let now: Timestamp

    init(now: Timestamp) { self.now = now }

    mutating func fail(_ field: @autoclosure () -> String, _ reason: String) {
        violations.append(Violation(field: field(), reason: reason))
    }

    mutating func identifier(_ field: @autoclosure () -> String, _ value: String?) {
        guard var value else { return }
        word(field(), value)
        if let lost = value.withUTF8({ LostIdentifier($0) }) { fail(field(), lost.reason) }
    }

    /// What is one of a few, and no name of its own.
    mutating func word(_ field: @autoclosure () -> String, _ value: String) {
        guard let first = value.unicodeScalars.first, let last = value.unicodeScalars.last else { return fail(field(), "is empty") }
        // With and without one would be two.
        if isBlank(first) || isBlank(last) { fail(field(), "begins or ends with a space, or with what takes no room") }
        text(field(), value, maxBytes: RecordLimits.maxIdentifierBytes)
    }

    /// An account's number, in any form; what is written as an IBAN must be one.
    mutating func account(_ field: @autoclosure () -> String, _ value: String?) {
        guard let value else { return }
        identifier(field(), value)
        if IBAN.hasForm(value), IBAN(value) == nil { fail(field(), "is an IBAN with wrong check digits") }
    }

    mutating func text(_ field: @autoclosure () -> String, _ value: String?, maxBytes: Int = RecordLimits.maxTextBytes) {
        guard let value else { return }
        if value.utf8.count > maxBytes { fail(field(), "is longer than \(maxBytes) bytes") }
        if hasControlCharacter(value) { fail(field(), "contains a control character") }
    }

    /// A time that has come to pass: not before 1990, and not in the future beyond what a clock may be wrong.
    mutating func pastTime(_ field: @autoclosure () -> String, _ value: Timestamp?) {
        guard let value else { return }
        if value < RecordLimits.earliestTime { fail(field(), "is before 1990-01-01") }
        if value > now + RecordLimits.maxClockSkew { fail(field(), "is in the future") }
    }

    mutating func plannedTime(_ field: @autoclosure () -> String, _ value: Timestamp?) {
        guard let value else { return }
        if value < RecordLimits.earliestTime { fail(field(), "is before 1990-01-01") }
        if value > now + RecordLimits.maxPlanAhead { fail(field(), "is more than three years ahead") }
    }

    /// Zero is allowed: card verifications are transactions of amount zero. A refund is a transaction of its own kind, not a negative one.
    mutating func amount(_ field: @autoclosure () -> String, _ value: Money?) {
        guard let value else { return }
        if value.minorUnits < 0 { fail(field() + ".minor_units", "is negative") }
        if RecordLimits.isTooLarge(value) { fail(field() + ".minor_units", "is too large") }
    }

    mutating func place(_ field: @autoclosure () -> String, _ value: Coordinate?) {
        guard let value else { return }
        if !(-90...90).contains(value.latitude) { fail(field() + ".latitude", "is not between -90 and 90") }
        if !(-180...180).contains(value.longitude) { fail(field() + ".longitude", "is not between -180 and 180") }
    }

    private func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII ? scalar == " " : scalar.properties.isWhitespace || scalar == "\u{200B}" || scalar == "\u{FEFF}"
    }

    private func hasControlCharacter(_ text: String) -> Bool {
        text.utf8.withContiguousStorageIfAvailable(Self.holdsControlCharacter) ?? Self.holdsControlCharacter(text.utf8)
    }

    @inline(__always)
    private static func holdsControlCharacter(_ text: some Sequence<UInt8>) -> Bool {
        var previous: UInt8 = 0
        for byte in text {
            // C0 and DEL are one byte; C1 (U+0080…U+009F) is C2 80…9F in UTF-8.
            if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return true }
            previous = byte
        }
        return false
    }
}
