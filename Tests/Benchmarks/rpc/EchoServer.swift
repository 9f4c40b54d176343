import Contracts
import Foundation
import Logging
import RPC
import ServiceRuntime

/// Our side: the two methods that are measured, with everything on that a service of the suite has on.
enum EchoServer {
    struct Echoes: GRPCTesting.TestService.Handlers {
        func unaryCall(_ request: GRPCTesting.SimpleRequest, context: CallContext) async throws -> GRPCTesting.SimpleResponse {
            GRPCTesting.SimpleResponse(payload: request.payload)
        }

        func streamingOutputCall(
            _ request: GRPCTesting.StreamingOutputCallRequest, to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>,
            context: CallContext
        ) async throws {
            for parameters in request.responseParameters {
                let body = [UInt8](repeating: 0x78, count: Int(parameters.size))
                try await responses.write(GRPCTesting.StreamingOutputCallResponse(payload: GRPCTesting.Payload(body: body)))
            }
        }

        private static let absent = RPCError(.unimplemented, "not measured")
        func emptyCall(_ request: GRPCTesting.Empty, context: CallContext) async throws -> GRPCTesting.Empty { throw Self.absent }
        func cacheableUnaryCall(_ request: GRPCTesting.SimpleRequest, context: CallContext) async throws -> GRPCTesting.SimpleResponse {
            throw Self.absent
        }
        func streamingInputCall(
            _ requests: RequestStream<GRPCTesting.StreamingInputCallRequest>, context: CallContext
        ) async throws -> GRPCTesting.StreamingInputCallResponse { throw Self.absent }
        func fullDuplexCall(
            _ requests: RequestStream<GRPCTesting.StreamingOutputCallRequest>,
            to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>, context: CallContext
        ) async throws { throw Self.absent }
        func halfDuplexCall(
            _ requests: RequestStream<GRPCTesting.StreamingOutputCallRequest>,
            to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>, context: CallContext
        ) async throws { throw Self.absent }
        func unimplementedCall(_ request: GRPCTesting.Empty, context: CallContext) async throws -> GRPCTesting.Empty { throw Self.absent }
    }

    /// Prints the port, and serves until standard input ends.
    static func run(usesTLS: Bool, threads: Int) async throws {
        var logger = Logger(label: "bench")
        logger.logLevel = .warning
        var configuration = ServerConfiguration(threads: threads)
        if usesTLS {
            configuration.tls = TLSConfiguration(certificateChainFile: Peers.certificate, privateKeyFile: Peers.key)
        }
        let services: [any RPCService] = [Echoes()]
        let interceptors: [any ServerInterceptor] = [
            TracingInterceptor(), CallMetricsInterceptor(services: services, registry: MetricsRegistry()),
            AccessLogInterceptor(logger: logger),
        ]
        try await withServer(
            configuration, services: services, interceptors: interceptors, health: HealthRegistry(), logger: logger
        ) { server in
            announce(server.port)
            await Task.detached { while readLine() != nil {} }.value
        }
        exit(0)
    }
}
