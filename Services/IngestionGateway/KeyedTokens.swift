import Crypto
import Foundation

/// Tokens by HMAC-SHA-256 under the consortium's key: 128 bits of it, in 22 characters of base64url after the kind's initial.
struct KeyedTokens: Sendable {
    static let keyBytes = 32
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private let key: SymmetricKey
    /// The key taken in already: a token begins with a copy.
    private let keyed: HMAC<SHA256>

    /// - Parameter hexadecimal: 64 digits; nil for anything else.
    init?(hexadecimal: String) {
        guard let bytes = hexadecimalBytes(hexadecimal, count: Self.keyBytes) else { return nil }
        key = SymmetricKey(data: bytes)
        keyed = HMAC<SHA256>(key: key)
    }

    /// A vault with a key of its own, for installations that give none.
    var derivedVault: Vault { Vault(derivedFrom: key) }

    var tokeniser: Tokeniser { Tokeniser { token($0, $1) } }

    func token(_ kind: IdentifierKind, _ identifier: String) -> String {
        var hmac = keyed
        hmac.update(data: Array("\(kind.rawValue)\n\(identifier)".utf8))
        var text: [UInt8] = []
        text.reserveCapacity(24)
        text.append(kind.rawValue.utf8[kind.rawValue.utf8.startIndex])
        text.append(UInt8(ascii: "."))
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for byte in hmac.finalize().prefix(16) {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                text.append(Self.alphabet[Int(bits >> bitCount & 63)])
            }
        }
        text.append(Self.alphabet[Int(bits << (6 - bitCount) & 63)])
        return String(decoding: text, as: UTF8.self)
    }
}
