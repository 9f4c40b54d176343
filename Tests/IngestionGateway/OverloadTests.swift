import Contracts
import Foundation
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

/// More comes than can be decided on: senders are held back, and nobody is told less than on an idle machine.
@Suite(.serialized) struct OverloadTests {
    private static let smallQueues = [
        "VIGIL_INGESTION_MAX_BATCH": "5", "VIGIL_INGESTION_MAX_COMMIT": "40", "VIGIL_INGESTION_MAX_QUEUED": "20",
    ]

    @Test func fullQueuesSlowAStreamDownAndDuplicatesAnswerTheFirstDecision() async throws {
        try await ScoringPath.run(Self.smallQueues) { path in
            try await path.promoteModel()
            try await path.asBank { client, options in
                // Each payment comes twice, in all distances from its first.
                var numbers: [Int] = []
                for number in 0..<200 { numbers += [number, number, number * 7 % (number + 1)] }
                let answers = try await Self.stream(numbers, client, options)
                #expect(answers.count == numbers.count)
                var first: [Int: [UInt8]] = [:]
                for (index, number) in numbers.enumerated() {
                    let decision = try #require(answers[UInt64(index)]?.decision)
                    #expect(decision.state == .decided)
                    let encoded = Payload.encode(decision)
                    #expect(first[number] ?? encoded == encoded)
                    first[number] = encoded
                }
                #expect(answers.values.filter { $0.outcome == .accepted }.count == 200)
                #expect(answers.values.allSatisfy { $0.outcome == .accepted || $0.outcome == .duplicate })
            }
        }
    }

    /// A bank that sends all it can and reads no answer.
    @Test func aBankThatFloodsTheGatewayMakesNobodyElseWait() async throws {
        let narrow = ["VIGIL_INGESTION_MAX_COMMIT": "1", "VIGIL_INGESTION_MAX_QUEUED": "20", "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]
        try await ScoringPath.run(narrow) { path in
            let served = Gate()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await path.asBank("flood") { client, options in
                        try await client.streamTransactions(options: options) { writer in
                            for number in 0..<1_000 { try await writer.write(.init(sequence: UInt64(number), transaction: payment("f-\(number)"))) }
                        } read: { responses in
                            await served.pass()
                            var answered = 0
                            for try await response in responses where response.outcome == .accepted { answered += 1 }
                            #expect(answered == 1_000)
                        }
                    }
                }
                defer { served.open() }
                // A bank is told of its own alone.
                func stored() async throws -> Int64 {
                    try await path.gateway.withChannel(as: .peer(ServiceName.operator)) {
                        try await IngestionV1.IngestionService.Client($0).getStatistics(.init()).transactions
                    }
                }
                try await path.asBank("small") { client, options in
                    while try await stored() < 20 {}
                    for number in 0..<20 {
                        let answer = try await client.submitTransaction(.init(transaction: payment("s-\(number)")), options: options)
                        #expect(answer.outcome == .accepted)
                    }
                    #expect(try await stored() < 1_000, "the flood is still coming")
                }
                served.open()
                try await group.waitForAll()
            }
        }
    }

    /// A model server that takes connections and says nothing.
    @Test func aModelServerThatNeverAnswersKeepsNobodyFromBeingAcknowledged() async throws {
        try await Self.withSilentListener { port in
            let own = ["VIGIL_MODELS_URL": "https://127.0.0.1:\(port)", "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0.2"]
            try await ScoringPath.run(Self.smallQueues.merging(own) { $1 }) { path in
                try await path.asBank { client, options in
                    let answers = try await Self.stream(Array(0..<400), client, options)
                    #expect(answers.values.allSatisfy { $0.outcome == .accepted && $0.decision?.state == .pending })
                    let counts = try await client.getStatistics(.init(), options: options)
                    #expect(counts.transactions == 400)
                }
            }
        }
    }

    /// The system takes connections in the name of a socket that listens; nobody reads from them.
    private static func withSilentListener<R>(_ body: (Int) async throws -> R) async throws -> R {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 64) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(isListening)
        return try await body(Int(UInt16(bigEndian: address.sin_port)))
    }

    private static func stream(
        _ numbers: [Int], _ client: IngestionV1.IngestionService.Client, _ options: CallOptions
    ) async throws -> [UInt64: IngestionV1.StreamTransactionsResponse] {
        let payments = (0...(numbers.max() ?? 0)).map { payment("o-\($0)", customer: "C\($0 % 40)") }
        return try await client.streamTransactions(options: options) { writer in
            for (index, number) in numbers.enumerated() {
                try await writer.write(.init(sequence: UInt64(index), transaction: payments[number]))
            }
        } read: { responses in
            var answers: [UInt64: IngestionV1.StreamTransactionsResponse] = [:]
            for try await response in responses { answers[response.sequence] = response }
            return answers
        }
    }
}
