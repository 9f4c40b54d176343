import Contracts
import RPC
import ServiceRuntime
import StandardContracts
import SuiteProcesses
import Synchronization

/// Follows the feature store's log, as the model server does, through all its crashes.
final class Observer: Sendable {
    struct Count: Sendable {
        var entries = 0
        var distinct = 0
    }

    private let caller: SuiteCaller
    /// Up to where the log has been read; rounds go on from there.
    private let position = Mutex<EventLogV1.LogPosition?>(nil)

    init(caller: SuiteCaller) {
        self.caller = caller
    }

    /// Waits until so many transactions with names that begin so have been observed.
    ///
    /// - Returns: what was observed of them in time.
    func observe(_ prefix: String, _ count: Int, withinSeconds seconds: Int) async throws -> Count {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var names: Set<String> = []
        var entries = 0
        while ContinuousClock.now < deadline {
            do {
                try await caller.withChannel(to: .featureStore) { channel in
                    let request = FeaturesV1.TailObservationsRequest(after: position.withLock { $0 })
                    let options = CallOptions(timeout: deadline - .now, waitForReady: true)
                    try await FeaturesV1.FeatureStoreService.Client(channel).tailObservations(request, options: options) { responses in
                        for try await response in responses {
                            for logged in response.observations {
                                position.withLock { $0 = logged.position }
                                guard let name = logged.observation?.key?.transactionID, name.hasPrefix(prefix) else { continue }
                                entries += 1
                                names.insert(name)
                            }
                            if names.count >= count { return }
                        }
                    }
                }
                if names.count >= count { break }
            } catch is RPCError {
                // The store was killed, or the time is over.
                try Task.checkCancellation()
            }
        }
        return Count(entries: entries, distinct: names.count)
    }
}
