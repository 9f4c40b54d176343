import Contracts
import EventLog
import Postgres
import RPC
import RecordCoding
import ServiceRuntime
import Synchronization
import TestPrograms
import TestSupport
import Testing

@testable import IngestionGateway

@Suite struct OutageTests {
    @Test func anOutageIsToldOnceForEachReasonAndOnceWhenItIsOver() {
        let log = RecordedLog()
        let outage = Outage(of: "feature-store", logger: log.logger)
        let start = ContinuousClock.now
        for second in 0..<100 {
            outage.failed(RPCError(.unavailable, "nobody listens"), count: 3, now: start + .seconds(second))
            if second > 50 { outage.failed(RPCError(.deadlineExceeded, "too late"), count: 1, now: start + .seconds(second)) }
            outage.answered(now: start + .seconds(second))
        }
        #expect(log.lines.map { $0.metadata["reason"] } == ["unavailable: nobody listens", "deadline_exceeded: too late"])
        for second in 105..<110 { outage.answered(now: start + .seconds(second)) }
        let over = log.lines.dropFirst(2).map { "\($0.metadata["reason"] ?? "") \($0.metadata["count"] ?? "")" }
        #expect(over.sorted() == ["deadline_exceeded 49", "unavailable 300"])
        outage.passedOver(count: 1_000, now: start + .seconds(150))
        outage.failed(RPCError(.unavailable, "again"), count: 1, now: start + .seconds(200))
        #expect(log.lines.last?.metadata["reason"] == "unavailable: again")
        // While nobody asks it, because it has not answered before, the outage goes on and all are counted.
        outage.passedOver(count: 30, now: start + .seconds(204))
        outage.answered(now: start + .seconds(206))
        #expect(log.lines.count == 5)
        outage.answered(now: start + .seconds(210))
        #expect(log.lines.last?.metadata["count"] == "31")
    }

    @Test func whatFailsWithoutAnAnswerBetweenIsKnownToHaveFailedSolong() {
        let outage = Outage(of: "postgresql", .unstoredTransactions, logger: RecordedLog().logger)
        let start = ContinuousClock.now
        #expect(outage.failed(PostgresError(.unavailable, "away"), count: 1, now: start) == .zero)
        #expect(outage.failed(PostgresError(.unavailable, "away"), count: 1, now: start + .seconds(3)) == .seconds(3))
        outage.answered(now: start + .seconds(4))
        #expect(outage.failed(PostgresError(.unavailable, "away"), count: 1, now: start + .seconds(5)) == .zero)
    }

    @Test func aModelServerThatHangsIsNotAskedForAWhileThoughTheStoreAnswers() async throws {
        let asked = Mutex(0), mayAnswer = Gate()
        let store = FakeService(
            (
                FeaturesV1.FeatureStoreService.fullName,
                .unary(FeaturesV1.FeatureStoreService.Methods.observe) { (request: FeaturesV1.ObserveRequest, _) in
                    FeaturesV1.ObserveResponse(encodedObservations: request.transactions.map { Payload.encode(FeaturesV1.Observation(key: $0.key)) })
                }
            ))
        let models = FakeService(
            (
                ModelsV1.ModelService.fullName,
                .unary(ModelsV1.ModelService.Methods.score) { (_: ModelsV1.ScoreRequest, _) in
                    asked.withLock { $0 += 1 }
                    await mayAnswer.pass()
                    return ModelsV1.ScoreResponse()
                }
            ))
        try await withServer(
            ServerConfiguration(host: "127.0.0.1", port: 0), services: [store, models], health: HealthRegistry(), logger: testLogger
        ) { server in
            try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: testLogger) { channel in
                let decider = Decider(stores: .one(.init(channel)), models: .init(channel), timeout: .seconds(600), logger: testLogger)
                for number in 1...8 {
                    let run = LogRun(transactionID: UInt64(number), sequences: 1...1, count: 1)
                    let observed = await decider.observe([payment("t\(number)")], at: [run])
                    #expect(observed.encoded.count == 1)
                    #expect(await decider.score(observed, isBrief: true, within: .milliseconds(50)).isEmpty)
                }
            }
            mayAnswer.open()
        }
        #expect(asked.withLock { $0 } <= 3)
    }

    @Test func aStoreThatRefusesConnectionsIsNoNewsForEachBatch() async throws {
        let log = RecordedLog()
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:1"), logger: testLogger) { channel in
            let decider = Decider(
                stores: .one(.init(channel)), models: .init(channel), timeout: .seconds(5), logger: log.logger)
            for number in 0..<20 {
                let run = LogRun(transactionID: UInt64(number + 1), sequences: 1...1, count: 1)
                #expect(await decider.observe([payment("t\(number)")], at: [run]).encoded.isEmpty)
            }
        }
        #expect(log.lines.count { $0.message == "answering PENDING" } == 1)
    }
}
