import Contracts
import EventLog
import Features
import Models
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
        let log = FakeLog([String](repeating: FeatureSet.payments.version, count: 1_400) + [String](repeating: "another", count: 5))
        try await withServer(
            ServerConfiguration(host: "127.0.0.1", port: 0), services: [log], health: HealthRegistry(), logger: testLogger
        ) { server in
            try await DecisionTests.withChampion(features: "http://127.0.0.1:\(server.port)") { service, client in
                log.opening.notify()
                try await expectDecisions(1_400, client)
                // Two batches, and the rest of the second looked at again for what is not taken.
                #expect((2...4).contains(log.reads.withLock { $0 }))
                #expect(service.runtime.metrics.prometheusText().contains(#"vigil_log_lag_seconds{log="features"}"#))
            }
        }
    }

    @Test("What has the features of a former champion is decided on by it, wherever it lies in the log, and by call")
    func formerFeatures() async throws {
        let (now, before) = (FeatureSet.payments, FeatureSet.payments(labelDelay: .days(3)))
        let versions = [before, before, now, before, now, now].map(\.version)
        let log = FakeLog(versions + ["another"])
        try await withServer(
            ServerConfiguration(host: "127.0.0.1", port: 0), services: [log], health: HealthRegistry(), logger: testLogger
        ) { server in
            try await DecisionTests.withChampion(features: "http://127.0.0.1:\(server.port)") { _, client in
                let champion = try await client.getStatistics(.init()).championVersion
                let former = try ModelHealthTests.bundle(of: before)
                let files = former.files
                _ = try await client.uploadModel { writer in
                    for (name, content) in files { try await writer.write(.init(fileName: name, chunk: content)) }
                }
                for version in [former.version, champion] { _ = try await client.promoteModel(.init(version: version)) }
                log.opening.notify()
                try await expectDecisions(Int64(versions.count), client)
                let keys = versions.indices.map { RecordsV1.TransactionKey(bankID: "bank", transactionID: "t\($0)") }
                let decisions = try await client.getDecisions(.init(keys: keys)).decisions
                #expect(decisions.map(\.modelVersion) == versions.map { $0 == now.version ? champion : former.version })

                let late = FeaturesV1.Observation(
                    key: .init(bankID: "bank", transactionID: "late"), featureSetVersion: before.version,
                    values: [Double](repeating: 1, count: before.count))
                #expect(try await client.score(.init(observations: [late])).decisions.map(\.modelVersion) == [former.version])
            }
        }
    }

    /// Waits for so many.
    private func expectDecisions(_ count: Int64, _ client: ModelsV1.ModelService.Client) async throws {
        func decisions() async throws -> Int64 { try await client.getStatistics(.init()).decisions }
        let deadline = ContinuousClock.now + .seconds(60)
        while try await decisions() < count, .now < deadline { await Task.yield() }
        #expect(try await decisions() == count)
    }
}

/// A feature store's log, which tells of each observation in a response of its own, once it is open.
private final class FakeLog: RPCService {
    /// How often it was read whole.
    let reads = Mutex(0)
    let opening = WakeSignal()
    /// There is none.
    private let news = WakeSignal()
    /// Of each observation the version of its features.
    private let versions: [String]
    private let recordedAt = GoogleProtobuf.Timestamp(Timestamp.now() - .minutes(1))

    init(_ versions: [String]) { self.versions = versions }

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
        let left = Int(LogPosition(request.after).sequence)..<versions.count
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
            featureSetVersion: versions[number],
            values: [Double](repeating: 1, count: FeatureSet.payments.count))
    }
}
