import Foundation
import Geo
import Records

/// What the service answers as JSON beside the tiles. Times are ISO 8601 in UTC.
enum Payload {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    static func time(hour: Int) -> String {
        Timestamp(seconds: Int64(hour) * Int64(CubeHour.secondsPerHour)).iso8601
    }

    struct Fault: Encodable {
        var code: String
        var field: String?
        var message: String
    }

    /// What there is to see: layers, their types, the span of time, and what a filter's span holds.
    struct Summary: Encodable {
        struct LayerInfo: Encodable {
            var name: String
            var summary: String
            var types: [String]
            /// Under the request's filter.
            var count: Int
            var expected: Double
            /// How many more there are under the filter that have no place on the map; absent for who may see some jurisdictions only,
            /// and under filters of places, risks or the past.
            var withoutPlace: Int?
        }

        /// Absent for who may see some jurisdictions only: it counts what happens in the others too.
        var revision: UInt64?
        /// The first hour with an event, and the end of the last, without strays far off; absent while there is none.
        var from: String?
        var to: String?
        /// How many payments and complaints have a date far outside of that, under no filter.
        var strays: Int
        var layers: [LayerInfo]
        var jurisdictions: Int
        /// The hours that the forecast covers; absent while there is none.
        var forecastFrom: String?
        var forecastTo: String?
        /// Crime types that are forecast each for itself.
        var forecastTypes: [String]
    }

    /// West, south, east, north; absent when there is nothing to see.
    struct Bounds: Encodable {
        var bounds: [Double]?

        init(_ box: BoundingBox?) {
            bounds = box.map { [$0.west, $0.south, $0.east, $0.north] }
        }
    }

    /// TileJSON 3.0.0: where a layer's tiles are, and what is in them.
    struct TileJSON: Encodable {
        struct VectorLayer: Encodable {
            var id: String
            var description: String
            var fields: [String: String]
            var minzoom: Int
            var maxzoom: Int
        }

        var tilejson = "3.0.0"
        var name: String
        var description: String
        var tiles: [String]
        var minzoom: Int
        var maxzoom: Int
        var bounds: [Double]?
        var scheme = "xyz"
        var vector_layers: [VectorLayer]

        /// - Parameter query: the filter, percent-encoded, with its question mark; or empty.
        init(_ layer: Layer, at url: String, query: String, bounds: BoundingBox?) {
            name = layer.rawValue
            description = layer.summary
            tiles = ["\(url)/tiles/\(layer.rawValue)/{z}/{x}/{y}.mvt\(query)"]
            minzoom = 0
            maxzoom = CellTile.maximumZoom
            self.bounds = bounds.map { [$0.west, $0.south, $0.east, $0.north] }
            let both = [
                "expected": "Number: what is to be expected", "heat": "Number, 0 to 1: how hot, on the same scale in all tiles of this filter",
            ]
            let fields = layer == .forecast ? both : [
                "count": "Number of events", "risk": "Number: mean risk, 0 to 1", "expected": "Number: sum of the risks",
                "heat": "Number, 0 to 1: how hot, on the same scale in all tiles of this filter",
                "change": "Number: events more than in the span of the same length before; absent where from or to is",
            ]
            vector_layers = [.init(id: name, description: description, fields: fields, minzoom: minzoom, maxzoom: maxzoom)]
        }

        init(terminalsAt url: String) {
            name = SiteTile.layerName
            description = "Terminals with a known place"
            tiles = ["\(url)/tiles/\(SiteTile.layerName)/{z}/{x}/{y}.mvt"]
            minzoom = SiteTile.minimumATMZoom
            maxzoom = CellTile.maximumZoom
            let fields = ["terminal": "String", "kind": "String: pos, atm or online", "institution": "String"]
            vector_layers = [.init(id: name, description: description, fields: fields, minzoom: minzoom, maxzoom: maxzoom)]
        }
    }

