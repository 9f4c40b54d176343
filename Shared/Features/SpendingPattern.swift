import Records

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How much a customer ordinarily pays, and how one amount stands against it.
struct SpendingPattern {
    /// A payment of so many times the usual amount is unusual.
    static let unusualFactor: Float = 3
    /// Only the newest payments of the window are looked at.
    static let maxPayments = 192
    /// Of those that are unusual, which are kept apart, and of a customer's visits to a terminal: only for these who pay without end are cut.
    static let maxUnusual = 4_096
    static let maxVisits = 4_096

    private(set) var ordinaryCount = 0
    private var sum = 0.0
    private var sumOfSquares = 0.0
    private var largest = 0.0
    private var atLeastAsLarge = 0
    private let amount: Double

    /// - Parameter range: the events of the window that ends at `time`.
    @inline(__always)
    init(of history: HistoryView, range: Range<Int>, at time: Int64, labelDelay: Int64, amount: Double) {
        self.amount = amount
        let range = range.suffix(SpendingPattern.maxPayments)
        guard !range.isEmpty else { return }
        let events = history.events
        var before = events.ticks(before: range.lowerBound)
        // In variables of their own, which stay in registers.
        var count = 0, larger = 0
        var sum = 0.0, squares = 0.0, largest = 0.0
        for index in range {
            let ticks = events.cumulativeTicks(index)
            let value = Double(ticks &- before) / Histories.ticksPerUnit
            before = ticks
            guard events[index].isOrdinary(at: time, labelDelay: labelDelay) else { continue }
            count &+= 1
            sum += value
            squares += value * value
            largest = value > largest ? value : largest
            larger &+= value >= amount ? 1 : 0
        }
        ordinaryCount = count
        self.sum = sum
        sumOfSquares = squares
        self.largest = largest
        atLeastAsLarge = larger
    }

    var usualAmount: Double { ordinaryCount == 0 ? .nan : sum / Double(ordinaryCount) }
    var amountToUsual: Double { sum > 0 ? amount / usualAmount : .nan }
    var amountToLargestOrdinary: Double { largest > 0 ? amount / largest : .nan }
    var amountTailShare: Double {
        amount.isNaN || ordinaryCount == 0 ? .nan : Double(atLeastAsLarge + 1) / Double(ordinaryCount + 1)
    }

    var amountZScore: Double {
        guard ordinaryCount >= 3 else { return .nan }
        let mean = usualAmount
        let variance = max(0, sumOfSquares / Double(ordinaryCount) - mean * mean) * Double(ordinaryCount) / Double(ordinaryCount - 1)
        return variance > 0 ? (amount - mean) / variance.squareRoot() : .nan
    }
}

extension EventLabel {
    /// Labelled genuine, or older than the label delay without a fraud label.
    @inline(__always)
    func isProvenGenuine(eventTime: Int64, by time: Int64, labelDelay: Int64) -> Bool {
        isFraud(eventTime: eventTime, knownBy: time).map { !$0 } ?? (time &- eventTime >= labelDelay)
    }
}

extension Event {
    /// False where nothing was usual yet, which is NaN.
    @inline(__always)
    var isUnusual: Bool { toUsual >= SpendingPattern.unusualFactor }

    /// Not known to be fraud, and of an unusual amount only if proven genuine.
    @inline(__always)
    func isOrdinary(at time: Int64, labelDelay: Int64) -> Bool {
        if isUnusual { return label.isProvenGenuine(eventTime: self.time, by: time, labelDelay: labelDelay) }
        return label.isFraud(eventTime: self.time, knownBy: time) != true
    }
}

/// The known frauds of ordinary amounts at an entity in a window, and the last unbroken run of them.
///
/// A payment counts as genuine once it is older than the label delay and no fraud label is known for it.
struct FraudRun {
    /// No run is followed further back than so many frauds.
    static let maxLength = 64

    private let times: [Int64]
    /// Of the run, in event time.
    let first: Int64
    let last: Int64
    let length: Int
    /// The last payment before the run's first fraud.
    let paymentBefore: Int64?
    /// Payments proven genuine after the run.
    let genuineSince: Int
    /// The sum of 2^(−days since / 7) over the frauds.
    let decayed: Double

    /// - Parameters:
    ///   - start: of the window: what happened by then is not looked at, whether it is still kept or not.
    ///   - known: the frauds known at `time`, by event time.
    /// - Returns: nil if none of them was of an ordinary amount and in the window.
    init?(of history: HistoryView, after start: Int64, known: [NotedPayment], at time: Int64, labelDelay: Int64) {
        let known = known[known.endIndex(notAfter: start)...]
        let ordinary = known.lazy.filter { !($0.toUsual >= SpendingPattern.unusualFactor) }.map(\.time)
        times = Array(ordinary)
        guard let last = times.last else { return nil }
        self.last = last

        let settled = history.events.endIndex(notAfter: time &- labelDelay)
        /// Settled payments strictly between two times that no known fraud accounts for.
        func genuine(after start: Int64, before end: Int64) -> Int {
            let from = history.events.endIndex(notAfter: start)
            let upTo = min(settled, history.events.endIndex(notAfter: end &- 1))
            guard upTo > from else { return 0 }
            let newest = history.events.time(upTo - 1)
            return upTo - from - known.reduce(0) { $0 + ($1.time > start && $1.time <= newest ? 1 : 0) }
        }

        genuineSince = genuine(after: last, before: .max)
        var place = times.count - 1
        while place > 0, times.count - place < FraudRun.maxLength, genuine(after: times[place - 1], before: times[place]) == 0 {
            place -= 1
        }
        first = times[place]
        length = times.count - place
        let before = history.events.endIndex(notAfter: first &- 1)
        paymentBefore = before > history.events.endIndex(notAfter: start) ? history.events.time(before - 1) : nil
        let week = 7 * Double(Timestamp.microsecondsPerDay)
        decayed = times.suffix(FraudRun.maxLength).reduce(0) { $0 + exp2(-Double(time &- $1) / week) }
    }

    func count(after start: Int64) -> Int { times.reduce(0) { $0 + ($1 > start ? 1 : 0) } }
}
