import Foundation
import Synchronization
import TestPrograms
import Testing

@testable import RPC

/// Requests over HTTP/1.1, from a client that speaks nothing else.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HTTP1Tests {
    private let hello = HTTPRoute("GET", "/hello/{name}") { request in
        let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        return .text("\(request.pathParameters["name"] ?? "") \(query) \(request.headers["x-tag"] ?? "")")
    }
    private let stream = HTTPRoute("GET", "/stream") { _ in
        HTTPResponse(body: .stream { writer in
            for index in 0..<3 { try await writer.write("part \(index)\n") }
        })
    }
    private let script = Array(String(repeating: "let answer = 42\n", count: 200).utf8)

    private func curl(_ arguments: [String]) async throws -> String {
        let (status, output) = try await runInBackground("/usr/bin/curl", ["-sS", "--http1.1", "--max-time", "20"] + arguments)
        #expect(status == 0, "\(output)")
        return output
    }

    /// Sends text to a server and collects what it answers, until it closes or the text is there.
    private func answer(_ server: RunningServer, to text: String, until end: String? = nil) async throws -> String {
        let bytes = try await exchange(server, Array(text.utf8)) { received in
            end.map { String(decoding: received, as: UTF8.self).contains($0) } ?? false
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func getAndHeadAreAnsweredOnOneConnection() async throws {
        try await withServerAndChannel([], routes: [hello]) { _, server in
            let address = "http://\(server.address)/hello"
            let output = try await curl(["-H", "x-tag: t", "-w", "[%{num_connects}]", "\(address)/a?q=%20b", "\(address)/c"])
            #expect(output == "a q= b t[1]c  t[0]")
            let head = try await curl(["--head", "\(address)/a"])
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 3\r\n"))
            let missing = try await curl(["-i", "http://\(server.address)/nothing"])
            #expect(missing.hasPrefix("HTTP/1.1 404 Not Found\r\n") && missing.contains("there is nothing at this path"))
        }
    }

    @Test func aFileComesCompressedOrNotAtAll() async throws {
        var files = StaticFiles()
        files.add("app.js", script)
        try await withServerAndChannel([], routes: [files.route("/{path*}")]) { _, server in
            let address = "http://\(server.address)/app.js"
            let plain = try await curl([address])
            #expect(plain.utf8.elementsEqual(script))
            for coding in ["gzip", "br"] {
                let expanded = try await curl(["--compressed", "-H", "accept-encoding: \(coding)", address])
                #expect(expanded == plain)
                let head = try await curl(["--head", "-H", "accept-encoding: \(coding)", address])
                #expect(head.contains("content-encoding: \(coding)\r\n"))
            }
            let output = try await curl(["-w", "[%header{etag}]", "-o", "/dev/null", address])
            let tag = output.dropFirst().dropLast()
            let held = try await curl(["-i", "-H", "if-none-match: \(tag)", "-w", "[%{num_connects}]", address, address])
            #expect(held.components(separatedBy: "HTTP/1.1 304 Not Modified\r\n").count == 3 && held.hasSuffix("\r\n\r\n[0]"))
        }
    }

    @Test func aBodyOfUnknownLengthComesInChunks() async throws {
        try await withServerAndChannel([], routes: [stream]) { _, server in
            let output = try await curl(["-i", "-w", "[%{num_connects}]", "http://\(server.address)/stream", "http://\(server.address)/stream"])
            #expect(output.contains("transfer-encoding: chunked\r\n") && output.hasSuffix("part 0\npart 1\npart 2\n[0]"))
        }
    }

    @Test func aBodyThatFailsIsCutOff() async throws {
        let seen = Signal()
        let broken = HTTPRoute("GET", "/broken") { _ in
            HTTPResponse(body: .stream { writer in
                try await writer.write("begun")
                await seen.wait()
                throw RPCError(.internal, "it broke")
            })
        }
        try await withServerAndChannel([], routes: [broken]) { _, server in
            let bytes = try await exchange(server, Array("GET /broken HTTP/1.1\r\nhost: a\r\n\r\n".utf8)) { received in
                if String(decoding: received, as: UTF8.self).hasSuffix("begun\r\n") { seen.fire() }
                return false
            }
            // Closed without the chunk of no bytes that ends a body.
            #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("\r\n\r\n5\r\nbegun\r\n"))
        }
    }

    @Test func eventsComeAsTheyAreWrittenAndTheirHandlerEndsWithTheConnection() async throws {
        let gone = Signal()
        let live = HTTPRoute("GET", "/live") { _ in
            HTTPResponse(headers: ["content-type": "text/event-stream"], body: .stream { writer in
                try await writer.writeEvent(data: "first")
                await untilCancelled()
                gone.fire()
            })
        }
        try await withServerAndChannel([], routes: [live]) { _, server in
            let output = try await answer(server, to: "GET /live HTTP/1.1\r\nhost: a\r\n\r\n", until: "data: first\n\n")
            #expect(output.contains("content-type: text/event-stream\r\n"))
            await gone.wait()
        }
    }

    @Test func aSlowReaderHoldsTheHandlerBack() async throws {
        let written = Counter()
        let endless = HTTPRoute("GET", "/endless") { _ in
            HTTPResponse(body: .stream { writer in
                let piece = [UInt8](repeating: 7, count: 64 << 10)
                while true {
                    try await writer.write(piece)
                    written.increase()
                }
            })
        }
        try await withServerAndChannel([], routes: [endless, hello]) { _, server in
            // Reads nothing for as long as another connection takes to get twenty answers, a thousand times over.
            let script = """
                import socket, sys
                peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                peer.sendall(b"GET /endless HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
                other = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
                for number in range(2000):
                    other.sendall(b"GET /hello/a HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
                    answer = b""
                    while not answer.endswith(b"a  "): answer += other.recv(4096)
                """
            let (status, output) = try await runInBackground("/usr/bin/python3", ["-c", script, "\(server.port)"])
            #expect(status == 0, "\(output)")
            // Windows, sockets' buffers: some mebibytes; without holding back it would be hundreds.
            #expect(written.value > 0 && written.value < 512)
        }
    }

    @Test func requestsSentAheadAreAnsweredInOrder() async throws {
        try await withServerAndChannel([], routes: [hello, stream]) { _, server in
            let ahead = ["/hello/a", "/stream", "/hello/b"].map { "GET \($0) HTTP/1.1\r\nhost: h\r\n\r\n" }.joined()
            let output = try await answer(server, to: ahead + "GET /hello/c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            let bodies = output.components(separatedBy: "\r\n\r\n")
            #expect(bodies.count == 6 && output.components(separatedBy: "HTTP/1.1 200 OK").count == 5, "\(output)")
            #expect(output.hasSuffix("connection: close\r\n\r\nc  "))
        }
    }

    @Test func aBodyComesWithItsRequest() async throws {
        let form = HTTPRoute("POST", "/form", maxBodyBytes: 4 << 20) { request in
            .text("\(request.body.count) \(request.headers["content-type"] ?? "")")
        }
        try await withServerAndChannel([echo], routes: [form, hello]) { _, server in
            let address = "http://\(server.address)/form"
            // Above a mebibyte curl asks whether it may send; the connection is kept.
            for size in [0, 1, 70_000, 2 << 20] {
                let file = FileManager.default.temporaryDirectory.appending(path: "body-\(UUID())")
                defer { try? FileManager.default.removeItem(at: file) }
                try Data(repeating: 7, count: size).write(to: file)
                let output = try await curl(["-w", "[%{num_connects}]", "--data-binary", "@\(file.path)", address, address])
                #expect(output == "\(size) application/x-www-form-urlencoded[1]\(size) application/x-www-form-urlencoded[0]")
            }
            let message = #"{"payload":{"body":"aGVsbG8="}}"#
            let json = try await curl(["-H", "content-type: application/json", "-d", message, "http://\(server.address)/test.Test/Echo"])
            #expect(json == message)
            let ahead = "POST /form HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabcGET /hello/b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
            let output = try await answer(server, to: ahead)
            #expect(output.contains("\r\n\r\n3 ") && output.hasSuffix("b  "), "\(output)")
        }
    }

    @Test func anAnswerBeforeTheBodyIsWholeEndsTheConnection() async throws {
        try await withServerAndChannel([], routes: [hello]) { _, server in
            let output = try await answer(server, to: "POST /nothing HTTP/1.1\r\nhost: h\r\ncontent-length: 300000\r\n\r\nabc")
            #expect(output.hasPrefix("HTTP/1.1 404 Not Found\r\n") && output.contains("connection: close\r\n"), "\(output)")
        }
    }

    @Test func aBodyThatDoesNotComeIsGivenUp() async throws {
        let form = HTTPRoute("POST", "/form") { request in .text("\(request.body.count)") }
        try await withServerAndChannel([], routes: [form], configure: { $0.limits.handshakeTimeoutSeconds = 1 }) { _, server in
            let output = try await answer(server, to: "POST /form HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc")
            #expect(output.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"), "\(output)")
        }
    }

    /// What must not be served, and the status that says so.
    struct Refused: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let status: Int
        let request: String

        init(_ description: String, _ status: Int, _ line: String, _ fields: String, end: String = "\r\n") {
            testDescription = description
            self.status = status
            request = line + end + fields + end
        }
    }

    static let refused = [
        Refused("another method", 505, "GOT /hello/a HTTP/1.1", "host: a\r\ncontent-length: 0\r\n"),
        Refused("a body of two lengths", 400, "POST /hello/a HTTP/1.1", "host: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n"),
        Refused("a body of a negative length", 400, "POST /hello/a HTTP/1.1", "host: a\r\ncontent-length: -1\r\n"),
        Refused("a body of no length", 411, "POST /hello/a HTTP/1.1", "host: a\r\ntransfer-encoding: chunked\r\n"),
        Refused("a body without end", 413, "POST /hello/a HTTP/1.1", "host: a\r\ncontent-length: 99999999999999999999\r\n"),
        Refused("an older version", 505, "GET /hello/a HTTP/1.0", "host: a\r\n"),
        Refused("gRPC", 505, "GET /test.Test/Echo HTTP/1.1", "host: a\r\ncontent-type: application/grpc\r\n"),
        Refused("no host", 400, "GET /hello/a HTTP/1.1", ""),
        Refused("two hosts", 400, "GET /hello/a HTTP/1.1", "host: a\r\nhost: b\r\n"),
        Refused("no path", 400, "GET hello HTTP/1.1", "host: a\r\n"),
        Refused("a path with a control character", 400, "GET /hello/\u{1} HTTP/1.1", "host: a\r\n"),
        Refused("bare line feeds", 400, "GET /hello/a HTTP/1.1", "host: a\n", end: "\n"),
        Refused("a space before a colon", 400, "GET /hello/a HTTP/1.1", "host: a\r\nx : y\r\n"),
        Refused("a folded field", 400, "GET /hello/a HTTP/1.1", "host: a\r\nx: y\r\n z\r\n"),
        Refused("a body", 400, "GET /hello/a HTTP/1.1", "host: a\r\ncontent-length: 3\r\n"),
        Refused("a body in chunks", 411, "GET /hello/a HTTP/1.1", "host: a\r\ntransfer-encoding: chunked\r\n"),
        Refused("a long path", 414, "GET /\(String(repeating: "a", count: 9000)) HTTP/1.1", "host: a\r\n"),
        Refused("a large field", 431, "GET /hello/a HTTP/1.1", "host: a\r\nx: \(String(repeating: "b", count: 40_000))\r\n"),
        Refused("many fields", 431, "GET /hello/a HTTP/1.1", "host: a\r\n" + String(repeating: "x: y\r\n", count: 2000)),
    ]

    @Test(arguments: refused) func whatIsNotServedIsRefusedWithItsReason(_ refused: Refused) async throws {
        try await withServerAndChannel([echo], routes: [hello]) { _, server in
            let output = try await answer(server, to: refused.request, until: "\r\n\r\n")
            #expect(output.hasPrefix("HTTP/1.1 \(refused.status) ") && output.contains("connection: close\r\n"), "\(output)")
        }
    }

    @Test func aRefusedRequestEndsItsConnectionOnly() async throws {
        try await withServerAndChannel([echo], routes: [hello]) { channel, server in
            // The second request would be the first one's body to a reader that is less strict.
            let smuggled = "GET /hello/a HTTP/1.1\r\nhost: a\r\ncontent-length: 44\r\n\r\nGET /hello/b HTTP/1.1\r\nhost: a\r\n\r\n"
            let output = try await answer(server, to: smuggled)
            #expect(output.components(separatedBy: "connection: ").count == 2 && output.hasSuffix("no body here\n"), "\(output)")
            let alive: Reply = try await channel.unary(method("Echo", .unary), request("alive"))
            #expect(alive.text == "alive")
        }
    }

    @Test func aSlowSenderIsToldThatItsTimeIsUp() async throws {
        try await withServerAndChannel([], routes: [hello], configure: { $0.limits.handshakeTimeoutSeconds = 1 }) { _, server in
            for before in ["", "GET /hello/a HTTP/1.1\r\nhost: a\r\n\r\n"] {
                let output = try await answer(server, to: before + "GET /hello/b HTTP/1.1\r\nhost:")
                #expect(output.contains("HTTP/1.1 408 Request Timeout\r\n"), "\(output)")
            }
        }
    }

    @Test func tooMuchSentAheadEndsTheConnection() async throws {
        let waits = HTTPRoute("GET", "/waits") { _ in
            await untilCancelled()
            return HTTPResponse()
        }
        try await withServerAndChannel([], routes: [waits]) { _, server in
            let ahead = String(repeating: "GET /waits HTTP/1.1\r\nhost: a\r\n\r\n", count: 2000)
            let output = try await answer(server, to: ahead)
            #expect(output == "")
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        try await withServerAndChannel([], routes: [hello], configure: { $0.limits.idleTimeoutSeconds = 1 }) { _, server in
            let output = try await answer(server, to: "GET /hello/a HTTP/1.1\r\nhost: a\r\n\r\n")
            #expect(output.hasSuffix("a  "))
        }
    }

    @Test func aServerThatEndsFinishesWhatItHasBegun() async throws {
        let (begun, ending) = (Signal(), Signal())
        let slow = HTTPRoute("GET", "/slow") { _ in
            begun.fire()
            await ending.wait()
            return .text("done")
        }
        let output = try await withServerAndChannel([], routes: [slow]) { _, server in
            async let output = answer(server, to: "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
            await begun.wait()
            async let drained: Void = server.drain(timeout: .seconds(5))
            while await !server.connections().contains(where: \.isDraining) { await Task.yield() }
            ending.fire()
            await drained
            return try await output
        }
        #expect(output.contains("connection: close\r\n") && output.hasSuffix("done"), "\(output)")
    }

    @Test func interceptorsRunRoundTheseRequestsToo() async throws {
        struct Watcher: PromptServerInterceptor {
            let seen: Lines
            func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher? {
                let line = "\(call.route) \(call.metadata["x-tag"] ?? "")"
                return CallFinisher { [seen] outcome in seen.add("\(line) \(outcome.httpStatus)") }
            }
        }
        let seen = Lines()
        try await withServerAndChannel([], routes: [hello], interceptors: [Watcher(seen: seen)]) { _, server in
            _ = try await curl(["-H", "X-Tag: t", "http://\(server.address)/hello/a"])
        }
        #expect(seen.all == ["/hello/{name} t 200"])
    }
}

/// Lines that several threads add to.
private final class Lines: Sendable {
    private let state = Mutex<[String]>([])

    func add(_ line: String) { state.withLock { $0.append(line) } }
    var all: [String] { state.withLock { $0 } }
}