    struct Series: Encodable {
        var layer: String
        /// The first bucket's start.
        var from: String?
        var bucketHours: Int
        /// One for each bucket from `from` on; none in a forecast.
        var counts: [Int]
        var expected: [Double]
    }

    struct Hotspot: Encodable {
        var quadkey: String
        var latitude: Double
        var longitude: Double
        /// Absent in a forecast.
        var count: Int?
        var risk: Double?
        var expected: Double
        var jurisdiction: String?
        /// A cash machine in its hottest cell, if there is one.
        var atm: String?
    }

    struct Complaint: Encodable {
        var reporterID: String
        var complaintID: String
        var crimeType: String
        var occurredAt: String
        var reportedAt: String
        /// Absent, as the longitude, when its place is not known.
        var latitude: Double?
        var longitude: Double?
        var jurisdiction: String?
        var amountMinorUnits: Int64?
        var currency: String
        var district: String
    }

    struct Alert: Encodable {
        var decisionID: String
        /// The bank that sent the payment, and its identifier there; absent when unknown.
        var bankID: String?
        var transactionID: String?
        var eventTime: String
        var decidedAt: String
        var latitude: Double?
        var longitude: Double?
        var jurisdiction: String?
        var terminal: String
        var channel: String
        var amountMinorUnits: Int64?
        var currency: String
        var risk: Double
        var reasons: [Reason]
    }

    struct Reason: Encodable, Hashable {
        /// By the model's name for it; left out, as is the value, when unknown.
        var feature: String?
        var value: Double?
        var text: String

        init(_ reason: AlertNote.Reason) {
            feature = reason.feature.isEmpty ? nil : reason.feature
            value = reason.value
            text = reason.text
        }
    }
}

/// Answers questions about a map for one caller.
struct MapQueries {
    var state: MapState
    var forecast: Forecast?
    var renderer: TileRenderer
    /// The jurisdictions of the caller's token; nil for everywhere.
    var permitted: Set<String>?

    /// Buckets that a series may have.
    static let maxBuckets = 5000
    static let maxHotspots = 1000
    static let maxCells = 20_000
    static let tooManyCells = BadQuery(
        field: "zoom", reason: "more than \(maxCells) cells; choose a lower zoom or a smaller bbox")

    func summary(_ parameters: QueryParameters) throws -> Payload.Summary {
        let (extent, kinds) = extent(knownBefore: try parameters.knownBefore())
        let hours = extent.usual
        let layers = try Layer.recorded.map { layer -> Payload.Summary.LayerInfo in
            let filter = try parameters.filter(layer: layer, for: self, isOneOfMany: true)
            let tally = state.cube.total(in: nil, renderer.prepare(filter, for: state))
            return .init(
                name: layer.rawValue, summary: layer.summary, types: kinds.types(of: layer.signal), count: tally.count,
                expected: tally.riskSum, withoutPlace: state.countWithoutPlace(filter))
        }
        return Payload.Summary(
            revision: permitted == nil ? state.revision : nil,
            from: hours.map { Payload.time(hour: $0.lowerBound) },
            to: hours.map { Payload.time(hour: $0.upperBound + 1) }, strays: extent.strays,
            layers: layers, jurisdictions: visibleAreas.count,
            forecastFrom: forecast.map { Payload.time(hour: $0.hours.lowerBound) },
            forecastTo: forecast.map { Payload.time(hour: $0.hours.upperBound) }, forecastTypes: knownForecastTypes)
    }

