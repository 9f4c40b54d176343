/// How the body of a plain response is compressed (RFC 9110, 8.4.1).
public enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case identity
    case gzip
    /// Brotli.
    case brotli = "br"

    /// How hard to try: for what is made on demand, or for what is made once.
    public enum Effort: Sendable {
        case fast
        case best
    }

    /// The coding that a client prefers by its `accept-encoding` (RFC 9110, 12.5.3); among equals Brotli, then gzip.
    ///
    /// A client that says nothing, or refuses all of them, gets `identity`.
    public static func preferred(by headers: HTTPHeaders) -> ContentCoding {
        guard headers["accept-encoding"] != nil else { return .identity }
        var weights: [ContentCoding: Double] = [:]
        var other: Double?
        for part in headers.values("accept-encoding").flatMap({ $0.split(separator: ",") }) {
            let pieces = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let name = pieces.first else { continue }
            let weight = pieces.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if name == "*" {
                other = weight
            } else if let coding = ContentCoding(rawValue: name) {
                weights[coding] = weight
            }
        }
        var chosen: (coding: ContentCoding, weight: Double) = (.identity, 0)
        for coding in [ContentCoding.brotli, .gzip] {
            let weight = weights[coding] ?? other ?? 0
            if weight > chosen.weight { chosen = (coding, weight) }
        }
        return chosen.weight >= weights[.identity] ?? 0 ? chosen.coding : .identity
    }

    /// The bytes in this coding.
    /// - Throws: ``RPCError`` with `internal` when there is no memory for it.
    public func encode(_ bytes: [UInt8], effort: Effort = .fast) throws -> [UInt8] {
        switch self {
        case .identity: bytes
        case .gzip: try bytes.withUnsafeBytes { try Gzip.compress($0, level: effort == .fast ? 4 : 9) }
        case .brotli: try bytes.withUnsafeBytes { try Brotli.compress($0, quality: effort == .fast ? 4 : 11) }
        }
    }
}
