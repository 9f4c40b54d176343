import Contracts
import RPC

/// The server's side of gRPC's published interoperability tests.
///
/// Source: "gRPC Interop Test Case Descriptions", gRPC documentation.
struct InteropService: GRPCTesting.TestService.Handlers {
    func emptyCall(_ request: GRPCTesting.Empty, context: CallContext) async throws -> GRPCTesting.Empty {
        try echoMetadata(context)
        return GRPCTesting.Empty()
    }

    func unaryCall(_ request: GRPCTesting.SimpleRequest, context: CallContext) async throws -> GRPCTesting.SimpleResponse {
        try echoMetadata(context)
        try check(request.expectCompressed, context)
        try fail(request.responseStatus)
        if request.responseCompressed?.value == true { context.compressResponse() }
        return GRPCTesting.SimpleResponse(payload: payload(request.responseSize))
    }

    func cacheableUnaryCall(_ request: GRPCTesting.SimpleRequest, context: CallContext) async throws -> GRPCTesting.SimpleResponse {
        try await unaryCall(request, context: context)
    }

    func streamingOutputCall(
        _ request: GRPCTesting.StreamingOutputCallRequest, to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>,
        context: CallContext
    ) async throws {
        try fail(request.responseStatus)
        if request.responseParameters.contains(where: { $0.compressed?.value == true }) { context.compressResponse() }
        for parameters in request.responseParameters { try await respond(parameters, to: responses) }
    }

    func streamingInputCall(
        _ requests: RequestStream<GRPCTesting.StreamingInputCallRequest>, context: CallContext
    ) async throws -> GRPCTesting.StreamingInputCallResponse {
        var count = 0
        for try await request in requests {
            try check(request.expectCompressed, context)
            count += request.payload?.body.count ?? 0
        }
        return GRPCTesting.StreamingInputCallResponse(aggregatedPayloadSize: Int32(count))
    }

    func fullDuplexCall(
        _ requests: RequestStream<GRPCTesting.StreamingOutputCallRequest>,
        to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>, context: CallContext
    ) async throws {
        try echoMetadata(context)
        for try await request in requests {
            try fail(request.responseStatus)
            for parameters in request.responseParameters { try await respond(parameters, to: responses) }
        }
    }

    func halfDuplexCall(
        _ requests: RequestStream<GRPCTesting.StreamingOutputCallRequest>,
        to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>, context: CallContext
    ) async throws {
        var all: [GRPCTesting.StreamingOutputCallRequest] = []
        for try await request in requests { all.append(request) }
        for parameters in all.flatMap(\.responseParameters) { try await respond(parameters, to: responses) }
    }

    func unimplementedCall(_ request: GRPCTesting.Empty, context: CallContext) async throws -> GRPCTesting.Empty {
        throw RPCError(.unimplemented, "left out on purpose")
    }

    private func payload(_ count: Int32) -> GRPCTesting.Payload {
        GRPCTesting.Payload(body: [UInt8](repeating: 0, count: Int(count)))
    }

    private func respond(
        _ parameters: GRPCTesting.ResponseParameters, to responses: ResponseWriter<GRPCTesting.StreamingOutputCallResponse>
    ) async throws {
        // The published cases ask the server to take its time.
        if parameters.intervalUs > 0 { try await ContinuousClock().sleep(for: .microseconds(Int64(parameters.intervalUs))) }
        try await responses.write(
            GRPCTesting.StreamingOutputCallResponse(payload: payload(parameters.size)), compressed: parameters.compressed?.value ?? false)
    }

    private func fail(_ status: GRPCTesting.EchoStatus?) throws {
        guard let status, status.code != 0 else { return }
        throw RPCError(StatusCode(rawValue: Int(status.code)) ?? .unknown, status.message)
    }

    private func check(_ expected: GRPCTesting.BoolValue?, _ context: CallContext) throws {
        guard let expected, expected.value != context.requestWasCompressed else { return }
        throw RPCError(.invalidArgument, "the message was \(expected.value ? "not " : "")compressed")
    }

    private func echoMetadata(_ context: CallContext) throws {
        if let text = context.metadata["x-grpc-test-echo-initial"] {
            context.setInitialMetadata(["x-grpc-test-echo-initial": text])
        }
        if let bytes = context.metadata[bytes: "x-grpc-test-echo-trailing-bin"] {
            var trailing = Metadata()
            trailing[bytes: "x-grpc-test-echo-trailing-bin"] = bytes
            context.setTrailingMetadata(trailing)
        }
    }
}
