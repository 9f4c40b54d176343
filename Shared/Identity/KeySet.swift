internal import Foundation
internal import JWTKit

/// The public half of a ``SigningKey``.
public struct PublicTokenKey: Sendable, Hashable {
    public let id: String
    /// Coordinates on P-256, base64url without padding (RFC 7518, section 6.2.1).
    public let x: String
    public let y: String
    let key: ES256PublicKey

    /// - Parameters:
    ///   - x: base64url without padding, 32 bytes.
    ///   - y: base64url without padding, 32 bytes.
    /// - Throws: ``KeyError`` when the point is not on the curve.
    public init(id: String, x: String, y: String) throws {
        do {
            try self.init(id: id, key: ES256PublicKey(parameters: (x: x, y: y)))
        } catch is KeyError {
            throw KeyError(message: "public key \(id) has no coordinates")
        } catch {
            throw KeyError(message: "public key \(id) is not a point on P-256")
        }
    }

    init(id: String, key: ES256PublicKey) throws {
        guard let parameters = key.parameters else { throw KeyError(message: "public key \(id) has no coordinates") }
        self.id = id
        self.key = key
        x = Self.base64URL(parameters.x)
        y = Self.base64URL(parameters.y)
    }

    public static func == (a: Self, b: Self) -> Bool { a.id == b.id && a.x == b.x && a.y == b.y }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(id)
        hasher.combine(x)
        hasher.combine(y)
    }

    private static func base64URL(_ base64: String) -> String {
        String(base64.compactMap { character -> Character? in
            switch character {
            case "+": "-"
            case "/": "_"
            case "=": nil
            default: character
            }
        })
    }
}

/// What tokens are verified by: the public keys, which are published as a JSON Web Key Set (RFC 7517), and whose rights have changed.
public struct KeySet: Sendable, Hashable {
    /// More keys than this are refused.
    public static let maxKeys = 32

    public let keys: [String: PublicTokenKey]
    /// When the rights of a subject changed last, in microseconds since 1970, for those of whom a token from before may still live.
    public var rightsChanges: [String: Int64]

    public init(_ keys: [PublicTokenKey], rightsChanges: [String: Int64] = [:]) {
        self.keys = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
        self.rightsChanges = rightsChanges
    }

    /// Reads a key set; keys of another type than P-256 are skipped, as RFC 7517 asks.
    /// - Throws: ``KeyError``
    public init(json: [UInt8]) throws {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(json))
        } catch {
            throw KeyError(message: "the key set is not a JSON Web Key Set")
        }
        guard document.keys.count <= Self.maxKeys else {
            throw KeyError(message: "the key set holds \(document.keys.count) keys, more than \(Self.maxKeys)")
        }
        self.init(
            try document.keys.compactMap { key in
                guard key.kty == "EC", key.crv == "P-256", let id = key.kid, let x = key.x, let y = key.y else { return nil }
                return try PublicTokenKey(id: id, x: x, y: y)
            })
    }

    /// The keys as JSON, sorted by id. Who has lost rights is no part of it, for everybody may read it.
    public func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let entries = keys.values.sorted { $0.id < $1.id }.map { key in
            Document.Key(kty: "EC", crv: "P-256", use: "sig", alg: "ES256", kid: key.id, x: key.x, y: key.y)
        }
        return try [UInt8](encoder.encode(Document(keys: entries)))
    }

    private struct Document: Codable {
        struct Key: Codable {
            var kty: String
            var crv: String?
            var use: String?
            var alg: String?
            var kid: String?
            var x: String?
            var y: String?
        }

        var keys: [Key]
    }
}

/// Where a verifier finds the keys.
public protocol TokenKeySource: Sendable {
    /// The key as known now, without waiting.
    func knownKey(_ id: String) -> PublicTokenKey?
    /// The key, asked for where it is not known yet; `nil` when there is none of this id.
    /// - Throws: when the keys cannot be had at present.
    func key(_ id: String) async throws -> PublicTokenKey?
    /// When the subject's rights changed last, in microseconds since 1970: an older token is void. `nil` where no such token lives.
    func rightsChange(of subject: String) -> Int64?
}

/// Keys that never change: for tests, and for an issuer that verifies its own tokens.
extension KeySet: TokenKeySource {
    public func knownKey(_ id: String) -> PublicTokenKey? { keys[id] }
    public func key(_ id: String) async throws -> PublicTokenKey? { keys[id] }
    public func rightsChange(of subject: String) -> Int64? { rightsChanges[subject] }
}
