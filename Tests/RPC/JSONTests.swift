import Contracts
import Foundation
import Protobuf
import RPC
import TestPrograms
import Testing

/// What curl sees: JSON and plain HTTP.
@Suite(.serialized, .timeLimit(.minutes(1))) struct JSONTests {
    private let refuse = RPCMethod.unary(method("Refuse", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
        throw RPCError.invalidArgument([FieldViolation(field: "payload", description: "\"quoted\"")])
    }

    private let count = RPCMethod.serverStreaming(method("Count", .serverStreaming)) {
        (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
        for number in 0..<3 { try await responses.write(reply("\(number)")) }
    }

    private func curl(_ arguments: String...) async throws -> String {
        try await curl(arguments)
    }

    private func curl(_ arguments: [String]) async throws -> String {
        let (status, output) = try await runInBackground(
            "/usr/bin/curl", ["-sS", "--http2-prior-knowledge", "--max-time", "20"] + arguments)
        #expect(status == 0, "\(output)")
        return output
    }

    @Test func aUnaryCallInJSON() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "-w", " %{http_code} %{content_type}", "-H", "content-type: application/json", "-d", #"{"payload":{"body":"aGVsbG8="}}"#,
                "http://\(server.address)/test.Test/Echo")
            #expect(output == #"{"payload":{"body":"aGVsbG8="}} 200 application/json"#)
        }
    }

    @Test func aReadInJSONByGET() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "--get", "--data-urlencode", #"message={"payload":{"body":"aGVsbG8="}}"#, "-d", "encoding=json",
                "http://\(server.address)/test.Test/Echo")
            #expect(output == #"{"payload":{"body":"aGVsbG8="}}"#)
        }
    }

    @Test(arguments: [
        ("", "unimplemented", 415), ("?encoding=xml&message=%7B%7D", "unimplemented", 415), ("?encoding=json", "invalid_argument", 400),
        ("?encoding=json&message=AAAA&base64=1&compression=gzip", "invalid_argument", 400),
        ("?encoding=json&message=%7B%7D&compression=br", "unimplemented", 501),
    ])
    func aReadByGETThatCannotBeReadIsRefused(_ query: String, _ code: String, _ status: Int) async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl("-w", " %{http_code}", "http://\(server.address)/test.Test/Echo\(query)")
            #expect(output.hasPrefix(#"{"code":"\#(code)""#) && output.hasSuffix(" \(status)"), "\(output)")
        }
    }

    @Test func theSpellingOfAMediaTypeDoesNotMatter() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "-H", "content-type: Application/JSON ; Charset=UTF-8", "-d", "{}", "http://\(server.address)/test.Test/Echo")
            #expect(output == "{}")
        }
    }

    @Test func brokenGzipIsTheCallersFault() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "-w", " %{http_code}", "-H", "content-type: application/json", "-H", "content-encoding: gzip", "-d", "{}",
                "http://\(server.address)/test.Test/Echo")
            #expect(output.hasPrefix(#"{"code":"invalid_argument""#) && output.hasSuffix(" 400"), "\(output)")
        }
    }

    @Test func anErrorInJSONHasConnectsForm() async throws {
        try await withServerAndChannel([refuse]) { _, server in
            let output = try await curl(
                "-w", " %{http_code}", "-H", "content-type: application/json", "-d", "{}", "http://\(server.address)/test.Test/Refuse")
            let start = #"{"code":"invalid_argument","message":"payload: \"quoted\"","details":[{"type":"google.rpc.BadRequest","value":""#
            #expect(output.hasPrefix(start))
            #expect(output.hasSuffix(" 400"))
        }
    }

    @Test func brokenJSONIsTheCallersFault() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "-w", " %{http_code}", "-H", "content-type: application/json", "-d", "{", "http://\(server.address)/test.Test/Echo")
            #expect(output.hasPrefix(#"{"code":"invalid_argument""#) && output.hasSuffix(" 400"))
        }
    }

    @Test(arguments: [
        (#"{"nonsense":1}"#, "nonsense"), (#"{"payload":{"body":"","extra":{}}}"#, "payload.extra"),
        (#"{"responseSize":1,"responseSize":2}"#, "response_size"), (#"{"responseSize":1,"response_size":2}"#, "response_size"),
    ])
    func aTypingErrorInJSONIsNamedByItsPath(_ body: String, _ path: String) async throws {
        try await withServerAndChannel([echo]) { _, server in
            let output = try await curl(
                "-w", " %{http_code}", "-H", "content-type: application/json", "-d", body, "http://\(server.address)/test.Test/Echo")
            #expect(output.hasPrefix(#"{"code":"invalid_argument","message":"\#(path): "#) && output.hasSuffix(" 400"))
        }
    }

    @Test(arguments: [1001, 5 << 20])
    func aBodyAboveTheLimitIsAnsweredInConnectsForm(_ byteCount: Int) async throws {
        let body = FileManager.default.temporaryDirectory.appending(path: "body-\(UUID().uuidString)")
        try Data(repeating: UInt8(ascii: " "), count: byteCount).write(to: body)
        defer { try? FileManager.default.removeItem(at: body) }
        try await withServerAndChannel([echo], configure: { $0.limits.maxMessageBytes = 1000 }) { _, server in
            let output = try await curl(
                "-w", " %{http_code}", "-H", "content-type: application/json", "--data-binary", "@\(body.path)",
                "http://\(server.address)/test.Test/Echo")
            #expect(output == #"{"code":"resource_exhausted","message":"the request is larger than the 1000 bytes allowed"} 429"#)
        }
    }

    @Test func aMethodCalledInAnotherWayIsToldHow() async throws {
        try await withServerAndChannel([echo, count]) { _, server in
            func status(_ arguments: String...) async throws -> String {
                try await curl(["-w", " %{http_code} %header{allow}"] + arguments)
            }
            let url = "http://\(server.address)/test.Test"
            let byPut = try await status("-X", "PUT", "\(url)/Echo")
            #expect(byPut == #"{"code":"unimplemented","message":"a method is called by GET, POST, not by PUT"} 405 GET, POST"#)
            let byGet = try await status("\(url)/Count")
            #expect(byGet == #"{"code":"unimplemented","message":"a method is called by POST, not by GET"} 405 POST"#)
            let asForm = try await status("-d", "a=1", "\(url)/Echo")
            let form = "application/x-www-form-urlencoded"
            let advice = "a method does not take \(form): send application/json"
            #expect(asForm == #"{"code":"unimplemented","message":"\#(advice)"} 415 "#)
            let misspelt = try await status("-H", "content-type: application/json", "-d", "{}", "\(url)/Ecko")
            #expect(misspelt == #"{"code":"unimplemented","message":"there is no method /test.Test/Ecko"} 404 "#)
        }
    }

    @Test func aServerStreamInJSONEndsWithAnEndMessage() async throws {
        try await withServerAndChannel([count]) { _, server in
            let output = try await curl(
                "-H", "content-type: application/connect+json", "--data-binary", "@/dev/null", "-X", "POST",
                "http://\(server.address)/test.Test/Count")
            // Without a request message the stream ends with an error, in the last envelope.
            #expect(output.contains(#"{"error":{"code":"invalid_argument""#))
        }
    }

    @Test func routesAnswerWithPathQueryAndBody() async throws {
        let route = HTTPRoute("POST", "/things/{id}") { request in
            .text("\(request.pathParameters["id"] ?? "") \(request.query("q") ?? "") \(request.body.count)", status: 201)
        }
        try await withServerAndChannel([], routes: [route]) { channel, server in
            let output = try await curl("-w", " %{http_code}", "-d", "12345", "http://\(server.address)/things/a%20b?q=x%26y")
            #expect(output == "a b x&y 5 201")
            let response = try await channel.http(HTTPRequest(method: "POST", path: "/things/7", query: [("q", "ü")], body: [1, 2]))
            #expect(String(decoding: response.bytes, as: UTF8.self) == "7 ü 2")
        }
    }

    @Test func whatIsNotThereIs404AndOtherMethodsAre405() async throws {
        let route = HTTPRoute("GET", "/here") { _ in .text("yes") }
        try await withServerAndChannel([], routes: [route]) { channel, _ in
            let missing = try await channel.http(HTTPRequest(path: "/there"))
            #expect(missing.status == 404 && missing.headers["content-type"] == "application/json")
            #expect(String(decoding: missing.bytes, as: UTF8.self).hasPrefix("{\"code\":\""))
            let refused = try await channel.http(HTTPRequest(method: "DELETE", path: "/here"))
            #expect(refused.status == 405)
            #expect(refused.headers["allow"] == "GET, HEAD")
            let head = try await channel.http(HTTPRequest(method: "HEAD", path: "/here"))
            #expect(head.status == 200 && head.bytes.isEmpty && head.headers["content-length"] == "3")
        }
    }

    @Test func aUnaryMethodTakesProtobufWithoutAnEnvelope() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            func post(_ path: String) async throws -> HTTPResponse {
                try await channel.http(HTTPRequest(
                    method: "POST", path: path, headers: ["content-type": "application/proto"], body: request("as it is").protobufBytes()))
            }
            let answer = try await post("/test.Test/Echo")
            #expect(answer.status == 200 && answer.headers["content-type"] == "application/proto")
            let reply = try answer.bytes.withUnsafeBytes { try Reply(protobuf: $0) }
            #expect(reply.text == "as it is")
            #expect(try await post("/test.Test/Other").status == 404)
        }
    }

    @Test func aBodyAboveTheRoutesLimitIs413() async throws {
        let route = HTTPRoute("POST", "/small", maxBodyBytes: 10) { _ in .text("yes") }
        try await withServerAndChannel([], routes: [route]) { channel, _ in
            let response = try await channel.http(HTTPRequest(method: "POST", path: "/small", body: [UInt8](repeating: 0, count: 100_000)))
            #expect(response.status == 413)
        }
    }

    @Test func serverSentEventsArriveOneByOne() async throws {
        let next = Signal()
        let route = HTTPRoute("GET", "/live") { _ in
            HTTPResponse(headers: ["content-type": "text/event-stream"], body: .stream { writer in
                for number in 0..<3 {
                    try await writer.writeEvent(name: "tick", data: "\(number)", id: "\(number)")
                    await next.wait()
                }
            })
        }
        try await withServerAndChannel([], routes: [route]) { channel, _ in
            let events = try await channel.withHTTPStream(HTTPRequest(path: "/live")) { response, body in
                #expect(response.headers["content-type"] == "text/event-stream")
                var events: [String] = []
                for try await chunk in body {
                    events.append(String(decoding: chunk, as: UTF8.self))
                    next.fire()
                }
                return events
            }
            #expect(events == (0..<3).map { "event: tick\nid: \($0)\ndata: \($0)\n\n" })
        }
    }
}
