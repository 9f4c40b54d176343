import CHMAC
import Crypto
import Foundation

/// Tokens by HMAC-SHA-256 under the consortium's key: 128 bits of it, in 22 characters of base64url after the kind's initial.
struct KeyedTokens: Sendable {
    static let keyBytes = 32
    private static let textBytes = 24
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    private let key: SymmetricKey
    /// The key taken in already: a token begins with a copy.
    private let keyed: vigil_hmac_key

    /// - Parameter hexadecimal: 64 digits; nil for anything else.
    init?(hexadecimal: String) {
        guard let bytes = hexadecimalBytes(hexadecimal, count: Self.keyBytes) else { return nil }
        var keyed = vigil_hmac_key()
        guard vigil_hmac_key_init(&keyed, bytes, bytes.count) == 1 else { return nil }
        key = SymmetricKey(data: bytes)
        self.keyed = keyed
    }

    /// A vault with a key of its own, for installations that give none.
    var derivedVault: Vault { Vault(derivedFrom: key) }

    var tokeniser: Tokeniser { Tokeniser { token($0, $1, $2) } }

    /// - Parameter scope: begins what is tokenised, as one text with the identifier.
    func token(_ kind: IdentifierKind, _ scope: String, _ identifier: String) -> String {
        var (name, scope, identifier) = (kind.rawValue, scope, identifier)
        let code = name.withUTF8 { name in
            scope.withUTF8 { scope in
                identifier.withUTF8 { identifier in
                    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(SHA256_DIGEST_LENGTH)) { code in
                        withUnsafePointer(to: keyed) { keyed in
                            var state = vigil_hmac_begin(keyed)
                            vigil_hmac_add(&state, name.baseAddress, name.count)
                            vigil_hmac_add(&state, "\n", 1)
                            vigil_hmac_add(&state, scope.baseAddress, scope.count)
                            vigil_hmac_add(&state, identifier.baseAddress, identifier.count)
                            vigil_hmac_end(keyed, &state, code.baseAddress)
                        }
                        let bytes = UnsafeRawBufferPointer(code)
                        return (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                    }
                }
            }
        }
        return Self.text(initial: kind.rawValue.utf8.first ?? 0, code.0.bigEndian, code.1.bigEndian)
    }

    /// The initial, a point, and 128 bits from the left, six a character.
    private static func text(initial: UInt8, _ high: UInt64, _ low: UInt64) -> String {
        String(unsafeUninitializedCapacity: textBytes) { text in
            text[0] = initial
            text[1] = UInt8(ascii: ".")
            var bits = UInt128(high) << 64 | UInt128(low)
            for place in 2..<textBytes {
                text[place] = alphabet.utf8Start[Int(truncatingIfNeeded: bits >> 122)]
                bits <<= 6
            }
            return textBytes
        }
    }
}
