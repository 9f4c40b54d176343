import Contracts
import RPC
import ServiceRuntime
import StandardContracts
import SuiteProcesses
import Synchronization

/// A bank that sends payments and sends again whatever has no answer yet.
final class Client: Sendable {
    struct Refusal: Error {
        let message: String
    }

    private let payments: Payments
    private let open: Mutex<Set<Int>>

    init(prefix: String, count: Int) {
        payments = Payments(prefix: prefix)
        open = Mutex(Set(0..<count))
    }

    /// Lets some time pass: a bank has its own pace, and faults come when they come. Nothing is waited for so.
    static func pause(milliseconds: Int) async throws { try await Task.sleep(for: .milliseconds(milliseconds)) }

    /// - Returns: how many payments were sent more than once.
    func send(_ caller: SuiteCaller) async throws -> Int {
        var again = 0
        let deadline = ContinuousClock.now + .seconds(300)
        while true {
            let waiting = open.withLock { $0.sorted() }
            if waiting.isEmpty { return again }
            guard ContinuousClock.now < deadline else { throw Refusal(message: "\(waiting.count) payments were never acknowledged") }
            do {
                try await stream(waiting, caller)
            } catch is RPCError {
                again += open.withLock { $0.count }
                try await Self.pause(milliseconds: 50)
            }
        }
    }

    private func stream(_ numbers: [Int], _ caller: SuiteCaller) async throws {
        let payments = payments
        try await caller.withChannel(to: .ingestionGateway) { channel in
            let client = IngestionV1.IngestionService.Client(channel)
            try await client.streamTransactions(options: CallOptions(timeout: .seconds(60))) { writer in
                for (place, number) in numbers.enumerated() {
                    try await writer.write(.init(sequence: UInt64(number), transaction: payments.message(number)))
                    // A bank's pace, so that a kill meets rows in every state.
                    if place % 100 == 99 { try await Self.pause(milliseconds: 40) }
                }
            } read: { answers in
                for try await answer in answers {
                    switch answer.outcome {
                    case .accepted, .duplicate: open.withLock { _ = $0.remove(Int(answer.sequence)) }
                    default: throw Refusal(message: "payment \(answer.sequence) was refused: \(answer.violations)")
                    }
                }
            }
        }
    }

    /// What the feature store knows of many terminals, to the bit.
    static func features(_ caller: SuiteCaller) async throws -> [[UInt64]] {
        let request = FeaturesV1.GetFeaturesRequest(
            entities: (0..<500).map { FeaturesV1.EntityKey(entity: .terminalID("terminal-\($0)")) },
            at: GoogleProtobuf.Timestamp(seconds: 1_773_100_000))
        return try await caller.withChannel(to: .featureStore) { channel in
            let deadline = ContinuousClock.now + .seconds(120)
            while true {
                do {
                    let answer = try await FeaturesV1.FeatureStoreService.Client(channel).getFeatures(
                        request, options: CallOptions(timeout: .seconds(120), waitForReady: true))
                    return answer.entities.map { $0.values.map(\.bitPattern) }
                } catch let error as RPCError where error.code == .unavailable && ContinuousClock.now < deadline {
                    // One replica is there, another that it asks is not yet.
                    try await pause(milliseconds: 100)
                }
            }
        }
    }
}