    func series(_ filter: CubeFilter, in box: BoundingBox?, bucketHours: Int?) throws -> Payload.Series {
        let extent = extent(knownBefore: filter.knownBefore).extent
        guard let all = extent.all, let usual = extent.usual else {
            return Payload.Series(layer: filter.layer.rawValue, from: nil, bucketHours: bucketHours ?? 1, counts: [], expected: [])
        }
        // An open span is the span that has events, without strays; who names its ends sees those too.
        let isOpen = (filter.hours.lowerBound <= CubeHour.range.lowerBound, filter.hours.upperBound >= CubeHour.range.upperBound)
        let first = isOpen.0 ? usual.lowerBound : max(filter.hours.lowerBound, all.lowerBound)
        let end = isOpen.1 ? usual.upperBound + 1 : min(filter.hours.upperBound, all.upperBound + 1)
        let hours = max(0, end - first)
        let size = bucketHours ?? [1, 3, 6, 12, 24, 168].first { hours / $0 <= 200 } ?? 720
        let start = first - first % size
        let count = hours == 0 ? 0 : (end - start + size - 1) / size
        guard count <= Self.maxBuckets else {
            throw BadQuery(field: "bucket_hours", reason: "would make \(count) buckets; the most is \(Self.maxBuckets)")
        }
        let buckets = state.cube.series(in: box, hoursPerBucket: size, renderer.prepare(filter, for: state))
        let tallies = (0..<count).map { buckets[start + $0 * size] ?? Tally() }
        return Payload.Series(
            layer: filter.layer.rawValue, from: Payload.time(hour: start), bucketHours: size,
            counts: filter.layer == .forecast ? [] : tallies.map(\.count), expected: tallies.map { ($0.riskSum * 1000).rounded() / 1000 })
    }

    func hotspots(_ filter: CubeFilter, limit: Int, zoom: Int, in box: BoundingBox?) -> [Payload.Hotspot] {
        let prepared = renderer.prepare(filter, for: state)
        return state.cube.hotspots(filter.layer, limit: limit, zoom: zoom, in: box, prepared).compactMap { cell in
            guard let tile = Tile(zoom: zoom, code: cell.code) else { return nil }
            let centre = tile.centre
            let hottest = state.cube.cells(in: tile, zoom: Cube.cellZoom, prepared)
                .max { filter.layer.heat(of: $0.tally) < filter.layer.heat(of: $1.tally) }
                .flatMap { Tile(zoom: Cube.cellZoom, code: $0.code) }
            return Payload.Hotspot(
                quadkey: tile.quadkey, latitude: centre.latitude, longitude: centre.longitude,
                count: filter.layer == .forecast ? nil : cell.tally.count, risk: filter.layer == .forecast ? nil : cell.tally.meanRisk,
                expected: cell.tally.riskSum, jurisdiction: jurisdiction(at: centre), atm: hottest.flatMap { atm(in: $0) })
        }
    }

    private static let maxSitesLookedAt = 200

    /// The name of a cash machine in a tile: one of the first that the caller may see.
    private func atm(in tile: Tile) -> String? {
        state.sites.sites(in: tile, limit: Self.maxSitesLookedAt).first { _, site in
            site.sort == .atm && permitted.map { state.isPosition(site.position, inAnyOf: $0) } ?? true
        }?.site.terminalID
    }

    /// The cells of a box as GeoJSON polygons.
    func cells(_ filter: CubeFilter, zoom: Int, in box: BoundingBox?) throws -> GeoJSON.FeatureCollection {
        let cells = state.cube.hotspots(
            filter.layer, limit: Self.maxCells + 1, zoom: zoom, in: box, renderer.prepare(filter, for: state))
        guard cells.count <= Self.maxCells else { throw Self.tooManyCells }
        return .init(features: try cells.compactMap { cell in
            guard let tile = Tile(zoom: zoom, code: cell.code) else { return nil }
            var properties = ["expected": GeoJSON.Value.number(cell.tally.riskSum)]
            if filter.layer != .forecast {
                properties["count"] = .number(Double(cell.tally.count))
                properties["risk"] = .number(cell.tally.meanRisk)
            }
            return .init(id: tile.quadkey, geometry: .polygon(try Polygon(box: tile.bounds)), properties: properties)
        })
    }

