/// What happened in one cell: for each kind and hour, how many events and the sum of their risks.
///
/// A tile reads a little of thousands of cells, which takes as long as memory takes to bring it. So all of a cell lies in one array and is
/// small: how many runs and entries there are; the runs; the entries' heads; their risks, apart since hours that are only compared with need
/// none; and the sums of all entries before each sixteenth. A run is a kind's hours that agree in their high bits; an entry's head holds the
/// low bits, in rising order, and the count. An hour of more events than an entry counts has several entries.
struct CellHistory: Sendable {
    /// Kind and hour as one number: kind × 2²⁰ + hour.
    struct Key {
        let number: UInt32

        init(kind: Int, hour: Int) {
            number = UInt32(kind) << 20 | UInt32(hour)
        }

        init(number: UInt32) {
            self.number = number
        }

        var kind: Int { Int(number >> 20) }
        var hour: Int { Int(number & 0xF_FFFF) }
        /// Of its run, and of the entry in that.
        fileprivate var high: UInt32 { number >> 16 }
        fileprivate var low: Int { Int(number & 0xFFFF) }
    }

    struct Run {
        /// The high half of its entries' keys.
        fileprivate let high: UInt32
        /// Where its entries begin.
        let start: Int

        var kind: Int { Int(high >> 4) }
        /// The hour that its entries count from.
        var firstHour: Int { Int(high & 0xF) << 16 }
    }

    struct Head {
        static let maxCount = 0xFFFF

        fileprivate(set) var word: UInt32

        /// From its run's first hour on.
        var hour: Int { Int(word & 0xFFFF) }
        var count: UInt64 { UInt64(word >> 16) }
    }

    static let entriesPerSum = 16
    /// Of the entries and their sums, without what each cell takes.
    static let bytesPerEntry = 4 + 8 + 16.0 / Double(entriesPerSum)

    /// Empty while there is no entry.
    private var words: [UInt32] = []

    /// The number of (kind, hour) entries; more where an hour has so many events that it takes several.
    var entryCount: Int { words.isEmpty ? 0 : Int(words[1]) }

    init() {}

    /// - Parameter tallies: in rising order of their keys, each key once.
    init(_ tallies: [(key: Key, tally: Tally)]) {
        var runs: [UInt32] = [], heads: [UInt32] = [], risks: [Double] = []
        heads.reserveCapacity(tallies.count)
        risks.reserveCapacity(tallies.count)
        var high: UInt32?
        for (key, tally) in tallies {
            if high != key.high { runs += [key.high, UInt32(heads.count)] }
            high = key.high
            for part in Self.parts(of: tally) {
                heads.append(Self.head(key, count: part.count))
                risks.append(part.riskSum)
            }
        }
        guard !heads.isEmpty else { return }
        words.reserveCapacity(2 + runs.count + 3 * heads.count + 4 * (heads.count / Self.entriesPerSum))
        words += [UInt32(runs.count / 2), UInt32(heads.count)]
        words += runs
        words += heads
        for risk in risks { words += Self.halves(risk.bitPattern) }
        for _ in 0..<(heads.count / Self.entriesPerSum) { words += [0, 0, 0, 0] }
        sumUp(from: 0)
    }

    /// What it holds, for as long as `body` runs.
    @inline(__always)
    func read<R>(_ body: (Content) -> R) -> R { words.withUnsafeBytes { body(Content($0)) } }

    // MARK: Adding

    /// Adds to one entry. An hour that is there costs least; a new one moves what comes after it.
    mutating func add(kind: Int, hour: Int, _ tally: Tally) {
        let key = Key(kind: kind, hour: hour)
        for part in Self.parts(of: tally) { add(key, part) }
    }

    /// A tally as parts that fit an entry each.
    private static func parts(of tally: Tally) -> [Tally] {
        guard tally.count > Head.maxCount else { return [tally] }
        return stride(from: 0, to: tally.count, by: Head.maxCount).map { start in
            let count = min(Head.maxCount, tally.count - start)
            return Tally(count: count, riskSum: tally.riskSum * Double(count) / Double(tally.count))
        }
    }

