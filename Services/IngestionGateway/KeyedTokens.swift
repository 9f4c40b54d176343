import Crypto
import Foundation

/// Tokens by HMAC-SHA-256 under the consortium's key: 128 bits of it, in 22 characters of base64url after the kind's initial.
struct KeyedTokens: Sendable {
    static let keyBytes = 32
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private let key: SymmetricKey

    /// - Parameter hexadecimal: 64 digits; nil for anything else.
    init?(hexadecimal: String) {
        let digits = Array(hexadecimal.utf8)
        guard digits.count == 2 * Self.keyBytes else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { return nil }
            bytes.append(byte)
        }
        key = SymmetricKey(data: bytes)
    }

    var tokeniser: Tokeniser { Tokeniser { token($0, $1) } }

    func token(_ kind: IdentifierKind, _ identifier: String) -> String {
        var hmac = HMAC<SHA256>(key: key)
        hmac.update(data: Array("\(kind.rawValue)\n\(identifier)".utf8))
        var text: [UInt8] = Array(kind.rawValue.utf8.prefix(1)) + [UInt8(ascii: ".")]
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
