import ArgumentParser
import Foundation

/// `vigil anomalies`
struct AnomaliesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "anomalies",
        abstract: "Score how unlike its own past each point of a series is.",
        discussion: """
            The input is a CSV file with the columns `timestamp` and `value` (an account's spending, an ATM's withdrawals, a cell's complaints, any
            metric), or a folder of such files at any depth. The output has `timestamp,value,anomaly_score`, in the input's order; a folder is
            written as a folder with the same paths.

              vigil anomalies --input withdrawals.csv --output scored.csv
              vigil anomalies --input series/ --output scored/ --format json
              vigil anomalies --input series/ --output scored/ --report anomalies.html

            anomaly_score is 0 to 1 and means the same on every series: about one point in a thousand scores above 0.999. Choose the rate of
            alarms that you can look into, and use that one threshold for all series. Nothing is to be set. A score depends on the points before
            it only, so a longer file never changes it; the first few days teach the detector what is usual.

            Timestamps are ISO 8601 (2014-04-01 00:05:00, 2014-04-01T00:05:00+02:00) or seconds or milliseconds since 1970. Time of day matters:
            give local times where the series follows people. Points are scored in the file's order; where their times go back, that is said.

            A row whose timestamp or value cannot be read is named on the standard error and written with an empty score; other rows are scored.
            Exit status: 0 all rows scored, 3 some rows could not be read, 1 a file could not be read or written (the others were done).
            """)

    @Option(help: ArgumentHelp("A CSV of timestamp,value, or a folder of them.", valueName: "file|dir"))
    var input: String

    @Option(help: ArgumentHelp("Where the scores go: a file for a file, a folder for a folder.", valueName: "file|dir"))
    var output: String

    @Option(help: ArgumentHelp("Where a report with the timelines goes: HTML that opens without a network.", valueName: "file"))
    var report: String?

    @Option(help: "text or json: how the summary is printed.")
    var format: OutputFormat = .text

    func run() throws {
        let files: [SeriesFile]
        do {
            files = try SeriesFile.find(input: input, output: output)
        } catch let error as SeriesFileError {
            FileHandle.standardError.write(Data("vigil anomalies: \(error)\n".utf8))
            throw ExitCode(1)
        }
        try OutputPlaces(inputs: [input] + files.map(\.input), files: ["--report": report]).check()
        var page = AnomalyReport()
        var progress = ProgressLine()
        var summary = AnomalySummary()
        for (index, file) in files.enumerated() {
            progress.show("scoring series \(index + 1) of \(files.count)", fraction: Double(index) / Double(files.count))
            var complaints = 0
            var newest = -Double.infinity, late = 0
            var timeline = AnomalyTimeline(name: file.input)
            let outcome = file.score(
                point: { seconds, value, score in
                    if seconds < newest { late += 1 } else { newest = seconds }
                    if report != nil { timeline.add(seconds: seconds, value: value, score: score) }
                },
                fault: { fault in
                    complaints += 1
                    if complaints <= Self.maxFaultsShown { progress.note("vigil anomalies: \(fault)") }
                })
            page.add(timeline)
            if complaints > Self.maxFaultsShown {
                progress.note("vigil anomalies: \(file.input): \(complaints - Self.maxFaultsShown) further rows cannot be read")
            }
            if late > 0 { progress.note("vigil anomalies: \(file.input): \(late) rows are older than a row above; scored in the file's order") }
            if let error = outcome.error { progress.note("vigil anomalies: \(error)") }
            summary.files.append(outcome)
        }
        if let report { try page.write(to: report) }
        progress.end()
        try summary.show(as: format)
        if summary.status != 0 { throw ExitCode(summary.status) }
    }

    /// Rows at fault that are named for one file; the rest are counted.
    private static let maxFaultsShown = 20
}

/// What the command did, for people and for programs.
struct AnomalySummary: Encodable {
    var files: [SeriesFile.Outcome] = []

    /// 0, 3 when rows could not be read, 1 when files could not.
    var status: Int32 {
        if files.contains(where: { $0.error != nil }) { return 1 }
        return files.contains { $0.rejected > 0 } ? 3 : 0
    }

    func show(as format: OutputFormat) throws {
        switch format {
        case .json: try JSONLine.print(self)
        case .text:
            let scored = files.reduce(0) { $0 + $1.scored }
            let rejected = files.reduce(0) { $0 + $1.rejected }
            let failed = files.reduce(0) { $0 + ($1.error == nil ? 0 : 1) }
            print("\(scored) points of \(files.count - failed) series scored, \(rejected) rows rejected, \(failed) files failed")
            let highest = files.compactMap { file in file.highest.map { (file, $0) } }.sorted { $0.1.score > $1.1.score }
            for (file, point) in highest.prefix(10) {
                print("  \(SeriesFile.text(ofScore: point.score))  \(point.timestamp)  \(file.input)")
            }
        }
    }

    enum CodingKeys: String, CodingKey {
        case files, scored, rejected, failed
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(files, forKey: .files)
        try container.encode(files.reduce(0) { $0 + $1.scored }, forKey: .scored)
        try container.encode(files.reduce(0) { $0 + $1.rejected }, forKey: .rejected)
        try container.encode(files.reduce(0) { $0 + ($1.error == nil ? 0 : 1) }, forKey: .failed)
    }
}
