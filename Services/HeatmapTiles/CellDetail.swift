import Geo
import Records

/// All that is known of one cell under a filter.
struct CellDetail: Encodable {
    struct LayerCount: Encodable {
        var name: String
        var count: Int
        var risk: Double
        var expected: Double
        /// Events more than in the span of the same length before; absent where the span is open.
        var change: Int?
    }

    struct TypeCount: Encodable {
        var layer: String
        var type: String
        var count: Int
    }

    struct Reason: Encodable {
        var feature: String?
        var value: Double?
        var text: String
        /// What amounts in it are in, where all its alerts agree.
        var currency: String?
        /// Of the newest alerts in the cell.
        var alerts: Int
    }

    struct Terminal: Encodable {
        var terminal: String
        var kind: String
        var institution: String
        var latitude: Double
        var longitude: Double
    }

    /// What is expected here from now on.
    struct Outlook: Encodable {
        struct Span: Encodable {
            var hours: Int
            var expected: Double
            /// Between which counts it lies with the probability `coverage`.
            var low: Int
            var high: Int
        }

        var from: String
        var coverage: Double
        /// Of each hour from `from` on.
        var expected: [Double]
        var spans: [Span]
    }

    var quadkey: String
    /// West, south, east, north.
    var bounds: [Double]
    var jurisdiction: String?
    var layers: [LayerCount]
    var types: [TypeCount]
    var reasons: [Reason]
    var terminals: [Terminal]
    var alerts: [Payload.Alert]
    var forecast: Outlook?

    static let maxReasons = 5
    static let maxTerminals = 50
    static let maxAlerts = 20
}

extension MapQueries {
    /// - Parameters:
    ///   - cell: at zoom 8 to 17.
    ///   - parameters: a filter; its types limit those layers that have them.
    func detail(of cell: Tile, _ parameters: QueryParameters) throws -> CellDetail {
        var layers: [CellDetail.LayerCount] = []
        var types: [CellDetail.TypeCount] = []
        for layer in Layer.recorded {
            let filter = try parameters.filter(layer: layer, for: self, isOneOfMany: true)
            let prepared = renderer.prepare(filter, for: state)
            let found = state.cube.cells(in: cell, zoom: cell.zoom, prepared).first
            let tally = found?.tally ?? Tally()
            layers.append(.init(
                name: layer.rawValue, count: tally.count, risk: tally.meanRisk, expected: tally.riskSum, change: found?.change))
            guard tally.count > 0, layer != .risk else { continue }
            for (number, kind) in state.cube.kinds.kinds.enumerated().sorted(by: { $0.element.type < $1.element.type }) where prepared.kinds[number] {
                var own = prepared
                own.kinds = prepared.kinds.indices.map { $0 == number }
                let count = state.cube.cells(in: cell, zoom: cell.zoom, own).first?.tally.count ?? 0
                if count > 0 { types.append(.init(layer: layer.rawValue, type: kind.type, count: count)) }
            }
        }
        let ofAlerts = try parameters.filter(layer: .alerts, for: self, isOneOfMany: true)
        let alerts = state.alerts.filter { alert in
            guard let position = state.position(of: alert), state.lists(alert, under: ofAlerts) else { return false }
            return Tile(containing: position, zoom: cell.zoom) == cell
        }
        let sites = state.sites.sites(in: cell, limit: SiteTile.maxSitesPerTile).map(\.site)
            .filter { site in permitted.map { state.isPosition(site.position, inAnyOf: $0) } ?? true }
            .sorted { ($0.sort == .atm ? 0 : 1, $0.terminalID) < ($1.sort == .atm ? 0 : 1, $1.terminalID) }
        let box = cell.bounds
        return CellDetail(
            quadkey: cell.quadkey, bounds: [box.west, box.south, box.east, box.north], jurisdiction: jurisdiction(at: cell.centre),
            layers: layers, types: types,
            reasons: Self.reasons(of: alerts),
            terminals: sites.prefix(CellDetail.maxTerminals).map {
                .init(
                    terminal: $0.terminalID, kind: $0.sort.rawValue, institution: $0.institution, latitude: $0.position.latitude,
                    longitude: $0.position.longitude)
            },
            alerts: alerts.prefix(CellDetail.maxAlerts).map(payload), forecast: try forecast.map { try outlook(of: cell, $0, parameters) })
    }

    /// The most frequent reasons of alerts.
    private static func reasons(of alerts: [AlertNote]) -> [CellDetail.Reason] {
        var currencies: [Payload.Reason: [String]] = [:]
        for alert in alerts {
            for reason in Set(alert.reasons.map(Payload.Reason.init)) { currencies[reason, default: []].append(alert.currency) }
        }
        return currencies.sorted { ($1.value.count, $0.key.text) < ($0.value.count, $1.key.text) }.prefix(CellDetail.maxReasons).map { reason, own in
            let isOneCurrency = !own[0].isEmpty && own.allSatisfy { $0 == own[0] }
            return .init(
                feature: reason.feature, value: reason.value, text: reason.text, currency: isOneCurrency ? own[0] : nil, alerts: own.count)
        }
    }

    private static let outlookHours = [6, 24, 72]

    /// What is expected, of the types that are asked for as far as they are forecast.
    private func outlook(of cell: Tile, _ forecast: Forecast, _ parameters: QueryParameters) throws -> CellDetail.Outlook {
        let complaints = try parameters.filter(layer: .complaints, for: self, isOneOfMany: true)
        var filter = CubeFilter(layer: .forecast)
        filter.jurisdictions = complaints.jurisdictions
        let types = complaints.types?.intersection(knownForecastTypes) ?? []
        filter.types = types.isEmpty ? nil : types
        let prepared = renderer.prepare(filter, for: state.showing(forecast))
        var hourly = [Double](repeating: 0, count: forecast.hours.count)
        forecast.cube.forEachEntry(in: cell, prepared) { hour, tally in hourly[hour - forecast.hours.lowerBound] += tally.riskSum }
        return CellDetail.Outlook(
            from: Payload.time(hour: forecast.hours.lowerBound), coverage: Forecast.coverage, expected: hourly,
            spans: Self.outlookHours.filter { $0 <= forecast.hours.count }.map { hours in
                let outlook = forecast.outlook(in: cell, hours: hours, prepared)
                return .init(
                    hours: hours, expected: outlook.expected, low: outlook.interval.lowerBound, high: outlook.interval.upperBound)
            })
    }
}
