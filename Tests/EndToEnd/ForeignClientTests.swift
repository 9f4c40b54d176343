import Foundation
import Testing

extension EndToEnd {
    /// Clients that know nothing of ours but the published contracts.
    @Suite("Foreign clients")
    struct ForeignClientTests {
        /// A Python with grpcio, if there is one.
        private static let python: String? = ["/usr/bin/python3", "/usr/bin/env python3"].lazy
            .map { $0.split(separator: " ").map(String.init) }
            .first { words in
                let process = Process()
                process.executableURL = URL(fileURLWithPath: words[0])
                process.arguments = words.dropFirst() + ["-c", "import grpc, grpc_tools"]
                process.standardError = FileHandle.nullDevice
                guard (try? process.run()) != nil else { return false }
                process.waitUntilExit()
                return process.terminationStatus == 0
            }?.joined(separator: " ")

        private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

        @Test(.enabled(if: python != nil, "python3 has no grpcio and grpcio-tools"), .timeLimit(.minutes(3)))
        func pythonSubmitsATransactionAndReadsTheOutcome() async throws {
            let python = try #require(Self.python).split(separator: " ").map(String.init)
            try await RunningSuite.with { suite in
                let connection = try suite.connection()
                let token = try await suite.bankToken()
                let script = "\(Self.root)/Tests/EndToEnd/Clients/submit_transaction.py"
                let target = connection.url("ingestion-gateway").replacingOccurrences(of: "https://", with: "")
                let result = try await Program.run(
                    python[0], python.dropFirst() + [script, "\(Self.root)/Protos", target, connection.trust, token, "py-1"])
                try #require(result.status == 0, "\(result.errors)")
                let answer = try result.json()
                let first = try #require(answer["first"] as? [String: Any])
                let second = try #require(answer["second"] as? [String: Any])
                #expect(first["outcome"] as? String == "OUTCOME_ACCEPTED")
                #expect(second["outcome"] as? String == "OUTCOME_DUPLICATE")
                #expect(first["decision"] is [String: Any])
                #expect(answer["refusal"] as? String == "INVALID_ARGUMENT")
                #expect(answer["anonymous"] as? String == "UNAUTHENTICATED")
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func curlSubmitsATransactionAndReadsTheOutcome() async throws {
            try await RunningSuite.with { suite in
                let connection = try suite.connection()
                let token = try await suite.bankToken()
                let time = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: -60))
                let body = """
                    {"transaction": {"key": {"transactionId": "curl-1"}, "eventTime": "\(time)", "customerId": "customer-1", \
                    "terminalId": "terminal-1", "channel": "CHANNEL_POS", "amount": {"minorUnits": "125050", "currency": "INR"}}}
                    """
                let url = connection.url("ingestion-gateway") + "/vigil.ingestion.v1.IngestionService/SubmitTransaction"
                let arguments = ["--http2", "--silent", "--show-error", "--cacert", connection.trust, "--json", body, url]
                let accepted = try await Program.run("/usr/bin/curl", arguments + ["--header", "authorization: Bearer \(token)"])
                #expect(accepted.status == 0, "\(accepted.errors)")
                #expect(try accepted.json()["outcome"] as? String == "OUTCOME_ACCEPTED")
                #expect(try accepted.json()["decision"] is [String: Any])

                let refused = try await Program.run("/usr/bin/curl", arguments)
                #expect(try refused.json()["code"] as? String == "unauthenticated")

                let bad = body.replacingOccurrences(of: "INR", with: "RUP")
                let invalid = try await Program.run(
                    "/usr/bin/curl", arguments.map { $0 == body ? bad : $0 } + ["--header", "authorization: Bearer \(token)"])
                #expect(try invalid.json()["code"] as? String == "invalid_argument")
                #expect(try invalid.json()["details"] is [Any])
            }
        }
    }
}
