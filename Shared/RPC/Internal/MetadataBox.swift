internal import Synchronization

/// Initial and trailing metadata, handed from the end of a call to who made it.
final class MetadataBox: Sendable {
    private let state = Mutex((initial: Metadata(), trailing: Metadata()))

    func set(_ initial: Metadata, _ trailing: Metadata) {
        state.withLock(of: self) { $0 = (initial, trailing) }
    }

    var value: (initial: Metadata, trailing: Metadata) { state.withLock(of: self) { $0 } }
}
