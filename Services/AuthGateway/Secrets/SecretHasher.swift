import Dispatch
import Synchronization

/// Hashes on a thread of its own, one at a time, so that guessing neither blocks an event loop nor takes more than one core.
final class SecretHasher: Sendable {
    /// Too many wait already.
    struct Busy: Error {}

    private let queue = DispatchQueue(label: "secret-hasher", qos: .userInitiated)
    private let waiting = Mutex(0)
    private let maxWaiting: Int
    private let decoy: SecretHash

    /// - Parameter decoyCost: what checking a secret for an unknown name costs, so that it takes as long as for a known one.
    init(maxWaiting: Int = 64, decoyCost: SecretHash.Cost = .password) {
        self.maxWaiting = maxWaiting
        decoy = SecretHash(decoyOfCost: decoyCost)
    }

    func hash(_ secret: String, cost: SecretHash.Cost) async throws -> SecretHash {
        try await run { try SecretHash(of: secret, cost: cost) }
    }

    /// - Parameter hash: `nil` where there is no such name; it takes the same time then.
    func matches(_ secret: String, _ hash: SecretHash?) async throws -> Bool {
        guard secret.utf8.count <= SecretHash.maxSecretBytes else { return false }
        return try await run { [decoy] in
            let isEqual = try (hash ?? decoy).matches(secret)
            return hash != nil && isEqual
        }
    }

    private func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        let isBusy = waiting.withLock { waiting in
            if waiting >= maxWaiting { return true }
            waiting += 1
            return false
        }
        if isBusy { throw Busy() }
        defer { waiting.withLock { $0 -= 1 } }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try work() }) }
        }
    }
}
