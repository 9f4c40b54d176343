public import CoreMetrics
internal import Synchronization

/// Keeps counters, gauges and histograms and writes them in Prometheus' text form (version 0.0.4).
///
/// It is a backend of swift-metrics: `Counter`, `Meter`, `Gauge` become counters and gauges; `Timer` and aggregating `Recorder`s
/// become histograms, a timer's in seconds.
public final class MetricsRegistry: Sendable {
    /// What a family of series measures.
    public enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    private struct Family {
        var kind: Kind
        var help: String = ""
        var series: [String: any MetricSeries] = [:]
    }

    private struct State {
        var families: [String: Family] = [:]
        var seriesCount = 0
        var dropped = 0
    }

    /// New series beyond this number are counted in `vigil_metrics_dropped_series` and not kept.
    public let maxSeries: Int
    private let state = Mutex(State())

    public init(maxSeries: Int = 10_000) {
        self.maxSeries = maxSeries
    }

    /// The registry of this process, served at `/metrics`.
    public static let process: MetricsRegistry = {
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(registry)
        return registry
    }()

    /// A counter: name it `vigil_…_total`. Keep the handle; labels must come from a small fixed set.
    public func counter(_ name: String, help: String = "", labels: [(String, String)] = []) -> MetricCounter {
        describe(name, .counter, help)
        return MetricCounter(series(name, labels, .counter) { CounterSeries() })
    }

    /// A value that goes up and down.
    public func gauge(_ name: String, help: String = "", labels: [(String, String)] = []) -> MetricGauge {
        describe(name, .gauge, help)
        return MetricGauge(series(name, labels, .gauge) { GaugeSeries() })
    }

    /// A value that is asked for whenever `/metrics` is read, so that it also tells of what stands still.
    public func gauge(_ name: String, help: String = "", labels: [(String, String)] = [], read: @escaping @Sendable () -> Double) {
        describe(name, .gauge, help)
        series(name, labels, .gauge) { ReadSeries() }.read.withLock { $0 = read }
    }

    /// A count, with fractions, that is kept elsewhere and asked for whenever `/metrics` is read: name it `…_total`.
    public func counter(_ name: String, help: String, read: @escaping @Sendable () -> Double) {
        describe(name, .counter, help)
        series(name, [], .counter) { ReadSeries() }.read.withLock { $0 = read }
    }

    /// How far a follower of another service's log is behind.
    public func logLag(_ log: String) -> LogLag {
        let lag = LogLag()
        gauge(
            "vigil_log_lag_seconds",
            help: "age of the oldest entry that the log has told of and that is not taken in; inf where the log does not know the position",
            labels: [("log", log)]
        ) { lag.seconds }
        return lag
    }

    /// Durations: name it `…_seconds`.
    public func timer(_ name: String, help: String = "", labels: [(String, String)] = []) -> MetricHistogram {
        describe(name, .histogram, help)
        return MetricHistogram(series(name, labels, .histogram) { HistogramSeries(bounds: HistogramSeries.seconds) })
    }

    /// Sizes and counts, such as rows in a batch.
    public func histogram(_ name: String, help: String = "", labels: [(String, String)] = []) -> MetricHistogram {
        describe(name, .histogram, help)
        return MetricHistogram(series(name, labels, .histogram) { HistogramSeries(bounds: HistogramSeries.sizes) })
    }

    /// Says in `/metrics` what a family measures.
    public func describe(_ name: String, _ kind: Kind, _ help: String) {
        guard !help.isEmpty else { return }
        state.withLock { $0.families[Self.metricName(name), default: Family(kind: kind)].help = help }
    }

    /// All series in Prometheus' text form, sorted.
    public func prometheusText() -> String {
        let (families, dropped) = state.withLock { ($0.families, $0.dropped) }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
            if !family.help.isEmpty { text += "# HELP \(name) \(family.help)\n" }
            text += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.write(name: name, labels: labels, to: &text)
            }
        }
        if dropped > 0 {
            text += "# TYPE vigil_metrics_dropped_series counter\nvigil_metrics_dropped_series \(dropped)\n"
        }
        return text
    }

    /// The series of this name and these labels, made where it is new. A name used
    /// for two kinds keeps the first; what the second measures is dropped.
    func series<Series: MetricSeries>(_ label: String, _ dimensions: [(String, String)], _ kind: Kind, make: () -> Series) -> Series {
        let name = Self.metricName(label)
        let labels = Self.labelText(dimensions)
        return state.withLock { state in
            let existing = state.families[name]?.series[labels]
            if let existing = existing as? Series { return existing }
            let made = make()
            guard existing == nil, state.seriesCount < maxSeries, state.families[name].map({ $0.kind == kind }) ?? true else {
                state.dropped += 1
                return made
            }
            state.families[name, default: Family(kind: kind)].series[labels] = made
            state.seriesCount += 1
            return made
        }
    }

    private static func metricName(_ label: String) -> String {
        String(label.unicodeScalars.map { scalar in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_", ":": Character(scalar)
            default: "_"
            }
        })
    }

    private static func labelText(_ dimensions: [(String, String)]) -> String {
        dimensions.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(metricName(name))=\"\(escaped)\""
        }.joined(separator: ",")
    }
}

extension MetricsRegistry: MetricsFactory {
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { CounterSeries() }
    }

    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { FloatingPointCounterSeries() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { GaugeSeries() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        if aggregate { return series(label, dimensions, .histogram) { HistogramSeries(bounds: HistogramSeries.sizes) } }
        return series(label, dimensions, .gauge) { GaugeSeries() }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram) { HistogramSeries(bounds: HistogramSeries.seconds) }
    }

    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}
