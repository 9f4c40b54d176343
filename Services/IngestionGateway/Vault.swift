import Crypto
import Foundation

/// Encrypts raw identifiers with AES-256-GCM, each with its token as authenticated data, so that none can be put under another's.
///
/// Keys have names. New identifiers are sealed with the active key, which is the last; those sealed with an earlier one stay
/// readable for as long as that key is here, and are sealed anew in the background.
struct Vault: Sendable {
    enum Problem: Error, Sendable, Hashable, CustomStringConvertible {
        case unknownKey(String)
        case forged

        var description: String {
            switch self {
            case .unknownKey(let name): "it is sealed with key \(name), which is not here"
            case .forged: "its seal is not of the key that it names"
            }
        }
    }

    let activeKeyID: String
    private var keys: [String: SymmetricKey]

    /// - Parameter text: lines of a key's name and 64 hexadecimal digits, the active key last. Nil for anything else.
    init?(lines text: String) {
        var keys: [String: SymmetricKey] = [:]
        var last: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            if words.isEmpty { continue }
            guard words.count == 2, words[0].utf8.count <= 64, keys[String(words[0])] == nil,
                let bytes = hexadecimalBytes(String(words[1]), count: 32)
            else { return nil }
            last = String(words[0])
            keys[String(words[0])] = SymmetricKey(data: bytes)
        }
        guard let last else { return nil }
        activeKeyID = last
        self.keys = keys
    }

    /// One key, derived from another secret, for installations that give no keys of their own.
    init(derivedFrom secret: SymmetricKey) {
        activeKeyID = "derived"
        keys = ["derived": HKDF<SHA256>.deriveKey(inputKeyMaterial: secret, info: Array("vigil identifiers".utf8), outputByteCount: 32)]
    }

    /// Those that identifiers can be opened with.
    var keyIDs: Set<String> { Set(keys.keys) }

    /// The same vault, which also opens what another one has sealed. Of two keys with one name its own stays.
    func opening(_ earlier: Vault) -> Vault {
        var vault = self
        vault.keys.merge(earlier.keys) { own, _ in own }
        return vault
    }

    func seal(_ identifier: RawIdentifier) throws -> SealedIdentifier {
        guard let key = keys[activeKeyID] else { throw Problem.unknownKey(activeKeyID) }
        let box = try AES.GCM.seal(Array(identifier.value.utf8), using: key, authenticating: Array(identifier.token.utf8))
        guard let combined = box.combined else { throw Problem.forged }
        return SealedIdentifier(
            token: identifier.token, kind: identifier.kind, owner: identifier.owner, keyID: activeKeyID, sealed: Array(combined))
    }

    func open(_ sealed: SealedIdentifier) throws -> RawIdentifier {
        guard let key = keys[sealed.keyID] else { throw Problem.unknownKey(sealed.keyID) }
        do {
            let bytes = try AES.GCM.open(AES.GCM.SealedBox(combined: sealed.sealed), using: key, authenticating: Array(sealed.token.utf8))
            return RawIdentifier(
                kind: sealed.kind, token: sealed.token, value: String(decoding: bytes, as: UTF8.self), owner: sealed.owner)
        } catch {
            throw Problem.forged
        }
    }
}

extension Vault {
    /// A piece of a file that waits to be whole, under the active key: the key's name behind its length, then the sealed bytes.
    func seal(_ piece: [UInt8], of file: FileName, at offset: Int64) throws -> [UInt8] {
        guard let key = keys[activeKeyID] else { throw Problem.unknownKey(activeKeyID) }
        let box = try AES.GCM.seal(piece, using: key, authenticating: Self.place(file, offset))
        guard let combined = box.combined else { throw Problem.forged }
        return [UInt8(activeKeyID.utf8.count)] + Array(activeKeyID.utf8) + combined
    }

    func open(_ sealed: [UInt8], of file: FileName, at offset: Int64) throws -> [UInt8] {
        guard let length = sealed.first.map(Int.init), sealed.count > length else { throw Problem.forged }
        let name = String(decoding: sealed[1...length], as: UTF8.self)
        guard let key = keys[name] else { throw Problem.unknownKey(name) }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed[(length + 1)...])
            return Array(try AES.GCM.open(box, using: key, authenticating: Self.place(file, offset)))
        } catch {
            throw Problem.forged
        }
    }

    private static func place(_ file: FileName, _ offset: Int64) -> [UInt8] {
        file.contentSHA256 + Array("\(offset) \(file.senderID)".utf8)
    }
}

/// Exactly `count` bytes from twice as many hexadecimal digits; nil for anything else.
func hexadecimalBytes(_ text: String, count: Int) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count == 2 * count else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = digits[index].hexadecimalValue, let low = digits[index + 1].hexadecimalValue else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}

extension UInt8 {
    fileprivate var hexadecimalValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
