import RPC
import Testing

/// Files that a server keeps in memory.
@Suite(.timeLimit(.minutes(1))) struct StaticFilesTests {
    private let script = Array(String(repeating: "let answer = 42\n", count: 200).utf8)

    private var files: StaticFiles {
        var files = StaticFiles(headers: ["x-frame-options": "DENY"])
        files.add("app.js", script)
        files.add("deep/empty.txt", [])
        files.add("noise", (0..<64).map { UInt8(truncatingIfNeeded: $0 &* 37) }, contentType: "application/x-noise")
        return files
    }

    private func get(_ path: String, _ headers: HTTPHeaders = [:], method: String = "GET") async throws -> HTTPResponse {
        try await withServerAndChannel([], routes: [files.route("/static/{path*}")]) { channel, _ in
            try await channel.http(HTTPRequest(method: method, path: "/static/" + path, headers: headers))
        }
    }

    @Test func aFileComesWithItsTypeTagAndHeaders() async throws {
        let response = try await get("app.js")
        #expect(response.status == 200 && response.bytes == script)
        #expect(response.headers["content-type"] == "text/javascript; charset=utf-8")
        #expect(response.headers["content-encoding"] == nil && response.headers["vary"] == "accept-encoding")
        #expect(response.headers["cache-control"] == "no-cache" && response.headers["x-frame-options"] == "DENY")
        #expect(response.headers["etag"]?.hasPrefix("\"") == true)
        let empty = try await get("deep/empty.txt", ["accept-encoding": "gzip"])
        #expect(empty.status == 200 && empty.bytes.isEmpty && empty.headers["content-encoding"] == nil)
    }

    @Test func eachCodingHasItsOwnBytesAndTag() async throws {
        var tags: Set<String> = []
        for (accepted, coding) in [("", nil), ("gzip", "gzip"), ("gzip, br", "br"), ("zstd", nil)] as [(String, String?)] {
            let response = try await get("app.js", ["accept-encoding": accepted])
            #expect(response.headers["content-encoding"] == coding)
            #expect(coding == nil ? response.bytes == script : response.bytes.count < script.count / 4)
            tags.insert(response.headers["etag"] ?? "")
        }
        #expect(tags.count == 3)
    }

    @Test func whatCompressionDoesNotHelpGoesAsItIs() async throws {
        let response = try await get("noise", ["accept-encoding": "br"])
        #expect(response.headers["content-encoding"] == nil && response.bytes.count == 64)
        #expect(response.headers["content-type"] == "application/x-noise")
    }

    @Test func aClientThatHasTheFileIsToldSo() async throws {
        let tag = try #require(try await get("app.js").headers["etag"])
        for held in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
            let response = try await get("app.js", ["if-none-match": held])
            #expect(response.status == 304 && response.bytes.isEmpty && response.headers["etag"] == tag)
        }
        let other = try await get("app.js", ["if-none-match": tag, "accept-encoding": "br"])
        #expect(other.status == 200)
    }

    @Test func aHeadRequestGetsTheHeadersAlone() async throws {
        let response = try await get("app.js", method: "HEAD")
        #expect(response.status == 200 && response.bytes.isEmpty)
        #expect(response.headers["content-length"] == String(script.count))
    }

    @Test func aNameThatIsNoFileIsNotFound() async throws {
        for path in ["other.js", "../app.js", "app.js/", "%2e%2e/app.js"] {
            #expect(try await get(path).status == 404)
        }
    }
}
