import Contracts
import Foundation
import Logging
import RPC
import Testing

// The example of the module's documentation (Shared/RPC/README.md): what is between the marks stands there word by word.

// example begins
struct Echoes: RPCService {
    static let echo = MethodDescriptor(service: "example.Echoes", name: "Echo", kind: .unary)

    let serviceName = "example.Echoes"
    let fileDescriptors: [[UInt8]] = []
    let methods: [RPCMethod] = [
        .unary(echo) { (request: GRPCTesting.SimpleRequest, context: CallContext) in
            guard let payload = request.payload else {
                throw RPCError.invalidArgument([FieldViolation(field: "payload", description: "is missing")])
            }
            return GRPCTesting.SimpleResponse(payload: payload, username: context.peer.address)
        }
    ]
}

func runExample(logger: Logger) async throws -> [UInt8] {
    let configuration = ServerConfiguration(host: "127.0.0.1", port: 0)
    let hello = HTTPRoute("GET", "/hello/{name}") { .text("hello \($0.pathParameters["name"] ?? "")") }
    return try await withServer(
        configuration, services: [Echoes()], routes: [hello], health: HealthRegistry(), logger: logger
    ) { server in
        try await withChannel(ChannelConfiguration(target: "http://\(server.address)"), logger: logger) { channel in
            let request = GRPCTesting.SimpleRequest(payload: GRPCTesting.Payload(body: [1, 2, 3]))
            let response: GRPCTesting.SimpleResponse = try await channel.unary(
                Echoes.echo, request, options: CallOptions(timeout: .seconds(5)))
            return response.payload?.body ?? []
        }
    }
}
// example ends

@Suite(.timeLimit(.minutes(1))) struct ExampleTests {
    @Test func theDocumentationShowsThisExample() throws {
        let here = URL(fileURLWithPath: #filePath)
        let source = try String(contentsOf: here, encoding: .utf8)
        let example = source.components(separatedBy: "// example begins\n")[1].components(separatedBy: "\n// example ends")[0]
        let readme = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Shared/RPC/README.md")
        #expect(try String(contentsOf: readme, encoding: .utf8).contains(example))
    }

    @Test func theDocumentationsExampleRuns() async throws {
        #expect(try await runExample(logger: testLogger) == [1, 2, 3])
    }
}
