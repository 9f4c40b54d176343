import Logging
import Records
import ServiceRuntime
import Synchronization

/// Decides which raw identifiers must still be kept, and seals them. Most have been kept long ago: that is remembered here, so
/// that a payment of a known customer costs the vault nothing.
final class IdentifierKeeper: Sendable {
    private struct Memory {
        /// Two generations of hashes of tokens that are kept: when the young one is full it becomes the old one.
        var young: Set<Int> = []
        var old: Set<Int> = []
    }

    private static let maxRememberedTokens = 200_000

    let vault: Vault
    private let memory = Mutex(Memory())

    init(vault: Vault) {
        self.vault = vault
    }

    /// Those of the identifiers that may not be kept yet.
    func unknown(_ identifiers: [RawIdentifier]) -> [RawIdentifier] {
        memory.withLock { memory in
            identifiers.filter { !memory.young.contains($0.token.hashValue) && !memory.old.contains($0.token.hashValue) }
        }
    }

    /// The identifiers sealed, each token once.
    func seal(_ identifiers: some Sequence<RawIdentifier>) throws -> [SealedIdentifier] {
        var chosen: [String: RawIdentifier] = [:]
        for identifier in identifiers { chosen[identifier.token] = identifier }
        return try chosen.values.map(vault.seal)
    }

    /// They are durable now.
    func remember(_ sealed: [SealedIdentifier]) {
        guard !sealed.isEmpty else { return }
        memory.withLock { memory in
            for identifier in sealed { memory.young.insert(identifier.token.hashValue) }
            if memory.young.count >= Self.maxRememberedTokens {
                memory.old = memory.young
                memory.young = []
            }
        }
    }

    func open(_ sealed: SealedIdentifier) throws -> RawIdentifier { try vault.open(sealed) }

    /// Seals with the active key what an earlier one has sealed, until nothing is left or the task is cancelled.
    func reseal(_ database: PrivacyDatabase, logger: Logger, batchRows: Int = 1_000) async throws {
        var count = 0
        while true {
            let earlier = try await database.sealed(notUnder: vault.activeKeyID, limit: batchRows)
            guard !earlier.isEmpty else { break }
            try await database.replace(try earlier.map { try vault.seal(vault.open($0)) })
            count += earlier.count
        }
        if count > 0 { logger.info("identifiers sealed with the active key", metadata: ["count": "\(count)"]) }
    }
}
