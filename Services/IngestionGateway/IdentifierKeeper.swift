import Logging
import Records
import ServiceRuntime
import Synchronization

/// Decides which raw identifiers must still be kept, and seals them. Most have been kept long ago: that is remembered here, so
/// that a payment of a known customer costs the vault nothing.
final class IdentifierKeeper: Sendable {
    private struct Memory {
        /// When it began. With a new day all is forgotten, so that what is still in use is marked as seen again in each partition of the log.
        var day = Int.min
        /// Of what is kept, a token with whom it was seen with.
        var kept = RecentNumbers(log2Sets: IdentifierKeeper.log2RememberedSets)

        mutating func begin(_ now: Timestamp) {
            guard now.dayNumber() != day else { return }
            self = Memory(day: now.dayNumber())
        }

        func knows(_ token: String?, of owner: UInt64 = 0) -> Bool {
            guard let token else { return true }
            return kept.contains(Self.number(of: token, of: owner))
        }

        func knows(_ details: TransactionDetails?, of owner: UInt64) -> Bool {
            guard let details else { return true }
            return knows(details.ipAddress, of: owner) && knows(details.email, of: owner) && knows(details.phone, of: owner)
        }

        /// - Parameter owner: the number of the customer's token that it was seen with; 0 where there is none.
        static func number(of token: String, of owner: UInt64) -> UInt64 { number(of: token) ^ owner &* 0xD6E8_FEB8_6659_FD93 }

        static func number(of token: String, of owner: String?) -> UInt64 { number(of: token, of: owner.map { number(of: $0) } ?? 0) }

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

    /// Half a million numbers, in four megabytes.
    private static let log2RememberedSets = 17

    let vault: Vault
    private let memory = Mutex(Memory())

    init(vault: Vault) {
        self.vault = vault
    }

    /// Those of a transaction's identifiers that may not be kept yet, or not be marked as seen: of most transactions none.
    func unknown(of raw: Transaction, tokenised: Transaction, now: Timestamp) -> [RawIdentifier] {
        let knowsAll = memory.withLock { memory in
            memory.begin(now)
            let owner = Memory.number(of: tokenised.customerID)
            return memory.kept.contains(owner) && memory.knows(tokenised.accountID, of: owner)
                && memory.knows(tokenised.cardID, of: owner) && memory.knows(tokenised.deviceID, of: owner)
                && memory.knows(tokenised.counterpartyAccountID) && memory.knows(tokenised.details, of: owner)
        }
        if knowsAll { return [] }
        let identifiers = Tokeniser.identifiers(raw: raw, tokenised: tokenised)
        return memory.withLock { memory in identifiers.filter { !memory.kept.contains(Memory.number(of: $0.token, of: $0.owner)) } }
    }

    /// The identifiers sealed, each once for each customer that it was seen with.
    func seal(_ identifiers: some Sequence<RawIdentifier>) throws -> [SealedIdentifier] { try Set(identifiers).map(vault.seal) }

    /// They are durable now.
    func remember(_ sealed: [SealedIdentifier]) {
        guard !sealed.isEmpty else { return }
        memory.withLock { memory in
            for identifier in sealed { memory.kept.insert(Memory.number(of: identifier.token, of: identifier.owner)) }
        }
    }

    func open(_ sealed: SealedIdentifier) throws -> RawIdentifier { try vault.open(sealed) }

    /// Keys that identifiers are sealed with and that are not here.
    func missingKeys(_ database: PrivacyDatabase) async throws -> [String] {
        try await database.keyIDs().subtracting(vault.keyIDs).sorted()
    }

    /// Keys that are here, and open nothing of a sample of what is sealed under their names.
    func otherKeys(_ database: PrivacyDatabase) async throws -> [String] {
        var others: [String] = []
        for key in try await database.keyIDs().intersection(vault.keyIDs).sorted() {
            let sample = try await database.sample(under: key, limit: 8)
            if !sample.isEmpty, sample.allSatisfy({ (try? vault.open($0)) == nil }) { others.append(key) }
        }
        return others
    }

    /// Seals with the active key what an earlier one has sealed, until nothing is left or the task is cancelled. What can be opened no
    /// more stays as it is.
    func reseal(_ database: PrivacyDatabase, logger: Logger, batchRows: Int = 1_000) async throws {
        let earlierKeys = vault.keyIDs.subtracting([vault.activeKeyID])
        var count = 0
        while true {
            let earlier = try await database.sealed(under: earlierKeys, limit: batchRows)
            guard !earlier.isEmpty else { break }
            try await database.replace(try earlier.map { try vault.seal(vault.open($0)) })
            count += earlier.count
        }
        if count > 0 { logger.info("identifiers sealed with the active key", metadata: ["count": "\(count)"]) }
    }
}
