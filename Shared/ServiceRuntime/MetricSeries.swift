internal import CoreMetrics
internal import Synchronization

/// One line, or one histogram's lines, of the exposition.
protocol MetricSeries: AnyObject, Sendable {
    func write(name: String, labels: String, to text: inout String)
}

final class CounterSeries: MetricSeries, CounterHandler {
    private let count = Atomic<Int64>(0)

    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func advance(to total: Int64) { count.max(total, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }

    func write(name: String, labels: String, to text: inout String) {
        text += sampleLine(name, labels, String(count.load(ordering: .relaxed)))
    }
}

final class FloatingPointCounterSeries: MetricSeries, FloatingPointCounterHandler {
    private let sum = Mutex(0.0)

    func increment(by amount: Double) { if amount.isFinite { sum.withLock { $0 += amount } } }
    func reset() { sum.withLock { $0 = 0 } }

    func write(name: String, labels: String, to text: inout String) {
        text += sampleLine(name, labels, String(sum.withLock { $0 }))
    }
}

final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    private let current = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { current.withLock { $0 = value } }
    func increment(by amount: Double) { current.withLock { $0 += amount } }
    func decrement(by amount: Double) { current.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }

    func write(name: String, labels: String, to text: inout String) {
        text += sampleLine(name, labels, String(current.withLock { $0 }))
    }
}

/// A value that somebody else keeps.
final class ReadSeries: MetricSeries {
    let read = Mutex<@Sendable () -> Double>({ .nan })

    func write(name: String, labels: String, to text: inout String) {
        text += sampleLine(name, labels, String(read.withLock { $0 }()))
    }
}

final class HistogramSeries: MetricSeries, TimerHandler, RecorderHandler {
    /// Upper bounds for durations, in seconds: from what a call within one machine takes to what a caller waits at most.
    static let seconds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]
    /// Upper bounds for sizes and counts.
    static let sizes: [Double] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000, 1_000_000, 10_000_000]

    private struct State {
        var counts: [Int64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func preferDisplayUnit(_ unit: TimeUnit) {}

    func write(name: String, labels: String, to text: inout String) {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        let separator = labels.isEmpty ? "" : ","
        var cumulative: Int64 = 0
        for (count, bound) in zip(counts, bounds.map { String($0) } + ["+Inf"]) {
            cumulative += count
            text += sampleLine("\(name)_bucket", "\(labels)\(separator)le=\"\(bound)\"", String(cumulative))
        }
        text += sampleLine("\(name)_sum", labels, String(sum))
        text += sampleLine("\(name)_count", labels, String(cumulative))
    }
}

private func sampleLine(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
}
