import Foundation
import Models
import ServiceRuntime

/// Passwords and keys, made once by the system's random generator and kept one a file, mode 0600.
struct Secrets {
    let folder: String

    func file(_ name: String) -> String { "\(folder)/\(name)" }

    /// Makes what is missing of all that the suite needs, and writes down who may come in.
    func prepareAll() throws {
        _ = try password(Self.postgresAdministrator)
        for service in Suite.services { _ = try password(Self.database(service)) }
        for name in [Self.ingestionToken, Self.authKeyEncryption] { _ = try key(name) }
        try prepareModelSigning()
        let principals = try Principals(secrets: self)
        // Whoever was added to it stays.
        guard !FileManager.default.fileExists(atPath: file(Principals.fileName)) else { return }
        try principals.write(to: file(Principals.fileName))
    }

    static let postgresAdministrator = "postgres-admin.password"
    static let ingestionToken = "ingestion-token.key"
    static let authKeyEncryption = "auth-key-encryption.key"
    static let modelSigning = "model-signing.key"
    /// What the model server checks bundles with.
    static let modelTrust = "model-signing.pub"

    static func database(_ service: ServiceIdentity) -> String { "database-\(service.defaultSchema).password" }

    /// A password of 24 letters and digits (142 bits), without those that look alike.
    func password(_ name: String) throws(LaunchError) -> String {
        try existing(name) {
            let alphabet = Array("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
            return String((0..<24).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
        }
    }

    /// A key of 32 bytes, written as 64 hexadecimal digits.
    func key(_ name: String) throws(LaunchError) -> String {
        try existing(name) {
            (0..<32).map { _ in
                let byte = UInt8.random(in: .min ... .max)
                return String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }.joined()
        }
    }

    /// A key pair for model bundles.
    private func prepareModelSigning() throws {
        let key = try existing(Self.modelSigning) { ModelBundle.newSigningKey().privateKeyPEM }
        guard !FileManager.default.fileExists(atPath: file(Self.modelTrust)) else { return }
        try SuiteHome.write(Array("\(try ModelBundle.publicKey(ofSigningKey: key))\n".utf8), to: file(Self.modelTrust))
    }

    /// Nil in a home from before there were such keys.
    var existingModelSigningKey: String? { try? String(contentsOfFile: file(Self.modelSigning), encoding: .utf8) }

    private func existing(_ name: String, orMake make: () -> String) throws(LaunchError) -> String {
        let path = file(name)
        if FileManager.default.fileExists(atPath: path) {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { throw LaunchError("cannot read \(path)") }
            let secret = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !secret.isEmpty else { throw LaunchError("\(path) is empty; remove it to have a new one made") }
            return secret
        }
        let secret = make()
        try SuiteHome.write(Array("\(secret)\n".utf8), to: path)
        return secret
    }
}