    private static func head(_ key: Key, count: Int) -> UInt32 { UInt32(count) << 16 | UInt32(key.low) }
    private static func halves(_ bits: UInt64) -> [UInt32] { [UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32)] }

    private mutating func add(_ key: Key, _ part: Tally) {
        let (run, isNew, entries) = read { content in
            let run = (0..<content.runCount).first { content.run($0).high >= key.high } ?? content.runCount
            let isNew = run == content.runCount || content.run(run).high != key.high
            return (run, isNew, content.start(ofRun: run)..<content.start(ofRun: isNew ? run : run + 1))
        }
        let place = read { $0.lowerBound(key.low + 1, in: entries) }
        if place > entries.lowerBound, grow(place - 1, key, part) { return }
        // An array that doubles would leave a quarter of the cube's memory empty; this one grows by an eighth.
        if words.count + 11 > words.capacity { words.reserveCapacity(words.count + max(16, words.count / 8)) }
        if words.isEmpty { words = [0, 0] }
        if isNew {
            words.insert(contentsOf: [key.high, UInt32(place)], at: 2 + 2 * run)
            words[0] += 1
        }
        words.insert(Self.head(key, count: part.count), at: heads + place)
        words[1] += 1
        words.insert(contentsOf: Self.halves(part.riskSum.bitPattern), at: risks + 2 * place)
        for later in (run + 1)..<max(run + 1, Int(words[0])) { words[3 + 2 * later] += 1 }
        if entryCount % Self.entriesPerSum == 0 { words += [0, 0, 0, 0] }
        sumUp(from: place)
    }

    /// Takes away what was added before, by the numbers of the keys: their tallies, below zero. It is made anew, without what is empty now.
    mutating func take(_ tallies: [UInt32: Tally]) {
        var rest: [UInt32: Tally] = tallies
        read { content in
            for number in 0..<content.runCount {
                for place in content.entries(ofRun: number) {
                    let key = content.run(number).high << 16 | UInt32(content.head(place).hour)
                    rest[key, default: Tally()] += content.tally(place)
                }
            }
        }
        self = CellHistory(rest.filter { $0.value.count > 0 }.sorted { $0.key < $1.key }.map { (Key(number: $0.key), $0.value) })
    }

    /// Where the heads, the risks and the sums begin.
    private var heads: Int { 2 + 2 * Int(words[0]) }
    private var risks: Int { heads + entryCount }
    private var sums: Int { risks + 2 * entryCount }

    /// Adds to an entry that is there, if it is of this hour and has room.
    private mutating func grow(_ place: Int, _ key: Key, _ part: Tally) -> Bool {
        let head = Head(word: words[heads + place])
        guard head.hour == key.low, Int(head.count) + part.count <= Head.maxCount else { return false }
        words[heads + place] += UInt32(part.count) << 16
        put((number(at: risks + 2 * place) + part.riskSum).bitPattern, at: risks + 2 * place)
        for index in stride(from: sums + 4 * (place / Self.entriesPerSum), to: words.count, by: 4) {
            put(bits(at: index) + UInt64(part.count), at: index)
            put((number(at: index + 2) + part.riskSum).bitPattern, at: index + 2)
        }
        return true
    }

    /// Sums up again what comes after an entry.
    private mutating func sumUp(from place: Int) {
        let first = place / Self.entriesPerSum
        var total = first > 0 ? read { $0.sum(first - 1) } : Tally()
        for number in first..<max(first, entryCount / Self.entriesPerSum) {
            read { content in
                for place in (number * Self.entriesPerSum)..<((number + 1) * Self.entriesPerSum) { total += content.tally(place) }
            }
            put(UInt64(total.count), at: sums + 4 * number)
            put(total.riskSum.bitPattern, at: sums + 4 * number + 2)
        }
    }

    private func bits(at index: Int) -> UInt64 { UInt64(words[index]) | UInt64(words[index + 1]) << 32 }
    private func number(at index: Int) -> Double { Double(bitPattern: bits(at: index)) }

    private mutating func put(_ bits: UInt64, at index: Int) {
        words[index] = UInt32(truncatingIfNeeded: bits)
        words[index + 1] = UInt32(truncatingIfNeeded: bits >> 32)
    }
}

