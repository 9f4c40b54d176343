import Contracts
import Protobuf
import RPC
import StandardContracts
import TestPrograms
import Testing

/// Health, reflection and the passing on of calls unread.
@Suite(.timeLimit(.minutes(1))) struct StandardServiceTests {
    private typealias Health = GRPCHealthV1.HealthCheckResponse
    private let check = MethodDescriptor(service: "grpc.health.v1.Health", name: "Check", kind: .unary)
    private let watch = MethodDescriptor(service: "grpc.health.v1.Health", name: "Watch", kind: .serverStreaming)

    private func withHealth<R>(
        _ registry: HealthRegistry, services: [any RPCService] = [], _ body: (RPCChannel) async throws -> R
    ) async throws -> R {
        try await withServer(ServerConfiguration(), services: services, health: registry, logger: testLogger) { server in
            try await withChannel(ChannelConfiguration(target: "http://\(server.address)"), logger: testLogger) { channel in
                try await body(channel)
            }
        }
    }

    @Test func healthTellsWhatWasSet() async throws {
        let registry = HealthRegistry()
        registry.set("test.Test", .notServing)
        try await withHealth(registry) { channel in
            func status(_ service: String) async throws -> Health.ServingStatus {
                let answer: Health = try await channel.unary(check, GRPCHealthV1.HealthCheckRequest(service: service))
                return answer.status
            }
            let whole = try await status("")
            let one = try await status("test.Test")
            #expect(whole == .serving)
            #expect(one == .notServing)
            let error = await #expect(throws: RPCError.self) { _ = try await status("test.Other") }
            #expect(error?.code == .notFound)
        }
    }

    @Test func aWatcherHearsOfEveryChangeItIsAwakeFor() async throws {
        let registry = HealthRegistry()
        let seen = try await withHealth(registry) { channel in
            try await channel.serverStreaming(watch, GRPCHealthV1.HealthCheckRequest(service: "test.Test")) {
                (responses: ResponseStream<Health>) in
                var seen: [Health.ServingStatus] = []
                for try await response in responses {
                    seen.append(response.status)
                    switch seen.count {
                    case 1: registry.set("test.Test", .serving)
                    case 2: registry.set("test.Test", .notServing)
                    default: return seen
                    }
                }
                return seen
            }
        }
        #expect(seen == [.serviceUnknown, .serving, .notServing])
    }

    @Test(arguments: ["v1", "v1alpha"]) func reflectionListsServicesAndDescribesSymbols(_ version: String) async throws {
        typealias Request = GRPCReflectionV1.ServerReflectionRequest
        typealias Response = GRPCReflectionV1.ServerReflectionResponse
        let method = MethodDescriptor(
            service: "grpc.reflection.\(version).ServerReflection", name: "ServerReflectionInfo", kind: .bidirectional)
        let answers = try await withHealth(HealthRegistry(), services: [UnimplementedTestService()]) { channel in
            try await channel.bidirectional(
                method,
                write: { writer in
                    try await writer.write(Request(messageRequest: .listServices("*")))
                    try await writer.write(Request(messageRequest: .fileContainingSymbol("grpc.testing.TestService")))
                    try await writer.write(Request(messageRequest: .fileContainingSymbol("grpc.testing.TestService.UnaryCall")))
                    try await writer.write(Request(messageRequest: .fileByFilename("grpc/testing/messages.proto")))
                    try await writer.write(Request(messageRequest: .fileContainingSymbol("no.Such")))
                },
                read: { (responses: ResponseStream<Response>) in
                    var answers: [Response] = []
                    for try await response in responses { answers.append(response) }
                    return answers
                })
        }
        try #require(answers.count == 5)
        guard case .listServicesResponse(let list)? = answers[0].messageResponse,
            case .fileDescriptorResponse(let files)? = answers[1].messageResponse,
            case .fileDescriptorResponse(let sameFiles)? = answers[2].messageResponse,
            case .fileDescriptorResponse(let messages)? = answers[3].messageResponse,
            case .errorResponse(let error)? = answers[4].messageResponse
        else {
            Issue.record("answers of other kinds")
            return
        }
        #expect(
            list.service.map(\.name) == ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.testing.TestService"])
        #expect(files == sameFiles)
        #expect(files.fileDescriptorProto.count == 3)
        #expect(messages.fileDescriptorProto.count == 1)
        #expect(error.errorCode == 5)
    }

    /// Passes everything on to another server.
    private func withGateway<R>(to target: RPCChannel, _ body: (RPCChannel, RunningServer) async throws -> R) async throws -> R {
        try await withServerAndChannel([], configure: { configuration in
            configuration.rawFallback = { call in
                try await target.forwardUnary(
                    path: call.path, contentType: call.contentType, body: call.body,
                    options: CallOptions(metadata: ["x-forwarded-by": "gateway"]))
            }
        }, body)
    }

    @Test func aGatewayPassesCallsOnInProtobufAndJSON() async throws {
        let whoForwarded = RPCMethod.unary(method("Who", .unary)) { (request: Echo, context: CallContext) async throws -> Reply in
            reply("\(request.text) by \(context.metadata["x-forwarded-by"] ?? "nobody")")
        }
        try await withServerAndChannel([whoForwarded]) { behind, _ in
            try await withGateway(to: behind) { channel, server in
                let answer: Reply = try await channel.unary(method("Who", .unary), request("hello"))
                #expect(answer.text == "hello by gateway")
                let (_, output) = try await runInBackground(
                    "/usr/bin/curl",
                    [
                        "-sS", "--http2-prior-knowledge", "-H", "content-type: application/json", "-d", "{}",
                        "http://\(server.address)/test.Test/Who",
                    ])
                // " by gateway" in base64.
                #expect(output == #"{"payload":{"body":"IGJ5IGdhdGV3YXk="}}"#)
            }
        }
    }

    @Test func aGatewayPassesErrorsOnWithTheirDetails() async throws {
        let refuse = RPCMethod.unary(method("Refuse", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            throw RPCError.resourceExhausted("later", retryAfter: .milliseconds(1500))
        }
        try await withServerAndChannel([refuse]) { behind, _ in
            try await withGateway(to: behind) { channel, _ in
                let error = await #expect(throws: RPCError.self) {
                    let _: Reply = try await channel.unary(method("Refuse", .unary), request(""))
                }
                #expect(error?.code == .resourceExhausted)
                #expect(error?.retryDelay == .milliseconds(1500))
            }
        }
    }
}

/// Answers nothing, but has a description.
struct UnimplementedTestService: RPCService {
    let serviceName = "grpc.testing.TestService"
    let methods: [RPCMethod] = []
    var fileDescriptors: [[UInt8]] { FileDescriptor.grpcTestingTest.withDependencies.map(\.serialized) }
}
