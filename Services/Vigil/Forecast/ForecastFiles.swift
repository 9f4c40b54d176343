import Datasets
import Foundation
import Models
import Records
import Training

/// A file of incidents, read through a mapping of complaints.
struct IncidentFile {
    /// So many refused rows are told one by one.
    private static let maxToldRows = 5

    let path: String
    let mapping: Mapping

    /// What had happened, and been reported, before a moment. Rows that cannot be used are told and left out.
    func read(before moment: Timestamp, _ progress: inout ProgressLine) throws -> Incidents {
        Incidents(try known(before: moment, &progress).map(\.incident), before: moment)
    }

    /// The same with when each was reported.
    func known(before moment: Timestamp, _ progress: inout ProgressLine) throws -> [KnownIncident] {
        let reader = try DatasetReader(file: path, mapping: mapping)
        var incidents: [KnownIncident] = []
        var rejected = 0, placeless = 0, count = 0
        while let item = try reader.next() {
            count += 1
            if count % 8_192 == 0 {
                progress.show("reading \(URL(fileURLWithPath: path).lastPathComponent)", fraction: reader.totalBytes.map {
                    Double(reader.bytesRead) / Double(max(1, $0))
                })
            }
            switch item.outcome {
            case .record(.complaint(let complaint)):
                guard complaint.occurredAt < moment, complaint.reportedAt < moment else { continue }
                guard let incident = KnownIncident(complaint) else {
                    placeless += 1
                    continue
                }
                incidents.append(incident)
            case .record, .nothing: break
            case .rejected(let why):
                rejected += 1
                if rejected <= Self.maxToldRows, let first = why.first {
                    progress.note("\(path): row \(item.position.row) is left out: \(first.field) \(first.reason)")
                }
            }
        }
        if rejected > Self.maxToldRows { progress.note("\(path): \(rejected) rows are left out in all") }
        if placeless > 0 { progress.note("\(path): \(placeless) incidents without a place are left out") }
        return incidents
    }
}

/// A cell to forecast, as a file gives it.
struct GivenCell {
    var id: String
    /// As written, so that they come back the same.
    var latitude: String
    var longitude: String
    var centre: Coordinate
}

/// `cell_id,latitude,longitude`
enum CellsFile {
    static let columns = ["cell_id", "latitude", "longitude"]

    static func read(_ path: String) throws -> [GivenCell] {
        let table = try TableReader(file: path, columns: columns)
        var cells: [GivenCell] = []
        var rows: [String: Int] = [:]
        while try table.next() {
            guard table.refusedRows == 0 else { break }
            func number(_ column: Int, limit: Double) throws -> Double {
                guard let value = table.double(column), abs(value) <= limit else {
                    throw PlaceFault(
                        description: "\(path): row \(table.position.row): \(columns[column]) must be a number from \(-limit) to \(limit), "
                            + "not `\(table.text(column) ?? "")`")
                }
                return value
            }
            let id = table.text(0) ?? ""
            if let other = rows.updateValue(table.position.row, forKey: id) {
                throw PlaceFault(description: "\(path): row \(table.position.row): the cell_id `\(id)` is that of row \(other) too")
            }
            cells.append(
                GivenCell(
                    id: id, latitude: table.text(1) ?? "", longitude: table.text(2) ?? "",
                    centre: Coordinate(latitude: try number(1, limit: 90), longitude: try number(2, limit: 180))))
        }
        guard table.refusedRows == 0 else { throw PlaceFault(description: "\(path): a row near row \(cells.count + 1) is not CSV") }
        guard !cells.isEmpty else { throw PlaceFault(description: "\(path): there is no cell in it") }
        return cells
    }
}

/// What `vigil forecast` writes.
struct ForecastFile {
    let path: String

    /// Given cells in their order.
    func write(_ forecast: CellForecast, cells: [GivenCell]) throws {
        var csv = CSVWriter(header: ["cell_id", "latitude", "longitude", "expected"])
        for (cell, expected) in zip(cells, forecast.expected) { csv.row([cell.id, cell.latitude, cell.longitude, "\(expected)"]) }
        try save(csv)
    }

    /// Cells of our own, the riskiest first, with intervals.
    func writeRanked(_ forecast: CellForecast, centres: [Coordinate]) throws {
        var csv = CSVWriter(header: [
            "cell_id", "latitude", "longitude", "expected", "lower_50", "upper_50", "lower_90", "upper_90",
        ])
        for (rank, cell) in forecast.ranked.enumerated() {
            let distribution = forecast.distribution(cell: cell)
            let (half, wide) = (distribution.interval(0.5), distribution.interval(0.9))
            csv.row([
                "\(rank + 1)", String(format: "%.6f", centres[cell].latitude), String(format: "%.6f", centres[cell].longitude),
                "\(forecast.expected[cell])", "\(half.lowerBound)", "\(half.upperBound)", "\(wide.lowerBound)", "\(wide.upperBound)",
            ])
        }
        try save(csv)
    }

    private func save(_ csv: CSVWriter) throws {
        do {
            try Data(csv.bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw PlaceFault(description: "\(path) cannot be written: \(plainly(error))")
        }
    }
}

/// A forecast by hours.
struct TimelineFile {
    /// Written at once.
    private static let maxBufferBytes = 1 << 20

    let path: String

    /// - Parameter cells: the forecast's indices in the order in which they are written, with their names.
    func write(_ forecast: CellForecast, cells: [(index: Int, id: String)]) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw PlaceFault(description: "\(path) cannot be written")
        }
        var csv = CSVWriter(header: ["cell_id", "hour", "expected", "lower_50", "upper_50", "lower_90", "upper_90"])
        let timeline = forecast.timeline
        let hours = (0..<timeline.hours).map { (timeline.start + .hours($0)).iso8601 }
        for (cell, id) in cells {
            for (hour, begin) in hours.enumerated() {
                let it = timeline.outlook(cell: cell, hour: hour)
                csv.row([id, begin, "\(it.expected)", "\(it.lower50)", "\(it.upper50)", "\(it.lower90)", "\(it.upper90)"])
            }
            if csv.bytes.count > Self.maxBufferBytes { try file.write(contentsOf: csv.take()) }
        }
        try file.write(contentsOf: csv.take())
        try file.close()
    }
}

extension CellForecast {
    /// The cells' indices, the riskiest first.
    var ranked: [Int] { expected.indices.sorted { (expected[$1], $0) < (expected[$0], $1) } }
}
