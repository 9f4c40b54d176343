import Testing

@testable import Vigil

@Suite("Plots")
struct PlotTests {
    @Test func aLongTitleKeepsItsEndsAndItsWholeName() {
        let name = "realAWSCloudwatch/" + String(repeating: "x", count: 80) + "_825cc2.csv"
        let svg = Plot(title: name, xLabel: "x", yLabel: "y", series: []).svg
        #expect(svg.contains("<title>\(name)</title>"))
        #expect(svg.contains("class=\"title\">realAWSCloudwatch/xxx…"))
        #expect(svg.contains("_825cc2.csv</text>"))
    }

    @Test func namesOfSeriesStandAboveThePlot() {
        let one = Plot.Series(name: "came", points: [(x: 0, y: 1), (x: 1, y: 1)])
        let two = Plot.Series(name: "expected", points: [(x: 0, y: 0), (x: 1, y: 1)])
        let alone = Plot(title: "t", xLabel: "x", yLabel: "y", series: [one]).svg
        #expect(!alone.contains("came") && alone.contains("y2=\"30.0\""))
        let both = Plot(title: "t", xLabel: "x", yLabel: "y", series: [one, two]).svg
        // The names are written at 35, the highest value is drawn at 44.
        #expect(both.contains("y=\"35\"") && both.contains(">came</tspan>") && both.contains(">expected</tspan>"))
        #expect(both.contains("points=\"68.0,44.0 426.0,44.0"))
    }

    @Test func barsLeaveRoomBetweenThem() {
        let bars = Plot.Series(name: "came", points: [(x: 1, y: 1), (x: 2, y: 1)], isBars: true)
        let svg = Plot(title: "t", xLabel: "x", yLabel: "y", xRange: 0...3, series: [bars]).svg
        // 358 wide for three units, so that two bars stand 119.3 apart.
        #expect(svg.contains("width=\"95.4\"") || svg.contains("width=\"95.5\""))
    }

    @Test func largeNumbersAtTheAxesStayShort() {
        #expect(Plot.tick(1_234_567) == "1.235M")
        #expect(Plot.tick(250_000) == "250k")
        #expect(Plot.tick(-3e9) == "-3G")
        #expect(Plot.tick(4_000) == "4000")
        #expect(Plot.tick(0.5) == "0.50")
    }
}
