import Foundation
import Models
import Records
import Training

/// How forecasts did, as a page with plots, as text and as JSON.
struct ForecastReport {
    let type: String
    let cellMetres: Double
    /// How many, where cells were given to be ranked.
    let givenCells: Int?
    let weeks: [ForecastBacktest.Week]

    /// How far the plots go, as a share of the cells.
    private static let shown = 0.2

    struct Measures: Encodable {
        var hitRate: Double
        var pai: Double
        var pei: Double

        /// Means over the shares of the cells.
        init(_ curve: HitCurve) {
            let coverages = ForecastBacktest.coverages
            func mean(_ value: (Double) -> Double) -> Double { coverages.reduce(0) { $0 + value($1) } / Double(coverages.count) }
            (hitRate, pai, pei) = (mean(curve.hitRate), mean(curve.pai), mean(curve.pei))
        }

        init(meanOf all: [Measures]) {
            func mean(_ value: (Measures) -> Double) -> Double { all.reduce(0) { $0 + value($1) } / Double(max(1, all.count)) }
            (hitRate, pai, pei) = (mean(\.hitRate), mean(\.pai), mean(\.pei))
        }

        enum CodingKeys: String, CodingKey {
            case pai, pei
            case hitRate = "hit_rate"
        }
    }

    struct Week: Encodable {
        var begin: String
        var incidents: Int
        var expected: Double
        var vigil: Measures
        var plainCount: Measures

        enum CodingKeys: String, CodingKey {
            case begin, incidents, expected, vigil
            case plainCount = "plain_count"
        }
    }

    struct Summary: Encodable {
        var type: String
        var cellMetres: Double
        var givenCells: Int?
        var weeks: [Week]
        var vigil: Measures
        var plainCount: Measures
        /// Of the hit rate, paired by week; its standard error is nil with a single week.
        var gain: Double
        var gainStandardError: Double?

        enum CodingKeys: String, CodingKey {
            case type, weeks, vigil, gain
            case cellMetres = "cell_metres"
            case givenCells = "given_cells"
            case plainCount = "plain_count"
            case gainStandardError = "gain_standard_error"
        }
    }

    var summary: Summary {
        let rows = weeks.map { week in
            Week(
                begin: week.begin.iso8601, incidents: week.forecast.incidents, expected: week.expected, vigil: Measures(week.forecast),
                plainCount: Measures(week.plainCount))
        }
        let gains = rows.map { $0.vigil.hitRate - $0.plainCount.hitRate }
        let gain = gains.reduce(0, +) / Double(max(1, gains.count))
        let squares = gains.reduce(0) { $0 + ($1 - gain) * ($1 - gain) }
        return Summary(
            type: type, cellMetres: cellMetres, givenCells: givenCells, weeks: rows, vigil: Measures(meanOf: rows.map(\.vigil)),
            plainCount: Measures(meanOf: rows.map(\.plainCount)), gain: gain,
            gainStandardError: gains.count > 1 ? (squares / Double(gains.count - 1) / Double(gains.count)).squareRoot() : nil)
    }

    var text: String {
        let summary = summary
        let lines = table.map { row in
            row.enumerated().map { ($1 + String(repeating: " ", count: 24)).prefix($0 == 0 ? 22 : 10) }.joined(separator: " ")
        }
        return (lines + [gainText(summary)]).joined(separator: "\n")
    }

    private func gainText(_ summary: Summary) -> String {
        "gain in hit rate on plain counts \(Figure.text(summary.gain))"
            + (summary.gainStandardError.map { ", standard error \(Figure.text($0))" } ?? "") + ", paired by week"
    }

    /// With its head.
    private var table: [[String]] {
        let summary = summary
        func cells(_ mine: Measures, _ plain: Measures) -> [String] {
            [mine.hitRate, plain.hitRate, mine.pai, plain.pai, mine.pei, plain.pei].map { Figure.text($0) }
        }
        return [["week from", "incidents", "hit rate", "(counts)", "PAI", "(counts)", "PEI", "(counts)"]]
            + summary.weeks.map { [$0.begin, "\($0.incidents)"] + cells($0.vigil, $0.plainCount) }
            + [["mean", ""] + cells(summary.vigil, summary.plainCount)]
    }

    func write(to path: String) throws { try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }

    var html: String {
        let hitRates = curves { $0.hitRate($1) }
        let pai = curves { $0.pai($1) }
        let pei = curves { $0.pei($1) }
        let highest = pai.flatMap { $0.points.map(\.y) }.max() ?? 1
        let best = hitRates.flatMap { $0.points.map(\.y) }.max() ?? 1
        let plots = [
            plot("Hit rate", "share of the incidents in them", 0...max(best * 1.1, 0.01), hitRates),
            plot("PAI: hit rate over share of the cells", "PAI", 0...max(highest * 1.1, 1), pai),
            plot("PEI: hits over the most possible", "PEI", 0...1, pei), totals,
        ]
        return HTML.page(
            title: "Vigil: forecast of \(type)",
            body: """
                <h1>Forecast of \(HTML.escaped(type)), week after week</h1>
                <p>\(givenCells.map { "The \($0) given cells" } ?? "Cells of \(Int(cellMetres)) m"); each week was forecast from what was \
                known before it. Hit rate, PAI and PEI are means over the first 1, 2 and 5 % of the cells; plain counts are over \
                all history before the week. \(HTML.escaped(gainText(summary))).</p>
                \(HTML.table(table))
                <h2>Plots</h2>
                <div class="plots">
                \(plots.map(\.svg).joined(separator: "\n"))
                </div>
                """)
    }

    private func plot(_ title: String, _ label: String, _ range: ClosedRange<Double>, _ series: [Plot.Series]) -> Plot {
        Plot(
            title: title, xLabel: "% of the cells, the riskiest first", yLabel: label, xRange: 0...Self.shown * 100, yRange: range,
            series: series)
    }

    /// Means over the weeks by the share of the cells, from half a percent on.
    private func curves(_ value: (HitCurve, Double) -> Double) -> [Plot.Series] {
        let shares = stride(from: 0.005, through: Self.shown, by: 0.0025)
        func mean(_ name: String, _ curve: (ForecastBacktest.Week) -> HitCurve, isDashed: Bool = false) -> Plot.Series {
            Plot.Series(
                name: name,
                points: shares.map { share in
                    (x: share * 100, y: weeks.reduce(0) { $0 + value(curve($1), share) } / Double(max(1, weeks.count)))
                }, isDashed: isDashed)
        }
        return [mean("Vigil", \.forecast), mean("plain counts", \.plainCount, isDashed: true)]
    }

    private var totals: Plot {
        let came = weeks.enumerated().map { (x: Double($0 + 1), y: Double($1.forecast.incidents)) }
        let expected = weeks.enumerated().map { (x: Double($0 + 1), y: $1.expected) }
        let highest = (came + expected).map(\.y).max() ?? 1
        return Plot(
            title: "Incidents a week", xLabel: "week", yLabel: "incidents", xRange: 0...Double(weeks.count + 1), yRange: 0...max(1, highest * 1.2),
            series: [.init(name: "came", points: came, isBars: true), .init(name: "expected", points: expected, isMarks: true)])
    }
}
