/// Which sides of a call send a stream of messages instead of one.
public enum CallKind: Sendable, Hashable {
    case unary, clientStreaming, serverStreaming, bidirectional
}

/// What a method promises about being called more than once (`option idempotency_level`).
public enum Idempotency: Sendable, Hashable {
    /// Nothing; the call is repeated only if the server certainly did not see it.
    case none
    /// A read: may be repeated, hedged, and sent as HTTP GET.
    case noSideEffects
    /// A write that may be repeated.
    case idempotent
}

/// One method of a service, as generated code names it.
public struct MethodDescriptor: Sendable, Hashable {
    /// The service's full name, `vigil.ingestion.v1.IngestionService`.
    public let service: String
    /// The method's name, `SubmitTransaction`.
    public let name: String
    public let kind: CallKind
    public let idempotency: Idempotency
    /// The path on the wire, `/vigil.ingestion.v1.IngestionService/SubmitTransaction`.
    public let path: String

    public init(service: String, name: String, kind: CallKind, idempotency: Idempotency = .none) {
        self.service = service
        self.name = name
        self.kind = kind
        self.idempotency = idempotency
        self.path = "/\(service)/\(name)"
    }
}
