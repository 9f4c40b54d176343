import Crypto
import Foundation
import _CryptoExtras

/// A salted scrypt hash (RFC 7914) of a password or client secret, in the PHC string form `$scrypt$ln=14,r=8,p=1$SALT$HASH`.
struct SecretHash: Sendable, Hashable {
    /// What one guess costs: 2^`logRounds` × `blockSize` × 128 bytes of memory, `parallelism` times over.
    struct Cost: Sendable, Hashable {
        var logRounds: Int
        var blockSize: Int
        var parallelism: Int
    }

    /// Source of the defaults: OWASP Password Storage Cheat Sheet, scrypt.
    struct Costs: Sendable, Hashable {
        /// For what people choose.
        var password = Cost(logRounds: 14, blockSize: 8, parallelism: 5)
        /// For long random secrets of machines.
        var machineSecret = Cost(logRounds: 14, blockSize: 8, parallelism: 1)
    }

    static let maxSecretBytes = 1_024
    private static let saltBytes = 16
    private static let hashBytes = 32

    let cost: Cost
    let salt: [UInt8]
    let hash: [UInt8]

    /// Hashes a secret with a new salt. Slow by design: call it through ``SecretHasher``.
    init(of secret: String, cost: Cost) throws {
        self.cost = cost
        salt = Self.randomBytes(Self.saltBytes)
        hash = try Self.derive(secret, salt, cost)
    }

    /// A hash that no secret has, which costs as much to compare with.
    init(decoyOfCost cost: Cost) {
        self.cost = cost
        salt = Self.randomBytes(Self.saltBytes)
        hash = Self.randomBytes(Self.hashBytes)
    }

    /// Reads the PHC form; `nil` for anything else, and for costs beyond reason.
    init?(phc text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt",
            let salt = Data(base64Encoded: Self.padded(parts[3])), let hash = Data(base64Encoded: Self.padded(parts[4])),
            hash.count == Self.hashBytes
        else { return nil }
        var values: [String: Int] = [:]
        for parameter in parts[2].split(separator: ",") {
            let pair = parameter.split(separator: "=")
            guard pair.count == 2, let value = Int(pair[1]) else { return nil }
            values[String(pair[0])] = value
        }
        guard let logRounds = values["ln"], let blockSize = values["r"], let parallelism = values["p"],
            (1...14).contains(logRounds), (1...8).contains(blockSize), (1...16).contains(parallelism)
        else { return nil }
        cost = Cost(logRounds: logRounds, blockSize: blockSize, parallelism: parallelism)
        self.salt = Array(salt)
        self.hash = Array(hash)
    }

    var phc: String {
        let salt = Data(salt).base64EncodedString().replacing("=", with: "")
        let hash = Data(hash).base64EncodedString().replacing("=", with: "")
        return "$scrypt$ln=\(cost.logRounds),r=\(cost.blockSize),p=\(cost.parallelism)$\(salt)$\(hash)"
    }

    /// Whether this is the secret's hash; takes the same time whatever differs.
    func matches(_ secret: String) throws -> Bool {
        let candidate = try Self.derive(secret, salt, cost)
        var difference: UInt8 = 0
        for (a, b) in zip(candidate, hash) { difference |= a ^ b }
        return difference == 0
    }

    private static func derive(_ secret: String, _ salt: [UInt8], _ cost: Cost) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: Data(secret.utf8), salt: salt, outputByteCount: hashBytes, rounds: 1 << cost.logRounds, blockSize: cost.blockSize,
            parallelism: cost.parallelism)
        return key.withUnsafeBytes { Array($0) }
    }

    /// From the system's generator, which is fit for secrets.
    private static func randomBytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255) }
    }

    private static func padded(_ base64: String) -> String {
        base64 + String(repeating: "=", count: (4 - base64.count % 4) % 4)
    }
}
