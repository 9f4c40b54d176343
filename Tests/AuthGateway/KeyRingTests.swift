import Identity
import Synchronization
import TestSupport
import Testing

@testable import AuthGateway

@Suite struct KeyRingTests {
    private let vaultText = String(repeating: "0a", count: 32)

    private func claims(_ now: Int64) -> TokenClaims {
        TokenClaims(issuer: "i", subject: "s", kind: .user, issuedAtSeconds: now, expiresAtSeconds: now + 100, tokenID: "t")
    }

    @Test func keySurvivesARestartAndIsNotInTheDatabaseInClear() async throws {
        try await TemporaryPostgres.withPool(schema: "auth") { pool in
            let store = try await AuthStore.migrated(pool)
            let vault = try KeyVault(keyText: vaultText)
            let first = KeyRing(store: store, vault: vault, logger: testLogger)
            try await first.reload()
            let second = KeyRing(store: store, vault: vault, logger: testLogger)
            try await second.reload()
            #expect(first.published == second.published)
            #expect(first.published.keys.count == 1)
            let stored = try await store.signingKeys()
            #expect(!String(decoding: stored[0].encryptedPrivateKey, as: UTF8.self).contains("PRIVATE"))
            let stranger = KeyRing(store: store, vault: try KeyVault(keyText: String(repeating: "0b", count: 32)), logger: testLogger)
            await #expect(throws: KeyVault.VaultError.self) { try await stranger.reload() }
        }
    }

    @Test func newKeyTakesOverAndTheOldStaysUntilItsTokensHaveExpired() async throws {
        try await TemporaryPostgres.withPool(schema: "auth") { pool in
            let now = Mutex<Int64>(1_800_000_000)
            let clock: @Sendable () -> Int64 = { now.withLock { $0 } }
            var limits = KeyRing.Limits()
            limits.rotationSeconds = 1_000
            limits.maxTokenSeconds = 100
            let ring = KeyRing(
                store: try await AuthStore.migrated(pool), vault: try KeyVault(keyText: vaultText), limits: limits, logger: testLogger,
                secondsSince1970: clock)
            try await ring.reload()
            let old = try await ring.sign(claims(clock()))
            now.withLock { $0 += 1_000 }
            try await ring.reload()
            #expect(ring.published.keys.count == 2)
            let new = try await ring.sign(claims(clock()))
            let verifier = TokenVerifier(keys: ring, secondsSince1970: { 1_800_000_050 })
            _ = try await verifier.verify(old)
            await #expect(throws: TokenRejection.notYetValid) { try await verifier.verify(new) }
            now.withLock { $0 += 161 }
            try await ring.reload()
            #expect(ring.published.keys.count == 1)
            await #expect(throws: TokenRejection.unknownKey) { try await verifier.verify(old) }
        }
    }

    @Test func replicasThatStartTogetherAgreeOnOneKey() async throws {
        try await TemporaryPostgres.withPool(schema: "auth") { pool in
            let store = try await AuthStore.migrated(pool)
            let vault = try KeyVault(keyText: vaultText)
            let rings = (0..<5).map { _ in KeyRing(store: store, vault: vault, logger: testLogger) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for ring in rings { group.addTask { try await ring.reload() } }
                try await group.waitForAll()
            }
            #expect(Set(rings.map(\.published)).count == 1)
            #expect(rings[0].published.keys.count == 1)
        }
    }
}
