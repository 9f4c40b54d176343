import Crypto
import Foundation

/// Encrypts signing keys at rest with AES-256-GCM.
struct KeyVault: Sendable {
    struct VaultError: Error, CustomStringConvertible {
        let description: String
    }

    private let key: SymmetricKey

    /// - Parameter text: 32 bytes as 64 hexadecimal digits or in base64.
    init(keyText text: String) throws {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let bytes = Self.hexadecimal(trimmed) ?? Data(base64Encoded: trimmed), bytes.count == 32 else {
            throw VaultError(description: "the key must be 32 bytes, as 64 hexadecimal digits or in base64")
        }
        key = SymmetricKey(data: bytes)
    }

    /// - Parameter name: authenticated with the text; opening under another name fails.
    func seal(_ text: String, name: String) throws -> [UInt8] {
        let box = try AES.GCM.seal(Data(text.utf8), using: key, authenticating: Data(name.utf8))
        return Array(box.nonce) + box.ciphertext + box.tag
    }

    func open(_ sealed: [UInt8], name: String) throws -> String {
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            return String(decoding: try AES.GCM.open(box, using: key, authenticating: Data(name.utf8)), as: UTF8.self)
        } catch {
            throw VaultError(description: "signing key \(name) does not open with the key in VIGIL_AUTH_KEY_ENCRYPTION_FILE")
        }
    }

    private static func hexadecimal(_ text: String) -> Data? {
        guard text.utf8.count == 64 else { return nil }
        var bytes = Data()
        var rest = Substring(text)
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
