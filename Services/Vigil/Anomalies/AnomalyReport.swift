import Foundation
import Records

/// A scored series as a plot can show it: of long ones each stretch's lowest and highest value. Bounded whatever the series' length.
struct AnomalyTimeline {
    private struct Stretch {
        var begin: Double
        var lowest: Double
        var highest: Double
    }

    struct Alarm {
        let seconds: Double
        let value: Double
        let score: Double
    }

    let name: String
    private var stretches: [Stretch] = []
    /// Points in a stretch.
    private var width = 1
    private var inLast = 0
    private(set) var points = 0
    /// The highest scores from `alarmFrom` on.
    private(set) var alarms: [Alarm] = []
    private(set) var alarmCount = 0

    /// As the command's help says: about one point in a thousand.
    static let alarmFrom = 0.999
    /// Two points each, which is as many as a plot draws. Even.
    private static let maxStretches = 300
    private static let maxAlarms = 100

    init(name: String) { self.name = name }

    mutating func add(seconds: Double, value: Double, score: Double) {
        points += 1
        if inLast == width || stretches.isEmpty {
            if stretches.count == Self.maxStretches { halve() }
            stretches.append(Stretch(begin: seconds, lowest: value, highest: value))
            inLast = 1
        } else {
            stretches[stretches.count - 1].lowest = min(stretches[stretches.count - 1].lowest, value)
            stretches[stretches.count - 1].highest = max(stretches[stretches.count - 1].highest, value)
            inLast += 1
        }
        guard score >= Self.alarmFrom else { return }
        alarmCount += 1
        alarms.append(Alarm(seconds: seconds, value: value, score: score))
        guard alarms.count > Self.maxAlarms, let lowest = alarms.indices.min(by: { alarms[$0].score < alarms[$1].score }) else { return }
        alarms.remove(at: lowest)
    }

    private mutating func halve() {
        stretches = stride(from: 0, to: stretches.count - 1, by: 2).map { index in
            let (a, b) = (stretches[index], stretches[index + 1])
            return Stretch(begin: a.begin, lowest: min(a.lowest, b.lowest), highest: max(a.highest, b.highest))
        }
        width *= 2
    }

    var highestScore: Double { alarms.map(\.score).max() ?? 0 }

    var plot: Plot {
        let line = stretches.flatMap { stretch in
            stretch.lowest == stretch.highest
                ? [(x: stretch.begin, y: stretch.lowest)] : [(x: stretch.begin, y: stretch.lowest), (x: stretch.begin, y: stretch.highest)]
        }
        let times = line.map(\.x), values = line.map(\.y)
        let (from, to) = (times.min() ?? 0, times.max() ?? 0)
        let (lowest, highest) = (values.min() ?? 0, values.max() ?? 0)
        let room = max((highest - lowest) * 0.05, abs(highest) * 1e-6, 1e-9)
        return Plot(
            title: name, xLabel: "day (UTC)", yLabel: "value", xRange: from...max(to, from + 1), yRange: (lowest - room)...(highest + room),
            xTick: { Timestamp(seconds: Int64(max(-1e11, min(1e11, $0)))).iso8601.prefix(10).description },
            series: [
                .init(name: "value", points: line),
                .init(name: "score ≥ \(Self.alarmFrom)", points: alarms.map { (x: $0.seconds, y: $0.value) }, isMarks: true),
            ])
    }
}

/// The timelines of scored series, as an HTML page that opens without a network.
struct AnomalyReport {
    /// The series with the highest scores.
    private var timelines: [AnomalyTimeline] = []
    private var series = 0
    private var points = 0
    private var alarms = 0

    private static let maxPlots = 60
    private static let maxRows = 100

    mutating func add(_ timeline: AnomalyTimeline) {
        series += 1
        points += timeline.points
        alarms += timeline.alarmCount
        guard timeline.points > 0 else { return }
        timelines.append(timeline)
        guard timelines.count > Self.maxPlots, let least = timelines.indices.min(by: { timelines[$0].highestScore < timelines[$1].highestScore })
        else { return }
        timelines.remove(at: least)
    }

    func write(to path: String) throws { try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }

    var html: String {
        let strangest = timelines.flatMap { timeline in timeline.alarms.map { (timeline.name, $0) } }
            .sorted { ($1.1.score, $0.0, $0.1.seconds) < ($0.1.score, $1.0, $1.1.seconds) }.prefix(Self.maxRows)
        let rows = strangest.map { name, alarm in
            [
                name, Timestamp(seconds: Int64(max(-1e11, min(1e11, alarm.seconds)))).iso8601, "\(alarm.value)",
                SeriesFile.text(ofScore: alarm.score),
            ]
        }
        let shown = timelines.count < series ? " Shown are the \(timelines.count) with the highest scores." : ""
        return HTML.page(
            title: "Vigil: anomalies",
            body: """
                <h1>Anomalies</h1>
                <p>\(points) points of \(series) series; \(alarms) score \(AnomalyTimeline.alarmFrom) or more, which about one point in a thousand \
                does on a series without events.\(shown)</p>
                <h2>Timelines</h2>
                <div class="plots">
                \(timelines.sorted { $0.name < $1.name }.map(\.plot.svg).joined(separator: "\n"))
                </div>
                <h2>Highest scores</h2>
                \(HTML.table([["Series", "Time (UTC)", "Value", "Score"]] + rows))
                """)
    }
}
