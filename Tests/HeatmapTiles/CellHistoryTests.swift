import SeededRandom
import Testing

@testable import HeatmapTiles

@Suite struct CellHistoryTests {
    private struct Slot: Hashable {
        var kind: Int
        var hour: Int
    }

    /// Two days on either side of an hour whose low bits are all zero: there a kind begins another run.
    private static let hours = (7 << 16) - 48..<(7 << 16) + 48

    private static func filter(_ generator: inout SplitMix64) -> CubeFilter.Prepared {
        let from = Int.random(in: hours, using: &generator), count = Int.random(in: 1...60, using: &generator)
        let hoursOfWeek = Bool.random(using: &generator) ? (0..<168).map { _ in Bool.random(using: &generator) } : nil
        return .init(
            kinds: (0..<4).map { _ in Bool.random(using: &generator) }, hours: from..<(from + count),
            hoursBefore: Bool.random(using: &generator) ? (from - count)..<from : nil, hoursOfWeek: hoursOfWeek, cells: nil)
    }

    @Test("Sums equal those of every event, for random filters, grown in any order and built at once", arguments: [1, 2, 3])
    func sums(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var expected: [Slot: Tally] = [:], grown = CellHistory()
        for _ in 0..<600 {
            let slot = Slot(kind: .random(in: 0..<4, using: &generator), hour: .random(in: Self.hours, using: &generator))
            let tally = Tally(count: .random(in: 1...3, using: &generator), riskSum: .random(in: 0...2, using: &generator))
            expected[slot, default: Tally()] += tally
            grown.add(kind: slot.kind, hour: slot.hour, tally)
        }
        let built = CellHistory(
            expected.map { (key: CellHistory.Key(kind: $0.kind, hour: $0.hour), tally: $1) }.sorted { $0.key.number < $1.key.number })
        #expect(grown.entryCount == expected.count && built.entryCount == expected.count)
        var hints = SearchHints(kindCount: 4)
        for _ in 0..<200 {
            let filter = Self.filter(&generator)
            func sum(_ hours: Range<Int>) -> Tally {
                expected.filter { slot, _ in
                    filter.kinds[slot.kind] && hours.contains(slot.hour) && filter.hoursOfWeek?[slot.hour % 168] != false
                }.values.reduce(into: Tally()) { $0 += $1 }
            }
            let now = sum(filter.hours), before = filter.hoursBefore.map(sum)?.count ?? 0
            for history in [grown, built] {
                let found = history.tallies(filter, &hints)
                #expect(found.now.count == now.count && found.countBefore == before)
                #expect(abs(found.now.riskSum - now.riskSum) < 1e-4)
                var entries = Tally()
                history.forEachEntry(filter) { _, _, tally in entries += tally }
                #expect(entries.count == now.count)
            }
        }
        let hours = expected.keys.map(\.hour).sorted()
        #expect(grown.hours(ofKinds: [Bool](repeating: true, count: 4)) == hours[0]...hours[hours.count - 1])
    }

    @Test("An hour of more events than an entry counts is kept whole")
    func manyEvents() {
        let hour = 490_992, key = CellHistory.Key(kind: 1, hour: hour)
        let whole = Tally(count: 1_000_000, riskSum: 250_000)
        var grown = CellHistory([(key, whole)])
        for _ in 0..<3 { grown.add(kind: 1, hour: hour, Tally(count: 50_000, riskSum: 100)) }
        grown.add(kind: 1, hour: hour, Tally(count: 200_000, riskSum: 0))
        grown.add(kind: 1, hour: hour + 1, Tally(count: 1))
        grown.add(kind: 0, hour: hour - 1, Tally(count: 7))
        let tally = grown.tally(.init(
            kinds: [false, true], hours: hour..<(hour + 1), hoursBefore: nil, hoursOfWeek: nil, cells: nil))
        #expect(tally.count == 1_350_000)
        #expect(abs(tally.riskSum - 250_300) < 1)
    }
}
