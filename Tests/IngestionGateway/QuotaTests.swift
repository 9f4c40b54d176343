import Contracts
import RPC
import TestSupport
import Testing

@testable import IngestionGateway

@Suite(.serialized) struct QuotaTests {
    private let start = ContinuousClock.now

    @Test func aBucketGivesItsBurstAndThenItsRate() {
        var bucket = TokenBucket(perSecond: 2, burst: 3, now: start)
        #expect((0..<3).allSatisfy { _ in bucket.take(now: start) == nil })
        #expect(bucket.take(now: start) == 0.5)
        #expect(bucket.take(now: start + .milliseconds(500)) == nil)
        #expect(bucket.take(now: start + .milliseconds(500)) == 0.5)
        let late = start + .seconds(86_400)
        #expect((0..<3).allSatisfy { _ in bucket.take(now: late) == nil })
        #expect(bucket.take(now: start) != nil, "a moment before the last one gives nothing")
    }

    @Test func eachBankHasItsOwnQuota() {
        let quotas = Quotas(perSecond: 1, burst: 1)
        #expect(quotas.take("a", now: start) == nil)
        #expect(quotas.take("a", now: start) != nil)
        #expect(quotas.take("b", now: start) == nil)
        let none = Quotas(perSecond: 0, burst: 1)
        #expect((0..<100).allSatisfy { _ in none.take("a", now: start) == nil })
    }

    @Test func aBankAboveItsQuotaIsToldWhenToComeBackAndAStreamIsSlowedDown() async throws {
        let quota = ["VIGIL_INGESTION_QUOTA_PER_SECOND": "40", "VIGIL_INGESTION_QUOTA_BURST": "2"]
        try await ScoringPath.run(quota.merging(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { $1 }) { path in
            try await path.asBank { client, options in
                let answers = try await client.streamTransactions(options: options) { writer in
                    for index in 0..<12 { try await writer.write(.init(sequence: UInt64(index), transaction: payment("s-\(index)"))) }
                } read: { responses in
                    var outcomes: [IngestionV1.Outcome] = []
                    for try await response in responses { outcomes.append(response.outcome) }
                    return outcomes
                }
                #expect(answers == Array(repeating: .accepted, count: 12), "nothing of a stream is refused for its pace")

                var refusal: RPCError?
                for index in 0..<200 where refusal == nil {
                    do {
                        _ = try await client.submitTransaction(
                            .init(transaction: payment("u-\(index)")), options: CallOptions(metadata: options.metadata))
                    } catch let error as RPCError {
                        refusal = error
                    }
                }
                // On a slow machine calls may come no faster than the quota gives; the bucket's own test covers that.
                if let refusal {
                    #expect(refusal.code == .resourceExhausted)
                    let delay = try #require(refusal.retryDelay)
                    #expect(delay > .zero && delay <= .milliseconds(25))
                }
            }
        }
    }
}
