import Identity
import Synchronization

/// Keys that are known only after the service that uses them has started.
final class LateKeys: TokenKeySource {
    private let keys = Mutex(KeySet([]))

    func set(_ keys: KeySet) { self.keys.withLock { $0 = keys } }
    func knownKey(_ id: String) -> PublicTokenKey? { keys.withLock { $0.keys[id] } }
    func key(_ id: String) async throws -> PublicTokenKey? { knownKey(id) }
    func rightsChange(of subject: String) -> Int64? { nil }
}

/// Text that grows while a test reads it.
final class LateText: Sendable {
    private let text = Mutex("")

    var value: String { text.withLock { $0 } }
    func append(_ more: String) { text.withLock { $0 += more } }
}
