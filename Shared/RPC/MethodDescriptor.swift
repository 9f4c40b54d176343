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
    /// Every call hands its method around, so it is one reference.
    private final class Content: Sendable {
        let service: String
        let name: String
        let kind: CallKind
        let idempotency: Idempotency
        let path: String

        init(service: String, name: String, kind: CallKind, idempotency: Idempotency) {
            self.service = service
            self.name = name
            self.kind = kind
            self.idempotency = idempotency
            path = "/\(service)/\(name)"
        }
    }

    private let content: Content

    public init(service: String, name: String, kind: CallKind, idempotency: Idempotency = .none) {
        content = Content(service: service, name: name, kind: kind, idempotency: idempotency)
    }

    /// The service's full name, `vigil.ingestion.v1.IngestionService`.
    public var service: String { content.service }
    /// The method's name, `SubmitTransaction`.
    public var name: String { content.name }
    public var kind: CallKind { content.kind }
    public var idempotency: Idempotency { content.idempotency }
    /// The path on the wire, `/vigil.ingestion.v1.IngestionService/SubmitTransaction`.
    public var path: String { content.path }

    public static func == (left: Self, right: Self) -> Bool {
        left.content === right.content
            || (left.path == right.path && left.kind == right.kind && left.idempotency == right.idempotency)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(path) }
}
