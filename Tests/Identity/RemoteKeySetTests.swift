import Identity
import Logging
import Testing

@Suite struct RemoteKeySetTests {
    let key = SigningKey(id: "key-1")
    let logger = Logger(label: "test")

    /// Runs `body` while the key set fetches.
    func withRunning(_ keys: RemoteKeySet, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await keys.run() }
            try await body()
            group.cancelAll()
        }
    }

    @Test func callersAtTheSameTimeShareOneFetch() async throws {
        let published = KeySet([try key.publicKey])
        let fetches = Protected(0)
        let keys = RemoteKeySet(logger: logger) {
            fetches.change { $0 += 1 }
            return published
        }
        try await withRunning(keys) {
            try await withThrowingTaskGroup(of: PublicTokenKey?.self) { group in
                for _ in 0..<50 { group.addTask { try await keys.key("key-1") } }
                for try await found in group { #expect(found != nil) }
            }
        }
        #expect(fetches.value == 1)
    }

    @Test func unknownKeyIDsDoNotCauseAFetchEach() async throws {
        let published = KeySet([try key.publicKey])
        let fetches = Protected(0)
        let keys = RemoteKeySet(logger: logger) {
            fetches.change { $0 += 1 }
            return published
        }
        try await withRunning(keys) {
            _ = try await keys.key("key-1")
            for number in 0..<1000 {
                let found = try await keys.key("made-up-\(number)")
                #expect(found == nil)
            }
        }
        #expect(fetches.value == 1)
    }

    @Test func newKeyIsFoundOnceTheIntervalHasPassed() async throws {
        let second = SigningKey(id: "key-2")
        let published = Protected([try key.publicKey])
        var limits = RemoteKeySet.Limits()
        limits.minimumIntervalSeconds = 0
        let keys = RemoteKeySet(limits: limits, logger: logger) { KeySet(published.value) }
        let newKey = try second.publicKey
        try await withRunning(keys) {
            _ = try await keys.key("key-1")
            published.change { $0.append(newKey) }
            let found = try await keys.key("key-2")
            #expect(found == newKey)
        }
    }

    @Test func failedFetchKeepsTheKeysAndTheLostRightsThatAreThere() async throws {
        struct Unreachable: Error {}
        let published = KeySet([try key.publicKey], rightsChanges: ["asha": 5])
        let reachable = Protected(true)
        var limits = RemoteKeySet.Limits()
        limits.minimumIntervalSeconds = 0
        let keys = RemoteKeySet(limits: limits, logger: logger) {
            guard reachable.value else { throw Unreachable() }
            return published
        }
        try await withRunning(keys) {
            _ = try await keys.key("key-1")
            reachable.change { $0 = false }
            let unknown = try await keys.key("key-2")
            let known = try await keys.key("key-1")
            #expect(unknown == nil)
            #expect(known != nil)
            #expect(keys.rightsChange(of: "asha") == 5)
        }
    }

    @Test func withoutAnyKeysTheTokenIsNotBlamed() async throws {
        struct Unreachable: Error {}
        var limits = RemoteKeySet.Limits()
        limits.maxWaitMilliseconds = 50
        let keys = RemoteKeySet(limits: limits, logger: logger) { throw Unreachable() }
        let claims = TokenClaims(
            issuer: "i", subject: "s", kind: .user, issuedAtSeconds: 0, expiresAtSeconds: .max, tokenID: "t")
        let token = try await key.sign(claims)
        try await withRunning(keys) {
            await #expect(throws: TokenRejection.keysUnavailable) { try await TokenVerifier(keys: keys).verify(token) }
        }
    }
}
