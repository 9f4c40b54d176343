import Contracts
import Foundation
import TestPrograms
import Testing

@testable import RPC

@Suite(.serialized, .timeLimit(.minutes(1))) struct TLSTests {
    private let certificates: TestCertificates
    private let server: (certificate: String, key: String)

    init() throws {
        certificates = try TestCertificates()
        server = try certificates.make("server")
    }

    private func tls(_ change: (inout TLSConfiguration) -> Void = { _ in }) -> TLSConfiguration {
        var configuration = TLSConfiguration(
            certificateChainFile: server.certificate, privateKeyFile: server.key, trustRootsFile: certificates.authority)
        change(&configuration)
        return configuration
    }

    private let whoAmI = RPCMethod.unary(method("WhoAmI", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
        let certificate = context.peer.certificate
        return reply([certificate?.commonName ?? "nobody", certificate?.dnsNames.joined(separator: ",") ?? ""].joined(separator: "|"))
    }

    @Test func theServersCertificateIsVerifiedAndACallPasses() async throws {
        try await withServerAndChannel([echo], configure: { $0.tls = tls() }, configureChannel: { configuration in
            configuration.tls = TLSClientConfiguration(trustRootsFile: certificates.authority)
        }) { channel, _ in
            let big = String(repeating: "z", count: 500_000)
            let answer: Reply = try await channel.unary(method("Echo", .unary), request(big))
            #expect(answer.text == big)
        }
    }

    @Test func aServerOfAnotherAuthorityIsRefused() async throws {
        let others = try TestCertificates()
        try await withServerAndChannel([echo], configure: { $0.tls = tls() }, configureChannel: { configuration in
            configuration.tls = TLSClientConfiguration(trustRootsFile: others.authority)
        }) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary), request(""))
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("certificate refused") == true)
        }
    }

    @Test func aServerOfAnotherNameIsRefused() async throws {
        try await withServerAndChannel([echo], configure: { $0.tls = tls() }, configureChannel: { configuration in
            configuration.tls = TLSClientConfiguration(trustRootsFile: certificates.authority, serverName: "bank.example")
        }) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary), request(""))
            }
            #expect(error?.message.contains("hostname mismatch") == true)
        }
    }

    @Test func theClientsCertificateTellsTheHandlerWhoCalls() async throws {
        let client = try certificates.make("feature-store", names: "DNS:features.internal,URI:spiffe://vigil/features")
        try await withServerAndChannel(
            [whoAmI], configure: { $0.tls = tls { $0.clientCertificates = .required } },
            configureChannel: { configuration in
                configuration.tls = TLSClientConfiguration(
                    trustRootsFile: certificates.authority, clientCertificateChainFile: client.certificate,
                    clientPrivateKeyFile: client.key)
            }
        ) { channel, _ in
            let answer: Reply = try await channel.unary(method("WhoAmI", .unary), request(""))
            #expect(answer.text == "feature-store|features.internal")
        }
    }

    @Test(arguments: [ClientCertificates.required, .requested])
    func aCallerWithoutCertificateIsServedOnlyWhereItMay(rule: ClientCertificates) async throws {
        try await withServerAndChannel(
            [whoAmI], configure: { $0.tls = tls { $0.clientCertificates = rule } },
            configureChannel: { $0.tls = TLSClientConfiguration(trustRootsFile: certificates.authority) }
        ) { channel, _ in
            let result = await Result {
                let answer: Reply = try await channel.unary(method("WhoAmI", .unary), request(""))
                return answer.text
            }
            let expected = rule == .requested ? "nobody|" : nil
            #expect((try? result.get()) == expected)
        }
    }

    @Test func aReloadedCertificateIsShownToNewConnections() async throws {
        try await withServerAndChannel([echo], configure: { $0.tls = tls() }) { _, running in
            func serial() async throws -> String {
                let connect = "openssl s_client -connect 127.0.0.1:\(running.port) -alpn h2"
                return try await runInBackground("/bin/sh", ["-c", "echo | \(connect) 2>/dev/null | openssl x509 -noout -serial"]).output
            }
            let first = try await serial()
            _ = try certificates.make("server")
            #expect(try await serial() == first)
            try running.reloadCertificates()
            let second = try await serial()
            #expect(second.hasPrefix("serial=") && second != first)
        }
    }

    @Test(arguments: ["--http1.1", "--no-alpn"])
    func aCallerThatSpeaksHTTP1GetsRoutesAnswered(option: String) async throws {
        let whoAmI = HTTPRoute("GET", "/") { .text($0.peer.certificate?.commonName ?? "nobody") }
        let client = try certificates.make("map-program")
        try await withServerAndChannel([echo], routes: [whoAmI], configure: { $0.tls = tls { $0.clientCertificates = .required } }) { _, running in
            let arguments = [
                "-sS", "-i", "--http1.1", option, "--cacert", certificates.authority, "--cert", client.certificate, "--key", client.key,
                "https://localhost:\(running.port)/",
            ]
            let (status, output) = try await runInBackground("/usr/bin/curl", arguments)
            #expect(status == 0 && output.hasPrefix("HTTP/1.1 200 OK\r\n") && output.hasSuffix("map-program"), "\(output)")
            let posted = try await runInBackground("/usr/bin/curl", arguments + ["--data", "a=b"]).output
            #expect(posted.hasPrefix("HTTP/1.1 405 Method Not Allowed\r\n"), "the route takes GET alone: \(posted)")
        }
    }

    @Test func aCallerThatOffersNothingKnownIsRefusedInTheHandshake() async throws {
        try await withServerAndChannel([echo], configure: { $0.tls = tls() }) { _, running in
            let (status, output) = try await runInBackground(
                "/bin/sh", ["-c", "echo | openssl s_client -connect 127.0.0.1:\(running.port) -alpn spdy/3 2>&1"])
            #expect(status != 0)
            #expect(output.contains("no application protocol"))
        }
    }

    @Test func tls12IsRefusedUnlessConfigured() async throws {
        func handshake(_ minimum: TLSVersion) async throws -> String {
            try await withServerAndChannel([echo], configure: { $0.tls = tls { $0.minimumVersion = minimum } }) { _, running in
                try await runInBackground(
                    "/bin/sh", ["-c", "echo | openssl s_client -connect 127.0.0.1:\(running.port) -alpn h2 -tls1_2 2>&1"]
                ).output
            }
        }
        #expect(try await handshake(.tls13).contains("protocol version"))
        #expect(try await handshake(.tls12).contains("TLSv1.2"))
    }

    @Test func filesThatDoNotFitAreNamed() throws {
        let other = try certificates.make("other")
        let error = #expect(throws: RPCSetupError.self) { _ = try TLSContext(server: tls { $0.privateKeyFile = other.key }) }
        #expect(error?.code == .invalidTLSFiles)
        #expect(error?.message.contains("other.key") == true)
        #expect(throws: RPCSetupError.self) { _ = try TLSContext(server: tls { $0.certificateChainFile = "/nowhere.pem" }) }
    }

    @Test func sessionsShakeHandsByteByByte() throws {
        let client = try TLSSession(
            client: TLSContext(client: TLSClientConfiguration(trustRootsFile: certificates.authority), host: "localhost"))
        let peer = TLSSession(server: try TLSContext(server: tls()))
        try client.start()
        var received: [UInt8] = []
        func move(_ from: TLSSession, _ to: TLSSession) throws {
            var bytes = [UInt8](repeating: 0, count: from.outputByteCount)
            let count = bytes.withUnsafeMutableBytes { from.takeOutput(into: $0) }
            for byte in bytes.prefix(count) {
                try [byte].withUnsafeBytes { byte in try to.receive(byte) { received += Array($0) } }
            }
        }
        for _ in 0..<4 {
            try move(client, peer)
            try move(peer, client)
        }
        #expect(client.isEstablished && peer.isEstablished)
        #expect(client.applicationProtocol == "h2")
        #expect(client.protocolVersion == "TLSv1.3")
        try Array("secret".utf8).withUnsafeBytes { try client.write($0) }
        try move(client, peer)
        #expect(received == Array("secret".utf8))
    }

    @Test func garbageEndsATLSSessionWithAReason() throws {
        let peer = TLSSession(server: try TLSContext(server: tls()))
        #expect(throws: TLSError.self) {
            try Array("GET / HTTP/1.1\r\n\r\n".utf8).withUnsafeBytes { bytes in try peer.receive(bytes) { _ in } }
        }
    }
}

extension Result where Failure == any Error {
    init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
