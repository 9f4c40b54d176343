/// One service: its methods, the protocol that a server implements, and the client.
struct ServiceGenerator {
    let names: TypeNames
    let service: ServiceSchema
    let namespace: String
    let fileDescriptor: String

    private var name: String { SwiftName.type(SwiftName.lastPart(service.fullName)) }

    func write(to writer: inout SourceWriter) {
        writer.block("extension \(namespace)") { writer in
            writer.documentation(service.comment, otherwise: "`\(service.fullName)`")
            writer.block("public enum \(name)") { writer in
                writer.line("public static let fullName = \"\(service.fullName)\"")
                writer.line()
                writeMethods(to: &writer)
                writer.line()
                writeHandlers(to: &writer)
                writer.line()
                writeClient(to: &writer)
            }
        }
        writer.line()
        writeRegistration(to: &writer)
    }

    private func kind(_ method: ServiceSchema.Method) -> String {
        switch (method.streamsInput, method.streamsOutput) {
        case (false, false): "unary"
        case (true, false): "clientStreaming"
        case (false, true): "serverStreaming"
        case (true, true): "bidirectional"
        }
    }

    private func idempotency(_ method: ServiceSchema.Method) -> String {
        switch method.idempotency {
        case .none: ".none"
        case .noSideEffects: ".noSideEffects"
        case .idempotent: ".idempotent"
        }
    }

    private func writeMethods(to writer: inout SourceWriter) {
        writer.line("/// What each method is called on the wire.")
        writer.block("public enum Methods") { writer in
            for method in service.methods {
                writer.line("public static let \(SwiftName.quoted(SwiftName.method(method.name))) = MethodDescriptor(")
                writer.line(
                    "    service: fullName, name: \"\(method.name)\", kind: .\(kind(method)), idempotency: \(idempotency(method)))")
            }
            let all = service.methods.map { SwiftName.quoted(SwiftName.method($0.name)) }.joined(separator: ", ")
            writer.line("public static var all: [MethodDescriptor] { [\(all)] }")
        }
    }

    // MARK: Server

    private func writeHandlers(to writer: inout SourceWriter) {
        writer.line("/// What a server implements; an instance of it is what the server is given.")
        writer.block("public protocol Handlers: RPCService") { writer in
            for method in service.methods {
                writer.documentation(method.comment)
                writer.line(requirement(method))
            }
        }
    }

    private func requirement(_ method: ServiceSchema.Method) -> String {
        let input = names.swift(method.input)
        let output = names.swift(method.output)
        let request = method.streamsInput ? "_ requests: RequestStream<\(input)>" : "_ request: \(input)"
        let head = "func \(SwiftName.quoted(SwiftName.method(method.name)))(\(request), "
        return method.streamsOutput
            ? head + "to responses: ResponseWriter<\(output)>, context: CallContext) async throws"
            : head + "context: CallContext) async throws -> \(output)"
    }

    private func writeRegistration(to writer: inout SourceWriter) {
        writer.block("extension \(namespace).\(name).Handlers") { writer in
            writer.line("public var serviceName: String { \(namespace).\(name).fullName }")
            writer.line()
            writer.line("public var fileDescriptors: [[UInt8]] { FileDescriptor.\(fileDescriptor).withDependencies.map(\\.serialized) }")
            writer.line()
            writer.block("public var methods: [RPCMethod]") { writer in
                writer.line("[")
                writer.indented { writer in
                    for method in service.methods { writeRegistration(method, to: &writer) }
                }
                writer.line("]")
            }
        }
    }

    private func writeRegistration(_ method: ServiceSchema.Method, to writer: inout SourceWriter) {
        let name = SwiftName.quoted(SwiftName.method(method.name))
        let input = names.swift(method.input)
        let output = names.swift(method.output)
        let request = method.streamsInput ? "requests: RequestStream<\(input)>" : "request: \(input)"
        let requestName = method.streamsInput ? "requests" : "request"
        writer.line(".\(kind(method))(\(namespace).\(self.name).Methods.\(name)) {")
        writer.indented { writer in
            if method.streamsOutput {
                writer.line("(\(request), responses: ResponseWriter<\(output)>, context: CallContext) async throws -> Void in")
                writer.line("try await self.\(name)(\(requestName), to: responses, context: context)")
            } else {
                writer.line("(\(request), context: CallContext) async throws -> \(output) in")
                writer.line("try await self.\(name)(\(requestName), context: context)")
            }
        }
        writer.line("},")
    }

    // MARK: Client

    private func writeClient(to writer: inout SourceWriter) {
        writer.line("/// Calls the service over a channel.")
        writer.block("public struct Client: Sendable") { writer in
            writer.line("private let channel: RPCChannel")
            writer.line()
            writer.line("public init(_ channel: RPCChannel) { self.channel = channel }")
            for method in service.methods {
                writer.line()
                writer.documentation(method.comment)
                writeCall(method, to: &writer)
            }
        }
    }

    private func writeCall(_ method: ServiceSchema.Method, to writer: inout SourceWriter) {
        let name = SwiftName.quoted(SwiftName.method(method.name))
        let input = names.swift(method.input)
        let output = names.swift(method.output)
        let options = "options: CallOptions = CallOptions()"
        switch (method.streamsInput, method.streamsOutput) {
        case (false, false):
            writer.block("public func \(name)(_ request: \(input), \(options)) async throws -> \(output)") { writer in
                writer.line("try await channel.unary(Methods.\(name), request, options: options)")
            }
        case (true, false):
            writer.line("public func \(name)(")
            writer.line("    \(options), _ write: (RequestWriter<\(input)>) async throws -> Void")
            writer.block(") async throws -> \(output)") { writer in
                writer.line("try await channel.clientStreaming(Methods.\(name), options: options, write)")
            }
        case (false, true):
            writer.line("public func \(name)<R>(")
            writer.line("    _ request: \(input), \(options),")
            writer.line("    _ read: (ResponseStream<\(output)>) async throws -> R")
            writer.block(") async throws -> R") { writer in
                writer.line("try await channel.serverStreaming(Methods.\(name), request, options: options, read)")
            }
        case (true, true):
            writer.line("public func \(name)<R: Sendable>(")
            writer.line("    \(options), write: @escaping @Sendable (RequestWriter<\(input)>) async throws -> Void,")
            writer.line("    read: (ResponseStream<\(output)>) async throws -> R")
            writer.block(") async throws -> R") { writer in
                writer.line("try await channel.bidirectional(Methods.\(name), options: options, write: write, read: read)")
            }
        }
    }
}