    /// The outlines of the jurisdictions that the caller may see.
    func areas() -> GeoJSON.FeatureCollection {
        .init(features: visibleAreas.compactMap { area in
            area.outline.map { outline in
                let geometry: GeoJSON.Geometry = outline.polygons.count == 1 ? .polygon(outline.polygons[0]) : .multiPolygon(outline)
                let middle = outline.polygons[0].centroid
                return .init(
                    id: area.id, geometry: geometry,
                    properties: ["name": .string(area.name), "label": .array([.number(middle.longitude), .number(middle.latitude)])])
            }
        })
    }

    /// When there are events, and the kinds of these, as far as the caller may know.
    private func extent(knownBefore: Int?) -> (extent: TimeExtent, kinds: [Kind]) {
        guard let permitted else {
            let spans = [state.cube.hours, state.nowhereHours].compactMap { $0 }
            let first = spans.map(\.lowerBound).min(), last = spans.map(\.upperBound).max()
            let extent = TimeExtent(first.flatMap { first in last.map { first...$0 } }) { hours in
                state.nowhere.reduce(into: state.cube.counts(byHourIn: hours, of: nil)) { counts, entry in
                    let (slot, tally) = entry
                    if slot.kind.signal.isFirst { counts[slot.hour - hours.lowerBound] += tally.count }
                }
            }
            return (extent, state.cube.kinds.kinds)
        }
        let extent = TimeExtent(renderer.extent(of: permitted, in: state, knownBefore: knownBefore).hours) { hours in
            state.cube.counts(byHourIn: hours, of: renderer.mask(state, permitted, knownBefore: knownBefore))
        }
        return (extent, knownKinds(knownBefore: knownBefore))
    }

    /// The kinds that the caller may know of: what there is elsewhere is not told by its types either.
    func knownKinds(knownBefore: Int? = nil) -> [Kind] {
        guard let permitted else { return state.cube.kinds.kinds }
        return zip(state.cube.kinds.kinds, renderer.extent(of: permitted, in: state, knownBefore: knownBefore).kinds).filter(\.1).map(\.0)
    }

    /// The crime types that are forecast each for itself, as far as the caller may know of them.
    var knownForecastTypes: [String] {
        guard let forecast else { return [] }
        let ofForecast = MapQueries(state: state.showing(forecast), forecast: forecast, renderer: renderer, permitted: permitted)
        return Layer.forecast.types(among: ofForecast.knownKinds())
    }

    private var visibleAreas: [Area] {
        state.areas.values.filter { permitted?.contains($0.id) != false }.sorted { $0.id < $1.id }
    }

    func jurisdiction(at position: Position) -> String? {
        visibleAreas.first { $0.contains(position) }?.name
    }

    /// The box around the jurisdictions that the caller may see and around where the events are: a hundredth on each side, which may lie
    /// anywhere, is left out.
    func bounds(_ filter: CubeFilter = CubeFilter(layer: .transactions)) -> BoundingBox? {
        var filter = filter
        filter.jurisdictions = filter.jurisdictions ?? permitted
        let cells = state.cube.cells(in: .world, zoom: Cube.cellZoom, renderer.prepare(filter, for: state))
        let places = cells.compactMap { cell in Tile(zoom: Cube.cellZoom, code: cell.code).map { ($0.centre, cell.tally.count) } }
        let total = places.reduce(0) { $0 + $1.1 }
        func inner(_ axis: (Position) -> Double) -> (low: Double, high: Double)? {
            let sorted = places.map { (axis($0.0), $0.1) }.sorted { $0.0 < $1.0 }
            var seen = 0, low: Double?, high: Double?
            for (place, count) in sorted {
                if low == nil, (seen + count) * 100 > total { low = place }
                if seen * 100 < total * 99 { high = place }
                seen += count
            }
            guard let low, let high else { return nil }
            return (low, high)
        }
        var boxes = visibleAreas.compactMap { $0.outline?.bounds }
        if let across = inner(\.longitude), let along = inner(\.latitude) {
            boxes.append(BoundingBox(west: across.low, south: along.low, east: across.high, north: along.high))
        }
        return boxes.first.map { boxes.dropFirst().reduce($0) { $0.union($1) } }
    }
}
