import ArgumentParser
import Foundation
import Testing

@testable import Vigil

@Suite("vigil forecast")
struct ForecastCommandTests {
    private final class Folder {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-forecast-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ text: String) throws -> String {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
            return "\(path)/\(name)"
        }

        func read(_ name: String) throws -> [String] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private let folder: Folder

    init() throws {
        folder = try Folder()
        _ = try folder.write(
            "map.yaml",
            """
            record: complaints
            fields:
              complaint_id: {row_number: true}
              crime_type: what
              occurred_at: {column: when, zone: America/Chicago}
              location.latitude: lat
              location.longitude: lon
            """)
    }

    /// Ten weeks of two types, spread without a pattern but for two busy corners; the clock changes on 14 March.
    private func events(days: Int = 70) -> String {
        var text = "when,what,lat,lon\n"
        var state: UInt32 = 1
        func draw(_ limit: Int) -> Int {
            state = state &* 1_664_525 &+ 1_013_904_223
            return Int(state >> 16) % limit
        }
        for day in 0..<days {
            let (month, of) = day < 31 ? (1, day + 1) : day < 59 ? (2, day - 30) : (3, day - 58)
            for number in 0..<6 {
                let busy = number < 3 ? draw(2) * 40 : draw(50)
                text += "2010-\(month < 10 ? "0" : "")\(month)-\(of < 10 ? "0" : "")\(of) \(10 + number):00:00,"
                    + "\(number % 3 == 0 ? "robbery" : "theft"),\(29.7 + Double(busy) * 0.00225),\(-95.4 + Double(draw(8)) * 0.0026)\n"
            }
        }
        return text
    }

