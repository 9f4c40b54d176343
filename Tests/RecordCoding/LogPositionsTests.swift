import Contracts
import EventLog
import RPC
import RecordCoding
import Testing

@Suite struct LogPositionsTests {
    private func run(_ sequences: ClosedRange<Int64>, count: UInt32? = nil) -> EventLogV1.LogRun {
        .init(
            transactionID: 7, firstSequence: sequences.lowerBound, lastSequence: sequences.upperBound,
            count: count ?? UInt32(sequences.count))
    }

    @Test func runsOfAsManyEntriesAsComeAlongAreTaken() throws {
        let runs = try [LogRun]([run(1...3), run(9...9)], field: "positions", of: 4)
        #expect(runs.map(\.sequences) == [1...3, 9...9])
    }

    @Test func moreEntriesThanComeAlongAreRefused() {
        #expect(throws: RPCError.self) { try [LogRun]([run(1...3), run(9...9)], field: "positions", of: 3) }
        #expect(throws: RPCError.self) { try [LogRun]([run(1...3, count: .max)], field: "positions", of: 3) }
    }
}
