import Logging
import Records
import ServiceRuntime
import Synchronization

/// Decides which raw identifiers must still be kept, and seals them. Most have been kept long ago: that is remembered here, so
/// that a payment of a known customer costs the vault nothing.
final class IdentifierKeeper: Sendable {
    private struct Memory {
        /// Two generations of the numbers of tokens that are kept: when the young one is full it becomes the old one.
        var young: Set<UInt64> = []
        var old: Set<UInt64> = []

        func knows(_ token: String?) -> Bool {
            guard let token else { return true }
            let number = Self.number(of: token)
            return young.contains(number) || old.contains(number)
        }

        func knows(_ details: TransactionDetails?) -> Bool {
            guard let details else { return true }
            return knows(details.ipAddress) && knows(details.email) && knows(details.phone)
        }

        /// Characters of a token are random bits, so that sixteen of them, mixed, tell tokens apart; another text gets a hash.
        static func number(of token: String) -> UInt64 {
            var token = token
            return token.withUTF8 { text in
                guard text.count >= 24 else { return UInt64(truncatingIfNeeded: text.reduce(into: Hasher()) { $0.combine($1) }.finalize()) }
                let bytes = UnsafeRawBufferPointer(text)
                let (first, second) = (bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 10, as: UInt64.self))
                return first &* 0x9E37_79B9_7F4A_7C15 ^ second
            }
        }
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
            identifiers.filter { !memory.knows($0.token) }
        }
    }

    /// Those of a transaction's identifiers that may not be kept yet: of most transactions none.
    func unknown(of raw: Transaction, tokenised: Transaction) -> [RawIdentifier] {
        let knowsAll = memory.withLock { memory in
            memory.knows(tokenised.customerID) && memory.knows(tokenised.accountID) && memory.knows(tokenised.cardID)
                && memory.knows(tokenised.deviceID) && memory.knows(tokenised.counterpartyAccountID) && memory.knows(tokenised.details)
        }
        return knowsAll ? [] : unknown(Tokeniser.identifiers(raw: raw, tokenised: tokenised))
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
            for identifier in sealed { memory.young.insert(Memory.number(of: identifier.token)) }
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
