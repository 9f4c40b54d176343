public import Protobuf

/// A service that a server offers. Generated code supplies everything but the handlers.
public protocol RPCService: Sendable {
    /// The full name, `vigil.ingestion.v1.IngestionService`.
    var serviceName: String { get }
    var methods: [RPCMethod] { get }
    /// Serialized `google.protobuf.FileDescriptorProto`s, dependencies first, for reflection.
    var fileDescriptors: [[UInt8]] { get }
}

/// Where a handler runs.
public enum HandlerExecution: Sendable, Hashable {
    /// On its connection's event loop: no thread changes hands. For handlers that compute for microseconds and
    /// otherwise wait.
    case loop
    /// On the global pool: for handlers that compute for long, which would hold up the loop's other connections.
    case offLoop
}

/// A method with its handler, the types erased. A class, because every call hands it around.
public final class RPCMethod: Sendable {
    enum Implementation: Sendable {
        /// From the request's bytes to the response's, in the call's coding and with its envelope.
        case unary(@Sendable ([UInt8], Range<Int>, MessageCoding, CallContext) async throws -> [UInt8])
        case streaming(@Sendable (CallStream, MessageCoding, CallContext) async throws -> Void)
    }

    /// Every call of a method holds it, so it is one reference.
    private final class Content: Sendable {
        let descriptor: MethodDescriptor
        let execution: HandlerExecution
        let implementation: Implementation

        init(_ descriptor: MethodDescriptor, _ execution: HandlerExecution, _ implementation: Implementation) {
            self.descriptor = descriptor
            self.execution = execution
            self.implementation = implementation
        }
    }

    private let content: Content

    public var descriptor: MethodDescriptor { content.descriptor }
    public var execution: HandlerExecution { content.execution }
    var implementation: Implementation { content.implementation }

    private init(descriptor: MethodDescriptor, execution: HandlerExecution, implementation: Implementation) {
        content = Content(descriptor, execution, implementation)
    }

    /// One message in, one out.
    public static func unary<Request: Message, Response: Message>(
        _ descriptor: MethodDescriptor, on execution: HandlerExecution = .loop,
        _ handler: @escaping @Sendable (Request, CallContext) async throws -> Response
    ) -> RPCMethod {
        RPCMethod(
            descriptor: descriptor, execution: execution,
            implementation: .unary { bytes, range, coding, context in
                let request = try bytes.withUnsafeBytes {
                    try coding.decodeRequest(Request.self, UnsafeRawBufferPointer(rebasing: $0[range]))
                }
                let response = try await handler(request, context)
                return try coding.encode(response, compressed: context.compresses)
            })
    }

    /// One message in, a stream out, which ends when the handler returns.
    public static func serverStreaming<Request: Message, Response: Message>(
        _ descriptor: MethodDescriptor, on execution: HandlerExecution = .loop,
        _ handler: @escaping @Sendable (Request, ResponseWriter<Response>, CallContext) async throws -> Void
    ) -> RPCMethod {
        RPCMethod(
            descriptor: descriptor, execution: execution,
            implementation: .streaming { call, coding, context in
                let request: Request = try await onlyRequest(of: call, coding)
                try await handler(request, ResponseWriter(call: call, coding: coding, response: context.response), context)
            })
    }

    /// A stream in, one message out.
    public static func clientStreaming<Request: Message, Response: Message>(
        _ descriptor: MethodDescriptor, on execution: HandlerExecution = .loop,
        _ handler: @escaping @Sendable (RequestStream<Request>, CallContext) async throws -> Response
    ) -> RPCMethod {
        RPCMethod(
            descriptor: descriptor, execution: execution,
            implementation: .streaming { call, coding, context in
                let response = try await handler(RequestStream(call: call, coding: coding), context)
                try await call.send(try coding.encode(response, compressed: context.compresses))
            })
    }

    /// A stream in and a stream out, independent of each other.
    public static func bidirectional<Request: Message, Response: Message>(
        _ descriptor: MethodDescriptor, on execution: HandlerExecution = .loop,
        _ handler: @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, CallContext) async throws -> Void
    ) -> RPCMethod {
        RPCMethod(
            descriptor: descriptor, execution: execution,
            implementation: .streaming { call, coding, context in
                try await handler(
                    RequestStream(call: call, coding: coding),
                    ResponseWriter(call: call, coding: coding, response: context.response), context)
            })
    }

    private static func onlyRequest<Request: Message>(of call: CallStream, _ coding: MessageCoding) async throws -> Request {
        guard let bytes = try await call.nextMessage() else {
            throw RPCError(.invalidArgument, "the call ended without a request message")
        }
        let request = try bytes.withUnsafeBytes { try coding.decodeRequest(Request.self, $0) }
        guard try await call.nextMessage() == nil else {
            throw RPCError(.invalidArgument, "the call sent more than one request message")
        }
        return request
    }
}
