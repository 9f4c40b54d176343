public import Protobuf

/// A call that failed: what a handler throws to answer with a status, and what a client's call throws.
///
/// ```swift
/// throw RPCError(.notFound, "no such account")
/// ```
public struct RPCError: Error, Sendable, Hashable {
    /// One entry of `google.rpc.Status.details`: a packed message.
    public struct Detail: Sendable, Hashable {
        /// The message's full name, `google.rpc.BadRequest`.
        public let typeName: String
        /// The message's wire format.
        public let value: [UInt8]

        public init(typeName: String, value: [UInt8]) {
            self.typeName = typeName
            self.value = value
        }

        public init(_ message: some Message) {
            self.init(typeName: type(of: message).fullName, value: message.protobufBytes())
        }
    }

    public var code: StatusCode
    /// For people; shown to the peer, so it names no secret.
    public var message: String
    /// For programs, such as `google.rpc.BadRequest` or `google.rpc.RetryInfo`.
    public var details: [Detail]
    /// Trailing metadata.
    public var metadata: Metadata

    public init(_ code: StatusCode, _ message: String, details: [any Message] = [], metadata: Metadata = [:]) {
        self.init(code, message, packedDetails: details.map { Detail($0) }, metadata: metadata)
    }

    public init(_ code: StatusCode, _ message: String, packedDetails: [Detail], metadata: Metadata = [:]) {
        self.code = code
        self.message = message
        self.details = packedDetails
        self.metadata = metadata
    }

    /// The first detail of a type; nil where there is none or it is malformed.
    public func detail<M: Message>(_ type: M.Type = M.self) -> M? {
        for detail in details where detail.typeName == M.fullName {
            if let message = try? M(protobuf: detail.value) { return message }
        }
        return nil
    }
}

extension RPCError: CustomStringConvertible {
    public var description: String { "\(code.name): \(message)" }
}

/// An error that says itself what it means for a caller, so that a handler may throw it as it is.
public protocol RPCErrorConvertible: Error {
    var rpcError: RPCError { get }
}

extension RPCError {
    /// The status that an error of any kind becomes on the wire. What does not say that says nothing of its inside.
    init(handlerError error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let error as any RPCErrorConvertible: self = error.rpcError
        case is CancellationError: self.init(.cancelled, "the call was cancelled")
        default: self.init(.unknown, "the service failed")
        }
    }
}

/// A server or channel that could not be set up or kept: configuration, files, sockets. Not the failure of one call.
public struct RPCSetupError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// A certificate, key or trust file cannot be read or does not fit.
        case invalidTLSFiles
        /// The address cannot be listened on.
        case cannotListen
        /// The target of a channel is no URL that a channel can call.
        case invalidTarget
        /// Two services or routes claim the same path.
        case duplicatePath
    }

    public let code: Code
    /// Names the file, address or path.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