    private func run(_ events: String, _ more: [String] = [], output: String = "out.csv") throws {
        let file = try folder.write("events.csv", events)
        let command = try ForecastCommand.parse(
            [
                "--events", file, "--mapping", "\(folder.path)/map.yaml", "--output", "\(folder.path)/\(output)", "--forests", "1",
                "--weeks", "2",
            ] + (more.contains("--at") ? [] : ["--at", "2010-03-08"]) + more)
        try command.run()
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return ForecastCommand.message(for: error)
        }
    }

    @Test func givenCellsComeBackInTheirOrderAsTheyWereWritten() throws {
        let cells = try folder.write("cells.csv", "cell_id,latitude,longitude\nb,29.790000,-95.39740\na,29.7,-95.4\nfar,0.0,0.0\n")
        try run(events(), ["--cells", cells, "--type", "robbery", "--hours", "168", "--cell-metres", "250"])
        let lines = try folder.read("out.csv")
        #expect(lines.first == "cell_id,latitude,longitude,expected")
        #expect(lines.dropFirst().map { $0.split(separator: ",").prefix(3).joined(separator: ",") } == [
            "b,29.790000,-95.39740", "a,29.7,-95.4", "far,0.0,0.0",
        ])
        #expect(lines.dropFirst().allSatisfy { Double($0.split(separator: ",")[3]).map { $0 >= 0 } ?? false })
    }

    @Test func rowsAtOrAfterTheMomentChangeNothing() throws {
        let all = events()
        // On the events' own clock, a minute before and after noon, six hours from Greenwich.
        let cut = all.split(separator: "\n").filter { $0.hasPrefix("when") || $0 < "2010-03-07 12:00:00" }.joined(separator: "\n") + "\n"
        for at in ["2010-03-07T12:00:00", "2010-03-07T18:00:00Z"] {
            try run(all, ["--type", "theft", "--at", at], output: "whole.csv")
            try run(cut, ["--type", "theft", "--at", at], output: "cut.csv")
            #expect(try folder.read("whole.csv") == folder.read("cut.csv"))
        }
    }

    @Test func cellsOfItsOwnComeRankedWithIntervals() throws {
        try run(events(), ["--type", "all"])
        let lines = try folder.read("out.csv")
        #expect(lines.first == "cell_id,latitude,longitude,expected,lower_50,upper_50,lower_90,upper_90")
        let rows = lines.dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
        #expect(rows.count > 100)
        #expect(rows.allSatisfy { $0.count == 8 && $0[6] <= $0[4] && $0[4] <= $0[5] && $0[5] <= $0[7] })
        #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[3] >= $1[3] })
        // The expected make up a week.
        #expect(abs(rows.reduce(0) { $0 + $1[3] } - 42) < 12)
    }

    @Test func theHoursOfATimelineMakeUpTheForecast() throws {
        let cells = try folder.write("cells.csv", "cell_id,latitude,longitude\na,29.7,-95.4\nb,29.79,-95.4\n")
        try run(events(), ["--cells", cells, "--hours", "48", "--timeline", "\(folder.path)/hours.csv"])
        let hours = try folder.read("hours.csv").dropFirst().map { $0.split(separator: ",") }
        #expect(hours.count == 2 * 48)
        #expect(hours.first?[1] == "2010-03-08T06:00:00Z")
        for line in try folder.read("out.csv").dropFirst() {
            let cell = line.split(separator: ",")
            let sum = hours.filter { $0[0] == cell[0] }.reduce(0) { $0 + (Double($1[2]) ?? .nan) }
            #expect(abs(sum - (Double(cell[3]) ?? .nan)) < 1e-9)
        }
    }

    @Test func theClocksChangeDoesNotMoveAMidnight() throws {
        // Daylight saving began on 14 March: midnights before it are at 6 o'clock in Greenwich, those after it at 5.
        try run(events(days: 80), ["--type", "theft", "--at", "2010-03-15"], output: "local.csv")
        try run(events(days: 80), ["--type", "theft", "--at", "2010-03-15T05:00:00Z"], output: "utc.csv")
        #expect(try folder.read("local.csv") == folder.read("utc.csv"))
    }

    @Test func errorsNameWhatIsWrong() throws {
        #expect(message { try run(events(), ["--type", "rape"]) }.contains("known are `theft`, `robbery`, or all"))
        #expect(message { try run(events(), ["--at", "Monday"]) }.contains("--at"))
        #expect(message { try run("when,what,lat,lon\n") }.contains("no incident"))
        #expect(message { try run("when,what,lat\n") }.contains("lon"))
        let cells = try folder.write("cells.csv", "cell_id,latitude,longitude\na,29.7,-95.4\nb,129.7,-95.4\n")
        let bad = message { try run(events(), ["--cells", cells]) }
        #expect(bad.contains("cells.csv: row 2: latitude") && bad.contains("129.7"))
        #expect(message { try run(events(), ["--hours", "0"]) }.contains("--hours"))
    }

    @Test func oneIncidentAndARowThatCannotBeReadAreEnoughForAForecast() throws {
        try run("when,what,lat,lon\n2010-03-01 10:00:00,theft,29.7,-95.4\n2010-03-01 11:00:00,theft,229.7,-95.4\nnever,theft,29.7,-95.4\n")
        #expect(try folder.read("out.csv").count == 26)
    }

    private func evaluate(_ events: String, _ more: [String]) throws -> String {
        let command = try EvaluateCommand.Forecasts.parse(
            [
                "--events", try folder.write("events.csv", events), "--mapping", "\(folder.path)/map.yaml", "--start", "2010-03-01",
                "--weeks", "1", "--report", "\(folder.path)/report.html",
            ] + more)
        try command.run()
        return try folder.read("report.html").joined(separator: "\n")
    }

    @Test func pastWeeksAreComparedWithWhatCame() throws {
        let page = try evaluate(events(), ["--type", "theft", "--cell-metres", "1000"])
        #expect(page.contains("<td>2010-03-01T06:00:00Z</td><td class=\"n\">28</td>"))
        #expect(page.contains("PAI") && page.contains("paired by week") && !page.contains("http"))
        #expect(page.contains("Cells of 1000 m"))
        let shouted = try evaluate(events(), ["--type", "THEFT", "--cell-metres", "1000"])
        #expect(shouted.replacing("THEFT", with: "theft") == page)
        #expect(message { _ = try evaluate(events(), ["--type", "arson"]) }.contains("arson"))
        #expect(message { _ = try evaluate(events(), ["--start", "Monday"]) }.contains("--start"))
    }

    @Test func pastWeeksAreRankedOnGivenCellsAndMissWhatLiesOutside() throws {
        let away = try folder.write("away.csv", "cell_id,latitude,longitude\na,10.0,10.0\nb,10.1,10.0\n")
        let missed = try evaluate(events(), ["--cells", away, "--cell-metres", "1000"])
        #expect(missed.contains("<td>mean</td><td class=\"n\"></td><td class=\"n\">0.0000</td>"))
        #expect(missed.contains("The 2 given cells") && !missed.contains("1000 m"))
        // Every incident lies in a row of cells as wide as the city, and the first cell of two is the busier.
        let wide = try folder.write("wide.csv", "cell_id,latitude,longitude\nsouth,29.7,-95.39\nnorth,29.8,-95.39\n")
        let hit = try evaluate(events(), ["--cells", wide, "--cell-metres", "11000"])
        #expect(hit.contains("<td>mean</td>") && !hit.contains("<td>mean</td><td class=\"n\"></td><td class=\"n\">0.0000</td>"))
        let bad = try folder.write("bad.csv", "cell_id,latitude,longitude\na,x,10.0\n")
        #expect(message { _ = try evaluate(events(), ["--cells", bad]) }.contains("bad.csv: row 1: latitude"))
    }
}
