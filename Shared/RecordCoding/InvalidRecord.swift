public import RPC
public import Records

/// A message that is no valid record, with everything that is wrong with it.
public struct InvalidRecord: Error, Sendable, Hashable, CustomStringConvertible {
    public var violations: [Violation]

    public init(_ violations: [Violation]) {
        self.violations = violations
    }

    public var description: String { violations.map(\.description).joined(separator: "; ") }

    /// As INVALID_ARGUMENT, or another status, with `google.rpc.BadRequest`, the fields seen from the request that holds the record.
    public func rpcError(_ code: StatusCode = .invalidArgument, within field: String) -> RPCError {
        .refusal(
            code,
            of: violations.map { violation in
                let outer = violation.within(field)
                return FieldViolation(field: outer.field, description: outer.reason)
            })
    }
}

/// Reads the fields of one message, and collects what is wrong instead of stopping at the first fault.
struct FieldReader {
    /// Whether a sender is to be asked for what he leaves out of an amount, a place or a label. What was stored before is taken as it was then:
    /// zero, and no fraud.
    let isIncoming: Bool
    private(set) var violations: [Violation] = []

    init(isIncoming: Bool = false) { self.isIncoming = isIncoming }

    mutating func fail(_ field: String, _ reason: String) {
        violations.append(Violation(field: field, reason: reason))
    }

    mutating func said<Value>(_ field: String, _ value: Value?, orElse unsaid: Value) -> Value {
        if value == nil, isIncoming { fail(field, "is missing") }
        return value ?? unsaid
    }

    mutating func required<Message, Value>(_ field: String, _ message: Message?, _ read: (Message, inout FieldReader) -> Value?) -> Value? {
        guard let message else {
            fail(field, "is missing")
            return nil
        }
        return optional(field, message, read)
    }

    /// Reads a message inside this one; what is wrong with it is told under its name.
    mutating func optional<Message, Value>(_ field: String, _ message: Message?, _ read: (Message, inout FieldReader) -> Value?) -> Value? {
        guard let message else { return nil }
        var inner = FieldReader(isIncoming: isIncoming)
        let value = read(message, &inner)
        violations += inner.violations.map { $0.within(field) }
        return value
    }

    /// Nil for an empty one.
    mutating func merchantCategoryCode(_ text: String) -> MerchantCategoryCode? {
        let code = MerchantCategoryCode(text)
        if code == nil, !text.isEmpty { fail("merchant_category_code", "is not four digits") }
        return code
    }

    mutating func bic(_ field: String, _ text: String) -> BIC? {
        let code = BIC(text)
        if code == nil, !text.isEmpty { fail(field, "is not a BIC of ISO 9362") }
        return code
    }

    mutating func present(_ field: String, _ text: String) -> String {
        // Spaces alone name nothing; an earlier version stored them.
        if text.isEmpty || isIncoming && text.utf8.allSatisfy({ $0 == 0x20 }) { fail(field, "is missing") }
        return text
    }
}

/// The empty string is the contracts' word for nothing.
func nonEmpty(_ text: String) -> String? { text.isEmpty ? nil : text }
