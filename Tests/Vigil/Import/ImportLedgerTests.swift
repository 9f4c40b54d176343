import Datasets
import Testing

@testable import Vigil

/// What is sent when, and what is counted how, without a file or a gateway.
@Suite("Import ledger")
struct ImportLedgerTests {
    private func position(_ row: Int) -> RowPosition { RowPosition(row: row, line: row + 1, byteOffset: Int64(row) * 10) }

    private func ledger(maxInFlight: Int = 100, rows: Range<Int> = 1..<1) -> ImportLedger<String> {
        var ledger = ImportLedger<String>(maxInFlight: maxInFlight)
        for row in rows { _ = ledger.add(position(row), "m\(row)") }
        return ledger
    }

    private func settled(_ ledger: inout ImportLedger<String>) -> [Int] {
        var rows: [Int] = []
        ledger.settle { position, _, _ in rows.append(position.row) }
        return rows
    }

    @Test func rowsSettleInTheFilesOrderWhateverTheOrderOfTheAnswers() {
        var ledger = ledger(rows: 1..<4)
        ledger.answer(row: 3, .accepted(.decided))
        ledger.answer(row: 2, .accepted(.pending))
        #expect(settled(&ledger) == [])
        #expect(ledger.resumePosition?.row == 1)
        ledger.answer(row: 1, .duplicate(.decided))
        #expect(settled(&ledger) == [1, 2, 3])
        #expect(ledger.isSettled)
        #expect(ledger.counts == ImportCounts(rows: 3, acknowledged: 3, duplicates: 1, pending: 1, decided: 2))
    }

    @Test func waitsWhileEnoughIsOnItsWay() {
        var ledger = ledger(maxInFlight: 2, rows: 1..<3)
        guard case .wait = ledger.next() else { return #expect(Bool(false), "it sends a third") }
        ledger.answer(row: 2, .accepted(.none))
        guard case .read = ledger.next() else { return #expect(Bool(false), "it does not go on") }
    }

    @Test func holdsABoundedNumberOfRowsBehindOneThatIsNotAnswered() {
        var ledger = ledger(maxInFlight: 2, rows: 1..<2)
        for row in 2..<5 { ledger.add(position(row), settled: .empty) }
        guard case .wait = ledger.next() else { return #expect(Bool(false), "it reads on for ever") }
    }

    @Test func sendsAgainWhatALostConnectionLeftOpenAndCountsItOnce() {
        var ledger = ledger(rows: 1..<5)
        ledger.answer(row: 1, .accepted(.none))
        ledger.answer(row: 3, .accepted(.none))
        ledger.connectionLost()
        var sent: [Int] = []
        while case .send(let row, _) = ledger.next() { sent.append(row) }
        #expect(sent == [2, 4])
        ledger.answer(row: 2, .duplicate(.none))
        ledger.answer(row: 4, .accepted(.none))
        _ = settled(&ledger)
        #expect(ledger.counts == ImportCounts(rows: 4, acknowledged: 4, duplicates: 0, resent: 2))
    }

    @Test func aRowThatAnEarlierRunMayHaveSentIsNoDuplicateOfTheBanks() {
        var ledger = ImportLedger<String>(maxInFlight: 10, counts: ImportCounts(rows: 5, acknowledged: 5), sentBefore: 7)
        for row in 6...8 {
            _ = ledger.add(position(row), "m")
            ledger.answer(row: row, .duplicate(.none))
        }
        _ = settled(&ledger)
        #expect(ledger.counts.rows == 8)
        #expect(ledger.counts.duplicates == 1)
    }

    @Test func answersThatNobodyWaitsForChangeNothing() {
        var ledger = ledger(rows: 1..<3)
        ledger.answer(row: 9, .accepted(.none))
        ledger.answer(row: 0, .accepted(.none))
        ledger.answer(row: 1, .accepted(.none))
        ledger.answer(row: 1, .rejected([]))
        ledger.answer(row: 2, .rejected([]))
        _ = settled(&ledger)
        #expect(ledger.counts == ImportCounts(rows: 2, acknowledged: 1, rejected: 1))
        #expect(ledger.inFlight == 0)
    }
}

@Suite("Import progress")
struct ImportProgressTests {
    @Test func saysHowFarHowFastAndHowLong() {
        let start = ContinuousClock.now
        let progress = ImportProgress(isTerminal: false, rowsBefore: 1_000, now: start)
        let line = progress.line(ImportCounts(rows: 3_000, rejected: 2), fraction: 0.25, now: start + .seconds(2))
        #expect(line == "██████░░░░░░░░░░░░░░░░░░ 25 %  3,000 rows  1,000/s  2 rejected  9 s left")
        #expect(progress.line(ImportCounts(rows: 3_000), fraction: nil, now: start + .seconds(2)) == "3,000 rows  1,000/s")
    }

    @Test func writesNumbersAndTimesForPeople() {
        #expect(ImportProgress.grouped(978_321) == "978,321")
        #expect(ImportProgress.grouped(12) == "12")
        #expect(ImportProgress.span(seconds: 59.4) == "59 s")
        #expect(ImportProgress.span(seconds: 200) == "3 min 20 s")
        #expect(ImportProgress.span(seconds: 7_500) == "2 h 5 min")
    }
}
