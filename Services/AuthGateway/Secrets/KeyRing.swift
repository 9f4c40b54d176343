import Foundation
import Identity
import Logging
import Synchronization

/// The keys that sign tokens: made, kept encrypted in the store, replaced in time, published. Beside them, whose rights have changed.
///
/// The newest key signs. One that a newer key has replaced stays published until the last token that it signed has expired.
final class KeyRing: Sendable {
    struct Limits: Sendable {
        /// After this a new key takes over.
        var rotationSeconds: Int64 = 90 * 86_400
        /// No token lives longer.
        var maxTokenSeconds: Int64 = longestTokenSeconds
        /// How often the store is looked at, for keys that another replica made.
        var reloadSeconds = 60
        /// How often the store is looked at, for rights that another replica has changed.
        var rightsReloadSeconds = 2

        /// The longest life that a token can be given, which may have been given before the last start.
        static let longestTokenSeconds: Int64 = 86_400
    }

    private struct State {
        var signing: SigningKey?
        var published = KeySet([])
    }

    private let store: AuthStore
    private let vault: KeyVault
    private let limits: Limits
    private let logger: Logger
    private let secondsSince1970: @Sendable () -> Int64
    private let state = Mutex(State())

    init(
        store: AuthStore, vault: KeyVault, limits: Limits = Limits(), logger: Logger,
        secondsSince1970: @escaping @Sendable () -> Int64 = SystemTime.secondsSince1970
    ) {
        self.store = store
        self.vault = vault
        self.limits = limits
        self.logger = logger
        self.secondsSince1970 = secondsSince1970
    }

    /// What is published now.
    var published: KeySet { state.withLock { $0.published } }

    /// Signs with the newest key.
    func sign(_ claims: TokenClaims) async throws -> BearerToken {
        guard let key = state.withLock({ $0.signing }) else { throw KeyError(message: "there is no signing key yet") }
        return try await key.sign(claims)
    }

    /// Reads the keys from the store; makes a new one when there is none or the newest is due, retires those nobody needs any more.
    func reload() async throws {
        let now = secondsSince1970()
        let madeKey = Mutex<String?>(nil)
        let stored = try await store.changeSigningKeys { keys in
            let isDue = keys.first.map { now - $0.createdAt / 1_000_000 >= limits.rotationSeconds } ?? true
            var new: StoredSigningKey?
            if isDue {
                let key = SigningKey(id: UUID().uuidString.lowercased())
                new = StoredSigningKey(
                    id: key.id, encryptedPrivateKey: try vault.seal(key.pem, name: key.id), createdAt: now * 1_000_000)
                madeKey.withLock { $0 = key.id }
            }
            // A key is needed as long as a token signed just before the next newer key appeared may live.
            let retired = zip(keys.dropFirst(), keys).filter { _, newer in
                now - newer.createdAt / 1_000_000 > limits.maxTokenSeconds + Int64(limits.reloadSeconds)
            }
            return (add: new, retire: retired.map(\.0.id))
        }
        let keys = try stored.map { try SigningKey(id: $0.id, pem: vault.open($0.encryptedPrivateKey, name: $0.id)) }
        let published = KeySet(
            try keys.map { try $0.publicKey }, rightsChanges: try await store.rightsChanges(withinSeconds: Limits.longestTokenSeconds))
        state.withLock { $0 = State(signing: keys.first, published: published) }
        if let id = madeKey.withLock({ $0 }) { logger.info("made a signing key", metadata: ["key": "\(id)"]) }
    }

    private func reloadRights() async throws {
        let changes = try await store.rightsChanges(withinSeconds: Limits.longestTokenSeconds)
        state.withLock { $0.published.rightsChanges = changes }
    }

    /// Keeps keys and rights in step with the store until the task is cancelled. While the database is away, the present ones go on.
    func run() async throws {
        for turn in 1... {
            try await Task.sleep(for: .seconds(limits.rightsReloadSeconds))
            do {
                let isDue = turn * limits.rightsReloadSeconds % limits.reloadSeconds < limits.rightsReloadSeconds
                try await isDue ? reload() : reloadRights()
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.warning("signing keys could not be read again", metadata: ["reason": "\(error)"])
            }
        }
    }
}

extension KeyRing: TokenKeySource {
    func knownKey(_ id: String) -> PublicTokenKey? { published.keys[id] }

    func key(_ id: String) async throws -> PublicTokenKey? { knownKey(id) }

    func rightsChange(of subject: String) -> Int64? { state.withLock { $0.published.rightsChanges[subject] } }
}
