import Testing

@testable import Vigil

@Suite struct AnomalyReportTests {
    @Test func aLongSeriesKeepsItsPeaksAndFetchesNothing() {
        var timeline = AnomalyTimeline(name: "a<b>.csv")
        for point in 0..<10_000 {
            timeline.add(seconds: Double(point) * 60, value: point == 6_001 ? 977 : 5, score: point == 6_001 ? 0.9999 : 0)
        }
        #expect(timeline.alarmCount == 1 && timeline.highestScore == 0.9999)
        #expect(timeline.plot.series[0].points.contains { $0.y == 977 })
        #expect(timeline.plot.series[0].points.count <= 600)
        var report = AnomalyReport()
        report.add(timeline)
        #expect(report.html.contains("a&lt;b&gt;.csv") && report.html.contains("<circle"))
        #expect(!report.html.contains("http"))
    }
}
