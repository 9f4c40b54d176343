internal import Protobuf

/// `google.rpc.Status`, the form in which error details travel with gRPC.
enum StatusDetails {
    static func encode(_ error: RPCError) -> [UInt8] { [] }
    static func decode(_ bytes: [UInt8]) -> [RPCError.Detail] { [] }
}
/// One fault of a request, as `google.rpc.BadRequest.FieldViolation` tells it.
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
    static func malformedRequest(_ error: ProtobufError) -> RPCError { RPCError(.invalidArgument, error.message) }
}
