import ArgumentParser
import Datasets
import Foundation
import Models
import Records
import Training

extension EvaluateCommand {
    /// `vigil evaluate forecast`
    struct Forecasts: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "forecast",
            abstract: "Forecast past weeks, each from what was known before it, and compare with what came.",
            discussion: """
                From --start on, week after week: ranks the cells as `vigil forecast` does, and by plain counts over all history, and counts how \
                many of the week's incidents lie in the first 1, 2 and 5 % of the cells.

                  vigil evaluate forecast --events crimes.csv.gz \\
                      --mapping houston-crimes --start 2010-05-03 --weeks 4 \\
                      --type robbery --report forecast.html

                Hit rate is the share of the incidents in those cells, PAI the hit rate over the share of the cells, PEI the hits over the most \
                that any ranking could have had. Means are over weeks and the three shares; the gain on plain counts is paired by week. \
                With --cells, incidents outside of the given cells count as missed.
                """)

        @Option(help: ArgumentHelp("Incidents with time, type and place: CSV, NDJSON or a JSON list, gzip or not.", valueName: "file"))
        var events: String

        @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the events.", valueName: "name|file"))
        var mapping: String

        @Option(help: ArgumentHelp("When the first week begins, ISO 8601.", valueName: "time"))
        var start: String

        @Option(help: ArgumentHelp("Weeks.", valueName: "count"))
        var weeks = 4

        @Option(help: ArgumentHelp("A type of incident as the events name it, or all for all of them together.", valueName: "name|all"))
        var type = "all"

        @Option(help: ArgumentHelp("Width of a cell.", valueName: "metres"))
        var cellMetres = 250.0

        @Option(help: ArgumentHelp("Cells to rank instead of its own: cell_id, latitude, longitude of centres.", valueName: "file"))
        var cells: String?

        @Option(help: ArgumentHelp("Of all that is drawn by lot.", valueName: "number"))
        var seed: UInt64 = 1

        @Option(help: ArgumentHelp("Where a report with plots goes: HTML that opens without a network.", valueName: "file"))
        var report: String?

        @Option(help: "text or json: how the result is printed.")
        var format: OutputFormat = .text

        func validate() throws {
            guard (1...104).contains(weeks) else { throw ValidationError("--weeks must be 1 to 104.") }
            guard (10...100_000).contains(cellMetres) else { throw ValidationError("--cell-metres must be 10 to 100000.") }
        }

        /// What makes the figures say less than they seem to.
        private func cautions(_ incidents: [KnownIncident], _ done: [ForecastBacktest.Week]) -> [String] {
            var cautions: [String] = []
            if done.count < weeks { cautions.append("\(weeks - done.count) of \(weeks) weeks have no incident of the type and are left out") }
            // The last day counts as whole when something happened on it.
            if let last = incidents.map(\.incident.time).max(), let week = done.last, last + .days(1) < week.begin + .days(7) {
                cautions.append("the events end on \(last): the week from \(week.begin) holds only what came by then")
            }
            let missed = done.count { $0.forecast.hitRate(1) == 0 }
            if missed > 0 { cautions.append("in \(missed) of \(done.count) weeks no incident lies in the cells") }
            return cautions
        }

        func run() throws {
            var progress = ProgressLine()
            try OutputPlaces(inputs: [events, mapping, cells], files: ["--report": report]).check()
            let mapping = try Mapping.load(mapping)
            guard mapping.kind == .complaints else {
                throw PlaceFault(description: "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for complaints")
            }
            guard let first = mapping.moment(start, onClockOf: "occurred_at") else {
                throw ValidationError("--start must be a day or a time in ISO 8601, such as 2010-05-24, not `\(start)`.")
            }
            let centres = try cells.map { try CellsFile.read($0).map(\.centre) }
            let incidents = try IncidentFile(path: events, mapping: mapping).known(before: first + .days(7 * weeks), &progress)
            var options = CellTrainingOptions()
            options.seed = seed
            let backtest = ForecastBacktest(
                kind: type == "all" ? .all : .type(type), cellMetres: cellMetres, centres: centres, options: options)
            var done: [ForecastBacktest.Week] = []
            for week in 0..<weeks {
                progress.show("forecasting week \(week + 1) of \(weeks)", fraction: Double(week) / Double(weeks))
                if let outcome = try backtest.week(incidents, begin: first + .days(7 * week)) { done.append(outcome) }
            }
            progress.end()
            guard !done.isEmpty else { throw PlaceFault(description: "\(events): none of the weeks has an incident of the type \(type)") }
            for caution in cautions(incidents, done) { progress.note(caution) }
            let page = ForecastReport(type: type, cellMetres: cellMetres, givenCells: centres?.count, weeks: done)
            if let report { try page.write(to: report) }
            switch format {
            case .json: try JSONLine.print(page.summary)
            case .text: print(page.text)
            }
        }
    }
}
