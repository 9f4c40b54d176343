import Contracts
import EventLog
import Features
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import Synchronization
import TestSupport
import Testing

@testable import ModelServer

@Suite struct ObservationFollowerTests {
    @Test("What a follower is behind by is read a large batch at a time, up to what its model does not take")
    func behind() async throws {
        let log = FakeLog(decidable: 1_400, others: 5)
        try await withServer(
            ServerConfiguration(host: "127.0.0.1", port: 0), services: [log], health: HealthRegistry(), logger: testLogger
        ) { server in
            try await DecisionTests.withChampion(features: "http://127.0.0.1:\(server.port)") { service, client in
                log.opening.notify()
                func decisions() async throws -> Int64 { try await client.getStatistics(.init()).decisions }
                let deadline = ContinuousClock.now + .seconds(60)
                while try await decisions() < 1_400, .now < deadline { await Task.yield() }
                #expect(try await decisions() == 1_400)
                // Two batches, and the rest of the second looked at again for what is not taken.
                #expect((2...4).contains(log.reads.withLock { $0 }))
                #expect(service.runtime.metrics.prometheusText().contains(#"vigil_log_lag_seconds{log="features"}"#))
            }
        }
    }
}

/// A feature store's log, which tells of each observation in a response of its own, once it is open.
private final class FakeLog: RPCService {
    /// How often it was read whole.
    let reads = Mutex(0)
    let opening = WakeSignal()
    /// There is none.
    private let news = WakeSignal()
    private let decidable: Int
    private let others: Int
    private let recordedAt = GoogleProtobuf.Timestamp(Timestamp.now() - .minutes(1))

    /// - Parameter others: observations of features that no model was trained on, behind the decidable ones.
    init(decidable: Int, others: Int) { (self.decidable, self.others) = (decidable, others) }

    var serviceName: String { FeaturesV1.FeatureStoreService.fullName }
    var fileDescriptors: [[UInt8]] { [] }
    var methods: [RPCMethod] {
        [.serverStreaming(FeaturesV1.FeatureStoreService.Methods.tailObservations) { [self] in try await tail($0, to: $1, context: $2) }]
    }

    private func tail(
        _ request: FeaturesV1.TailObservationsRequest, to responses: ResponseWriter<FeaturesV1.TailObservationsResponse>,
        context: CallContext
    ) async throws {
        _ = await opening.wait(beyond: 0, atMost: .seconds(600))
        let left = Int(LogPosition(request.after).sequence)..<decidable + others
        if request.runsOnly {
            for number in left {
                let run = LogRun(transactionID: 1, sequences: Int64(number + 1)...Int64(number + 1), count: 1)
                try await responses.write(.init(observations: [.init(position: .init(run.end), recordedAt: recordedAt, run: .init(run))]))
            }
        } else {
            reads.withLock { $0 += 1 }
            try await responses.write(.init(observations: left.prefix(Int(request.maxBatch)).map { number in
                let position = LogPosition(transactionID: 1, sequence: Int64(number + 1))
                return .init(position: .init(position), recordedAt: recordedAt, observation: observation(number))
            }))
        }
        _ = await news.wait(beyond: 0, atMost: .seconds(600))
    }

    private func observation(_ number: Int) -> FeaturesV1.Observation {
        FeaturesV1.Observation(
            key: .init(bankID: "bank", transactionID: "t\(number)"),
            featureSetVersion: number < decidable ? FeatureSet.payments.version : "another",
            values: [Double](repeating: 1, count: FeatureSet.payments.count))
    }
}
