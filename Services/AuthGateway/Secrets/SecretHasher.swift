import Dispatch
import Synchronization

/// Hashes on a thread of its own, one at a time, so that guessing neither blocks an event loop nor takes more than one core.
final class SecretHasher: Sendable {
    /// Too many wait already.
    struct Busy: Error {}

    private let queue = DispatchQueue(label: "secret-hasher", qos: .userInitiated)
    private let waiting = Mutex(0)
    private let maxWaiting: Int
    private let passwordDecoy: SecretHash
    private let machineDecoy: SecretHash

    let costs: SecretHash.Costs

    init(costs: SecretHash.Costs = SecretHash.Costs(), maxWaiting: Int = 64) {
        self.costs = costs
        self.maxWaiting = maxWaiting
        passwordDecoy = SecretHash(decoyOfCost: costs.password)
        machineDecoy = SecretHash(decoyOfCost: costs.machineSecret)
    }

    /// What a hash of this sort of secret costs now.
    func cost(isPassword: Bool) -> SecretHash.Cost {
        isPassword ? costs.password : costs.machineSecret
    }

    func hash(_ secret: String, isPassword: Bool) async throws -> SecretHash {
        let cost = cost(isPassword: isPassword)
        return try await run { try SecretHash(of: secret, cost: cost) }
    }

    /// - Parameter hash: `nil` where there is no such name; it takes the same time then.
    func matches(_ secret: String, _ hash: SecretHash?, isPassword: Bool) async throws -> Bool {
        guard secret.utf8.count <= SecretHash.maxSecretBytes else { return false }
        let decoy = isPassword ? passwordDecoy : machineDecoy
        return try await run {
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
