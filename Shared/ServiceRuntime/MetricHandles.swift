/// Counts up.
public struct MetricCounter: Sendable {
    private let series: CounterSeries

    init(_ series: CounterSeries) { self.series = series }

    public func add(_ count: Int = 1) { series.increment(by: Int64(count)) }
    /// For a count that is kept elsewhere. It never goes back.
    public func advance(to count: Int) { series.advance(to: Int64(count)) }
}

/// Holds the latest value.
public struct MetricGauge: Sendable {
    private let series: GaugeSeries

    init(_ series: GaugeSeries) { self.series = series }

    public func set(_ value: Double) { series.set(value) }
    public func set(_ value: Int) { series.set(Int64(value)) }
    public func add(_ change: Double) { series.increment(by: change) }
}

/// Counts values by size.
public struct MetricHistogram: Sendable {
    private let series: HistogramSeries

    init(_ series: HistogramSeries) { self.series = series }

    public func record(_ value: Double) { series.record(value) }
    public func record(_ value: Int) { series.record(Int64(value)) }
    /// In seconds.
    public func record(_ duration: Duration) { series.recordNanoseconds(duration.nanoseconds) }
}
