import Contracts
import Geo
import Identity
import RPC
import RecordCoding
import Records
import StandardContracts

/// The service's RPCs.
struct HeatmapTilesHandlers: TilesV1.TileService.Handlers {
    let map: LiveMap
    let renderer: TileRenderer

    static let defaultHotspots = 20
    static let zooms = 8...Cube.cellZoom

    func listHotspots(_ request: TilesV1.ListHotspotsRequest, context: CallContext) async throws -> TilesV1.ListHotspotsResponse {
        let limit = request.limit == 0 ? Self.defaultHotspots : Int(request.limit)
        let zoom = request.zoom == 0 ? Cube.cellZoom : Int(request.zoom)
        let queries = queries(for: context, request.filter)
        var faults: [FieldViolation] = []
        if limit > MapQueries.maxHotspots { faults.append(.init(field: "limit", description: "must be at most \(MapQueries.maxHotspots)")) }
        if !Self.zooms.contains(zoom) {
            faults.append(.init(field: "zoom", description: "must be \(Self.zooms.lowerBound) to \(Self.zooms.upperBound), or 0"))
        }
        let filter = try filter(request.filter, queries, &faults)
        let spots = queries.hotspots(filter, limit: limit, zoom: zoom, in: nil)
        return .init(cells: spots.map { spot in
            TilesV1.Cell(
                quadkey: spot.quadkey, centre: .init(latitude: spot.latitude, longitude: spot.longitude), count: Int64(spot.count ?? 0),
                risk: spot.risk ?? spot.expected)
        })
    }

    func getTimeSeries(_ request: TilesV1.GetTimeSeriesRequest, context: CallContext) async throws -> TilesV1.GetTimeSeriesResponse {
        let queries = queries(for: context, request.filter)
        var faults: [FieldViolation] = []
        var box: BoundingBox?
        if let area = request.area {
            box = BoundingBox(west: area.west, south: area.south, east: area.east, north: area.north)
            if box?.isOnGlobe != true {
                faults.append(.init(field: "area", description: "must lie on the globe with west ≤ east and south ≤ north"))
            }
        }
        let filter = try filter(request.filter, queries, &faults)
        let buckets = queries.state.cube.series(in: box, hoursPerBucket: 1, renderer.prepare(filter, for: queries.state))
        return .init(buckets: buckets.sorted { $0.key < $1.key }.map { hour, tally in
            .init(
                startsAt: .init(seconds: Int64(hour) * Int64(CubeHour.secondsPerHour)), count: Int64(tally.count), risk: tally.meanRisk)
        })
    }

    private func queries(for context: CallContext, _ filter: TilesV1.Filter?) -> MapQueries {
        MapQueries(
            state: map.current(for: filter.flatMap { Layer(rawValue: $0.layer) }), forecast: map.forecast, renderer: renderer,
            permitted: context.serviceContext.principal?.permittedJurisdictions)
    }

    /// - Throws: `INVALID_ARGUMENT` with all faults found so far and the filter's own.
    private func filter(
        _ message: TilesV1.Filter?, _ queries: MapQueries, _ faults: inout [FieldViolation]
    ) throws -> CubeFilter {
        let message = message ?? TilesV1.Filter()
        let layer = Layer(rawValue: message.layer.isEmpty ? Layer.transactions.rawValue : message.layer)
        if layer == nil {
            faults.append(.init(
                field: "filter.layer", description: "must be one of \(Layer.allCases.map(\.rawValue).joined(separator: ", "))"))
        }
        var pairs: [(name: String, value: String)] = []
        for (name, time) in [("from", message.from), ("to", message.to)] {
            guard let time else { continue }
            if let time = Timestamp(time) {
                pairs.append((name, time.iso8601))
            } else {
                faults.append(.init(field: "filter.\(name)", description: "is out of range"))
            }
        }
        if message.types.contains("") {
            faults.append(.init(field: "filter.types", description: "must not be empty"))
        } else if !message.types.isEmpty {
            pairs.append(("types", message.types.joined(separator: ",")))
        }
        if let layer {
            do {
                let filter = try QueryParameters(pairs, allowed: QueryParameters.filterNames)
                    .filter(layer: layer, for: queries)
                if faults.isEmpty { return filter }
            } catch let error as BadQuery {
                faults.append(.init(field: "filter.\(error.field)", description: error.reason))
            }
        }
        throw RPCError.invalidArgument(faults)
    }
}