extension CellHistory {
    /// The parts of a history's array.
    struct Content {
        private let bytes: UnsafeRawBufferPointer
        let runCount: Int
        let entryCount: Int
        /// Where they begin, in bytes.
        private let heads: Int
        private let risks: Int

        @inline(__always)
        fileprivate init(_ bytes: UnsafeRawBufferPointer) {
            self.bytes = bytes
            runCount = bytes.isEmpty ? 0 : Int(bytes.load(as: UInt32.self))
            entryCount = bytes.isEmpty ? 0 : Int(bytes.load(fromByteOffset: 4, as: UInt32.self))
            heads = 8 + 8 * runCount
            risks = heads + 4 * entryCount
        }

        @inline(__always)
        func run(_ number: Int) -> Run {
            let place = 8 + 8 * number
            return Run(
                high: bytes.load(fromByteOffset: place, as: UInt32.self), start: Int(bytes.load(fromByteOffset: place + 4, as: UInt32.self)))
        }

        @inline(__always)
        func start(ofRun number: Int) -> Int { number < runCount ? run(number).start : entryCount }
        func entries(ofRun number: Int) -> Range<Int> { start(ofRun: number)..<start(ofRun: number + 1) }

        @inline(__always)
        func head(_ place: Int) -> Head { Head(word: bytes.load(fromByteOffset: heads + 4 * place, as: UInt32.self)) }

        /// The bits of a sum of risks, a `Double`.
        @inline(__always)
        func riskBits(_ place: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: risks + 8 * place, as: UInt64.self) }

        func tally(_ place: Int) -> Tally { Tally(count: Int(head(place).count), riskSum: Double(bitPattern: riskBits(place))) }

        /// The sum of the entries before the one at (`number` + 1) × ``entriesPerSum``.
        fileprivate func sum(_ number: Int) -> Tally {
            let place = risks + 8 * entryCount + 16 * number
            return Tally(
                count: Int(bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)),
                riskSum: bytes.loadUnaligned(fromByteOffset: place + 8, as: Double.self))
        }

        /// The sum of all entries before a place.
        func total(before place: Int) -> Tally {
            let number = place / entriesPerSum
            var total = number > 0 ? sum(number - 1) : Tally()
            for place in (number * entriesPerSum)..<place { total += tally(place) }
            return total
        }

        /// The first place in a run's entries whose hour is not below `hour`, counted from the run's first.
        func lowerBound(_ hour: Int, in entries: Range<Int>) -> Int {
            var low = entries.lowerBound, high = entries.upperBound
            // Most searches ask for the newest hours: look at the end before halving.
            if entries.isEmpty || head(high - 1).hour < hour { return high }
            while low < high {
                let middle = (low + high) / 2
                if head(middle).hour < hour { low = middle + 1 } else { high = middle }
            }
            return low
        }

        /// As `lowerBound(_:in:)`, where it may lie near a guess: entry by entry from a little before that, which a processor foresees.
        @inline(__always)
        func lowerBound(_ hour: Int, in entries: Range<Int>, near guess: Int?) -> Int {
            guard let guess, entries.contains(guess) else { return lowerBound(hour, in: entries) }
            var place = max(entries.lowerBound, guess - Self.nearby)
            while place > entries.lowerBound, head(place).hour >= hour { place = max(entries.lowerBound, place - 2 * Self.nearby) }
            let end = min(place + 4 * Self.nearby, entries.upperBound)
            while place < end, head(place).hour < hour { place += 1 }
            return place < end || place == entries.upperBound ? place : lowerBound(hour, in: place..<entries.upperBound)
        }

        /// So far before a guess and behind its end it is worth looking.
        static let nearby = 8
    }
}
