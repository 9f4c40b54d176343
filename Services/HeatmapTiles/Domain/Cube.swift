import Geo

/// All events, counted by cell (a tile at zoom 17), hour and kind.
///
/// A value: whoever holds one sees it unchanged while events go on arriving at the next.
struct Cube: Sendable {
    /// The zoom of the finest cells, about 300 m wide at the equator.
    static let cellZoom = 17

    /// The cells' codes in rising order: everything inside a tile is one range of them.
    private(set) var codes: [UInt64] = []
    private(set) var histories: [CellHistory] = []
    /// What happened in all cells together.
    private(set) var world = CellHistory()
    private(set) var kinds = KindTable()
    /// Goes up with every change.
    private(set) var version: UInt64 = 0
    /// All events of each signal.
    private(set) var totals: [Signal: Tally] = [:]
    /// From the first to the last hour that has an event; nil while there is none.
    private(set) var hours: ClosedRange<Int>?

    /// What is to be added to one entry.
    struct Increment: Sendable, Hashable {
        /// A tile's code at zoom 17.
        var cell: UInt64
        var hour: Int
        var kind: Int
        var tally: Tally
    }

    var entryCount: Int { histories.reduce(0) { $0 + $1.entryCount } }

    /// The number of a kind, given now if it is new; the number of the signal's "other" when no more can be given.
    mutating func number(for kind: Kind) -> Int {
        if let number = kinds.add(kind) { return number }
        // Room for each signal's "other" is always kept.
        return kinds.add(Kind(signal: kind.signal, type: Kind.otherType)) ?? 0
    }

    /// Adds increments in any order. A count below zero takes away what was added before.
    mutating func apply(_ all: [Increment]) {
        guard !all.isEmpty else { return }
        version += 1
        take(all.filter { $0.tally.count < 0 })
        let increments = all.filter { $0.tally.count > 0 }
        insertCells(Set(increments.lazy.map(\.cell)))
        var everywhere: [Slot: Tally] = [:]
        for increment in increments {
            histories[lowerBound(increment.cell)].add(kind: increment.kind, hour: increment.hour, increment.tally)
            everywhere[Slot(kind: increment.kind, hour: increment.hour), default: Tally()] += increment.tally
            note(kind: increment.kind, hour: increment.hour, increment.tally)
        }
        for (slot, tally) in everywhere { world.add(kind: slot.kind, hour: slot.hour, tally) }
    }

    /// Takes away what was added before.
    private mutating func take(_ decrements: [Increment]) {
        guard !decrements.isEmpty else { return }
        var everywhere: [UInt32: Tally] = [:]
        for (cell, decrements) in Dictionary(grouping: decrements, by: \.cell) {
            var tallies: [UInt32: Tally] = [:]
            for decrement in decrements {
                let key = CellHistory.Key(kind: decrement.kind, hour: decrement.hour).number
                tallies[key, default: Tally()] += decrement.tally
                everywhere[key, default: Tally()] += decrement.tally
                totals[kinds.kinds[decrement.kind].signal, default: Tally()] += decrement.tally
            }
            let index = lowerBound(cell)
            if index < codes.count, codes[index] == cell { histories[index].take(tallies) }
        }
        world.take(everywhere)
        hours = world.hours(ofKinds: [Bool](repeating: true, count: kinds.kinds.count))
    }

    private struct Slot: Hashable {
        var kind: Int
        var hour: Int
    }

    /// Adds a cell whose code comes after all others', with its entries in the order of their keys: how a cube is built, until ``finish()``.
    mutating func append(_ code: UInt64, _ entries: [(key: CellHistory.Key, tally: Tally)]) {
        codes.append(code)
        histories.append(CellHistory(entries))
        for (key, tally) in entries { note(kind: key.kind, hour: key.hour, tally) }
    }

    /// Ends a building: sums up what was appended.
    mutating func finish() {
        guard let hours else { return }
        var sums = [Tally](repeating: Tally(), count: kinds.kinds.count * hours.count)
        let everything = CubeFilter.Prepared(
            kinds: [Bool](repeating: true, count: kinds.kinds.count), hours: CubeHour.range, hoursBefore: nil, hoursOfWeek: nil,
            cells: nil)
        for history in histories {
            history.forEachEntry(everything) { kind, hour, tally in sums[kind * hours.count + hour - hours.lowerBound] += tally }
        }
        world = CellHistory(sums.enumerated().filter { $0.element.count > 0 }.map { index, tally in
            (.init(kind: index / hours.count, hour: hours.lowerBound + index % hours.count), tally)
        })
    }

    /// The first index whose code is not below `code`.
    func lowerBound(_ code: UInt64) -> Int {
        var low = 0, high = codes.count
        while low < high {
            let middle = (low + high) / 2
            if codes[middle] < code { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func note(kind: Int, hour: Int, _ tally: Tally) {
        totals[kinds.kinds[kind].signal, default: Tally()] += tally
        hours = min(hours?.lowerBound ?? hour, hour)...max(hours?.upperBound ?? hour, hour)
    }

    private mutating func insertCells(_ cells: Set<UInt64>) {
        let added = cells.filter { let index = lowerBound($0); return index == codes.count || codes[index] != $0 }.sorted()
        guard !added.isEmpty else { return }
        var mergedCodes: [UInt64] = []
        var mergedHistories: [CellHistory] = []
        mergedCodes.reserveCapacity(codes.count + added.count)
        mergedHistories.reserveCapacity(codes.count + added.count)
        var next = added.makeIterator()
        var pending = next.next()
        for (code, history) in zip(codes, histories) {
            while let new = pending, new < code {
                mergedCodes.append(new)
                mergedHistories.append(CellHistory())
                pending = next.next()
            }
            mergedCodes.append(code)
            mergedHistories.append(history)
        }
        while let new = pending {
            mergedCodes.append(new)
            mergedHistories.append(CellHistory())
            pending = next.next()
        }
        codes = mergedCodes
        histories = mergedHistories
    }
}
