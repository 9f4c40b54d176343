import ArgumentParser
import Datasets
import Foundation
import Models
import Records
import Training

/// `vigil forecast`
struct ForecastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast",
        abstract: "Rank the cells of a city by the incidents that are expected in each.",
        discussion: """
            Learns from incidents before --at, and from nothing else, how many of a type each cell will see in the hours after it:

              vigil forecast --events crimes.csv.gz --mapping houston-crimes \\
                  --at 2010-05-24 --type robbery --output ranks.csv

            Cells are its own, of --cell-metres, over the area of the incidents, the riskiest first, each with the counts between which it \
            will lie with 50 and 90 % probability. Or they are given, and come back in the same order as \
            cell_id,latitude,longitude,expected:

              vigil forecast --events crimes.csv.gz --mapping houston-crimes \\
                  --at 2010-05-24 --type all --cells cells.csv --output expected.csv

            --cells is a CSV file with the columns cell_id, latitude and longitude, the cells' centres. An --at without an offset from UTC \
            is on the clock of the events' mapping (a day is its midnight). The same files, options and seed give the same output.

            --timeline writes each cell's hours too: cell_id, the hour's begin, what is expected in it, and the counts between which it \
            will lie with 50 and 90 % probability. It has a line for each cell and hour, in the order of --output.

            An incident whose time, place or type cannot be read is named on the standard error and left out; the exit status stays 0.

            The mapping is one of complaints: a shipped name (\(Mapping.shippedNames.joined(separator: ", "))) or a .yaml or .json file.
            """)

    @Option(help: ArgumentHelp("Incidents with time, type and place: CSV, NDJSON or a JSON list, gzip or not.", valueName: "file"))
    var events: String

    @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the events.", valueName: "name|file"))
    var mapping: String

    @Option(help: ArgumentHelp("The moment of the forecast, ISO 8601. Nothing at or after it is used.", valueName: "time"))
    var at: String

    @Option(help: ArgumentHelp("Hours to forecast.", valueName: "count"))
    var hours = 168

    @Option(help: ArgumentHelp("A type of incident as the events name it, or all for all of them together.", valueName: "name|all"))
    var type = "all"

    @Option(help: ArgumentHelp("Width of a cell.", valueName: "metres"))
    var cellMetres = 250.0

    @Option(help: ArgumentHelp("Cells to forecast instead of its own: cell_id, latitude, longitude of centres.", valueName: "file"))
    var cells: String?

    @Option(name: [.short, .long], help: ArgumentHelp("Where the forecast goes, CSV.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Where the forecast by hours goes, CSV: each cell's hours with their intervals.", valueName: "file"))
    var timeline: String?

    @Option(help: ArgumentHelp("Past weeks that the trees learn from; counts rest on everything before --at.", valueName: "count"))
    var weeks = CellTrainingOptions().weeks

    @Option(help: ArgumentHelp("Forests that are averaged.", valueName: "count"))
    var forests = CellTrainingOptions().forests

    @Option(help: ArgumentHelp("Of all that is drawn by lot.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Threads to train with.", valueName: "count"))
    var threads = 1

    @Option(help: "text or json: how the summary is printed.")
    var format: OutputFormat = .text

    /// Without news for longer than this, a forecast is told to be from old data.
    private static let staleAfterDays = 14.0

    func validate() throws {
        guard (1...8_784).contains(hours) else { throw ValidationError("--hours must be 1 to 8784.") }
        guard (10...100_000).contains(cellMetres) else { throw ValidationError("--cell-metres must be 10 to 100000.") }
        guard (1...104).contains(weeks) else { throw ValidationError("--weeks must be 1 to 104.") }
        guard (1...100).contains(forests) else { throw ValidationError("--forests must be 1 to 100.") }
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256.") }
    }

    func run() throws {
        var progress = ProgressLine()
        try OutputPlaces(inputs: [events, mapping, cells], files: ["--output": output, "--timeline": timeline]).check()
        let mapping = try Mapping.load(mapping)
        guard mapping.kind == .complaints else {
            throw PlaceFault(description: "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for complaints")
        }
        guard let moment = mapping.moment(at, onClockOf: "occurred_at") else {
            throw ValidationError("--at must be a day or a time in ISO 8601, such as 2010-05-24 or 2010-05-24T06:00:00Z, not `\(at)`.")
        }
        let given = try cells.map { try CellsFile.read($0) }
        let incidents = try IncidentFile(path: events, mapping: mapping).read(before: moment, &progress)
        let kind: IncidentKind = type == "all" ? .all : .type(type)
        let lattice = try given.map { try CellLattice(centres: $0.map(\.centre), cellMetres: cellMetres) }
            ?? CellLattice(around: incidents, cellMetres: cellMetres)
        var options = CellTrainingOptions()
        (options.weeks, options.forests, options.seed, options.threads) = (weeks, forests, seed, threads)
        let started = ContinuousClock.now
        let forecast = try CellForecaster(options: options).forecast(incidents, on: lattice, kind: kind, hours: hours) {
            progress.show("learning", fraction: $0)
        }
        progress.end()
        if let newest = incidents.ages.last, newest > Self.staleAfterDays {
            progress.note("the newest incident is \(Int(newest)) days older than --at; what happened since is not known")
        }
        let file = ForecastFile(path: output)
        if let given {
            try file.write(forecast, cells: given)
        } else {
            try file.writeRanked(forecast, centres: lattice.centres)
        }
        if let timeline {
            try TimelineFile(path: timeline).write(
                forecast, cells: given.map { $0.enumerated().map { ($0.offset, $0.element.id) } }
                    ?? forecast.ranked.enumerated().map { ($0.element, "\($0.offset + 1)") })
        }
        try show(forecast, incidents, moment, seconds: (ContinuousClock.now - started) / .seconds(1))
    }

    private struct Summary: Encodable {
        var at: String
        var hours: Int
        var type: String
        var cells: Int
        var incidents: Int
        var incidentsOfType: Int
        var expected: Double
        var usesTrees: Bool
        var types: [String]
        var output: String

        enum CodingKeys: String, CodingKey {
            case at, hours, type, cells, incidents, expected, types, output
            case incidentsOfType = "incidents_of_type"
            case usesTrees = "uses_trees"
        }
    }

    private func show(_ forecast: CellForecast, _ incidents: Incidents, _ moment: Timestamp, seconds: Double) throws {
        let index = try incidents.index(of: type == "all" ? .all : .type(type))
        let ofType = index.map { index in incidents.typeIndices.count { $0 == index } } ?? incidents.count
        switch format {
        case .json:
            try JSONLine.print(
                Summary(
                    at: moment.iso8601, hours: hours, type: type, cells: forecast.expected.count, incidents: incidents.count,
                    incidentsOfType: ofType, expected: forecast.total, usesTrees: forecast.usesTrees, types: incidents.types,
                    output: output))
        case .text:
            print("\(forecast.expected.count) cells in \(output), \(String(format: "%.1f", seconds)) s")
            print("\(String(format: "%.1f", forecast.total)) incidents expected (\(type)) in \(hours) hours from \(moment)")
            print("learned from \(incidents.count) incidents, \(ofType) of the type, over \(Int(incidents.days)) days"
                + (forecast.usesTrees ? "" : "; too few for boosted trees, so from weighed counts alone"))
        }
    }
}
