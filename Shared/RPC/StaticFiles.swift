/// Files held in memory, each as it is and compressed once, with entity tags: a client that has a file already hears so.
///
/// ```swift
/// var files = StaticFiles()
/// files.add("app.js", script)
/// let route = files.route("/static/{path*}")    // GET /static/app.js
/// ```
public struct StaticFiles: Sendable {
    private struct File: Sendable {
        let contentType: String
        var variants: [ContentCoding: (bytes: [UInt8], tag: String)]
    }

    private var files: [String: File] = [:]
    private let headers: HTTPHeaders

    /// Above this, the best compression takes seconds.
    private static let maxBestEffortBytes = 256 << 10
    private static let contentTypes = [
        "css": "text/css; charset=utf-8", "csv": "text/csv; charset=utf-8", "gif": "image/gif", "html": "text/html; charset=utf-8",
        "ico": "image/x-icon", "jpg": "image/jpeg", "js": "text/javascript; charset=utf-8", "json": "application/json; charset=utf-8",
        "mjs": "text/javascript; charset=utf-8", "pdf": "application/pdf", "png": "image/png",
        "svg": "image/svg+xml; charset=utf-8", "txt": "text/plain; charset=utf-8", "wasm": "application/wasm",
        "webp": "image/webp", "woff2": "font/woff2", "xml": "application/xml; charset=utf-8",
    ]
    /// What is compressed in itself gains nothing.
    private static let compressedExtensions: Set<String> = ["gif", "jpg", "png", "webp", "woff2"]

    /// - Parameter headers: sent with every file. `cache-control` is `no-cache` unless it is among them: a browser asks
    ///   again each time, and mostly hears that nothing has changed.
    public init(headers: HTTPHeaders = [:]) {
        var headers = headers
        if headers["cache-control"] == nil { headers["cache-control"] = "no-cache" }
        if headers["vary"] == nil { headers["vary"] = "accept-encoding" }
        self.headers = headers
    }

    /// Adds a file, or puts another in its place.
    ///
    /// - Parameters:
    ///   - path: as it is asked for, without a slash at the beginning.
    ///   - contentType: by the name's extension where it is left out.
    public mutating func add(_ path: String, _ bytes: [UInt8], contentType: String? = nil) {
        let suffix = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
        var variants: [ContentCoding: (bytes: [UInt8], tag: String)] = [.identity: (bytes, EntityTag.of(bytes))]
        if !bytes.isEmpty, !Self.compressedExtensions.contains(suffix) {
            let effort: ContentCoding.Effort = bytes.count > Self.maxBestEffortBytes ? .fast : .best
            for coding in [ContentCoding.gzip, .brotli] {
                // Without memory for a variant, or where it saves nothing, the file goes as it is.
                guard let encoded = try? coding.encode(bytes, effort: effort), encoded.count < bytes.count else { continue }
                variants[coding] = (encoded, EntityTag.of(encoded))
            }
        }
        let type = contentType ?? Self.contentTypes[suffix] ?? "application/octet-stream"
        files[path] = File(contentType: type, variants: variants)
    }

    /// The answer to a request for a file: 200, or 304 where the client has it; nil where there is none of this name.
    public func response(for path: String, to request: HTTPRequest) -> HTTPResponse? {
        guard let file = files[path] else { return nil }
        var coding = ContentCoding.preferred(by: request.headers)
        if file.variants[coding] == nil { coding = .identity }
        guard let variant = file.variants[coding] else { return nil }
        var headers = headers
        headers["etag"] = variant.tag
        if EntityTag.isHeld(variant.tag, by: request.headers) { return HTTPResponse(status: 304, headers: headers) }
        headers["content-type"] = file.contentType
        if coding != .identity { headers["content-encoding"] = coding.rawValue }
        return HTTPResponse(headers: headers, body: .bytes(variant.bytes))
    }

    /// A route that answers with the files.
    ///
    /// - Parameter pattern: with `{path*}` at its end, which is the file's name here.
    public func route(_ pattern: String) -> HTTPRoute {
        HTTPRoute("GET", pattern) { request in
            response(for: request.pathParameters["path"] ?? "", to: request) ?? .text("there is no such file\n", status: 404)
        }
    }
}

/// Strong entity tags (RFC 9110, 8.8.3): what differs by a byte has another tag.
public enum EntityTag {
    /// A tag made of the bytes: two 64-bit sums over eight at a time, each multiplied and folded as FNV-1a and SplitMix64 do. Nobody gains by
    /// finding two contents with one tag: both would be the server's own.
    public static func of(_ bytes: [UInt8]) -> String {
        var first: UInt64 = 0xCBF2_9CE4_8422_2325, second: UInt64 = 0x9E37_79B9_7F4A_7C15
        func add(_ word: UInt64) {
            first = (first ^ word) &* 0xBF58_476D_1CE4_E5B9
            first ^= first >> 32
            second = (second &+ word) &* 0x94D0_49BB_1331_11EB
            second ^= second >> 29
        }
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset + 8 <= bytes.count {
                add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            // What is left, with the length, so that zeros at the end count.
            add(bytes[offset...].reversed().reduce(0) { $0 << 8 | UInt64($1) })
            add(UInt64(bytes.count))
        }
        return "\"\(String(first, radix: 36))-\(String(second, radix: 36))\""
    }

    /// Whether the client says in `if-none-match` that it has what the tag is of (RFC 9110, 13.1.2).
    public static func isHeld(_ tag: String, by headers: HTTPHeaders) -> Bool {
        guard headers["if-none-match"] != nil else { return false }
        return headers.values("if-none-match").flatMap { $0.split(separator: ",") }.contains { part in
            let held = part.filter { $0 != " " && $0 != "\t" }
            return held == "*" || (held.hasPrefix("W/") ? String(held.dropFirst(2)) : held) == tag
        }
    }
}
