internal import Protobuf
internal import StandardContracts

/// `google.rpc.Status`, the form in which error details travel with gRPC.
enum StatusDetails {
    static func encode(_ error: RPCError) -> [UInt8] {
        let details = error.details.map { GoogleProtobuf.AnyMessage(typeURL: "type.googleapis.com/" + $0.typeName, value: $0.value) }
        return GoogleRPC.Status(code: Int32(error.code.rawValue), message: error.message, details: details).protobufBytes()
    }

    /// The details; none where the bytes are no status.
    static func decode(_ bytes: [UInt8]) -> [RPCError.Detail] {
        guard let status = try? GoogleRPC.Status(protobuf: bytes) else { return [] }
        return status.details.map { RPCError.Detail(typeName: $0.typeName, value: $0.value) }
    }
}

/// One fault of a request, as `google.rpc.BadRequest` tells it.
public struct FieldViolation: Sendable, Hashable {
    /// The path of the field, `transaction.amount.currency`.
    public let field: String
    /// What is wrong with it, for people.
    public let description: String

    public init(field: String, description: String) {
        self.field = field
        self.description = description
    }
}

extension RPCError {
    /// `invalidArgument` with a `google.rpc.BadRequest` that lists the faults.
    public static func invalidArgument(_ violations: [FieldViolation]) -> RPCError { refusal(.invalidArgument, of: violations) }

    /// Another status with the same detail: where the fields are right by themselves, and do not fit what is there.
    public static func refusal(_ code: StatusCode, of violations: [FieldViolation]) -> RPCError {
        let message = violations.map { $0.field.isEmpty ? $0.description : "\($0.field): \($0.description)" }.joined(separator: "; ")
        let details = GoogleRPC.BadRequest(
            fieldViolations: violations.map { GoogleRPC.BadRequest.FieldViolation(field: $0.field, description: $0.description) })
        return RPCError(code, message, details: [details])
    }

    /// The faults that an error lists; empty where it lists none.
    public var fieldViolations: [FieldViolation] {
        detail(GoogleRPC.BadRequest.self)?.fieldViolations.map { FieldViolation(field: $0.field, description: $0.description) } ?? []
    }

    /// A refusal for now that says when to come again: with a `google.rpc.RetryInfo`, and for those who speak HTTP in the field
    /// `retry-after`, in whole seconds (RFC 9110, 10.2.3).
    public static func resourceExhausted(_ message: String, retryAfter delay: Duration) -> RPCError {
        let (seconds, attoseconds) = delay.components
        let info = GoogleRPC.RetryInfo(
            retryDelay: GoogleProtobuf.Duration(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000)))
        let wholeSeconds = max(seconds + (attoseconds > 0 ? 1 : 0), 1)
        return RPCError(.resourceExhausted, message, details: [info], metadata: ["retry-after": String(wholeSeconds)])
    }

    /// When to come again, where the server said so.
    public var retryDelay: Duration? {
        detail(GoogleRPC.RetryInfo.self)?.retryDelay.map { .seconds($0.seconds) + .nanoseconds(Int64($0.nanos)) }
    }

    static func malformedRequest(_ error: ProtobufError) -> RPCError {
        .invalidArgument([FieldViolation(field: error.fieldPath ?? "", description: error.message)])
    }
}
