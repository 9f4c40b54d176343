import Geo
import SeededRandom
import Testing

@testable import HeatmapTiles

/// The least risk leaves out the same cells in all layers of payments: by their payments, whatever a layer shows of these.
@Suite struct LeastRiskTests {
    private static let state = JurisdictionTests.everywhere

    /// What a layer counts in each cell of the finest zoom.
    private static func counts(_ filter: CubeFilter) -> [UInt64: Int] {
        let prepared = TileRenderer().prepare(filter, for: state)
        return Dictionary(uniqueKeysWithValues: state.cube.cells(in: .world, zoom: Cube.cellZoom, prepared).map { ($0.code, $0.tally.count) })
    }

    @Test("Under any filter a cell has at most as many frauds and alerts as payments, and tiles, sums and series count the same", arguments: 1...40)
    func layersNest(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var filter = CubeTests.randomFilter(&generator)
        filter.minimumRisk = .random(in: 0..<0.6, using: &generator)
        if Bool.random(using: &generator) { filter.jurisdictions = ["north"] }
        let queries = MapQueries(state: Self.state, renderer: TileRenderer(), permitted: filter.jurisdictions)
        let channels = queries.knownKinds().types(of: .transaction)
        filter.types = Bool.random(using: &generator) ? Set(channels.shuffled(using: &generator).prefix(2)) : nil
        let parameters = try QueryParameters(ForeignDecoderTests.query(filter), allowed: QueryParameters.filterNames)
        let summary = Dictionary(uniqueKeysWithValues: try queries.summary(parameters).layers.map { ($0.name, $0.count) })
        var byLayer: [Layer: [UInt64: Int]] = [:]
        for layer in Layer.recorded where layer.isOfPayments {
            filter.layer = layer
            let counts = Self.counts(filter), total = counts.values.reduce(0, +)
            byLayer[layer] = counts
            #expect(summary[layer.rawValue] == total)
            #expect(try queries.series(filter, in: nil, bucketHours: 6).counts.reduce(0, +) == total)
            #expect(queries.hotspots(filter, limit: 5000, zoom: 14, in: nil).reduce(0) { $0 + ($1.count ?? 0) } == total)
        }
        let payments = try #require(byLayer[.transactions])
        #expect(byLayer[.risk] == payments)
        for layer in [Layer.fraud, .alerts] {
            #expect(try #require(byLayer[layer]).allSatisfy { cell, count in count <= payments[cell] ?? 0 })
        }
    }

    @Test("Frauds of a cell whose other payments are harmless are left out with it, and its types are counted as the cell is")
    func ofOneCell() throws {
        var state = MapState()
        let risks = [0.9, 0.01, 0.01, 0.01]
        state.apply(state.change(for: risks.enumerated().map { MapStateTests.decision($0, risk: $1) }))
        let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
        func counts(_ least: String) throws -> [String: Int] {
            let parameters = try QueryParameters([("min_risk", least)], allowed: QueryParameters.filterNames)
            let detail = try queries.detail(of: Tile(containing: Sample.centre, zoom: 17), parameters)
            #expect(detail.types.filter { $0.layer == "fraud" }.map(\.count) == detail.layers.filter { $0.name == "fraud" && $0.count > 0 }.map(\.count))
            return Dictionary(uniqueKeysWithValues: detail.layers.map { ($0.name, $0.count) })
        }
        let kept = try counts("0.2"), gone = try counts("0.3")
        #expect(kept["transactions"] == 4 && kept["fraud"] == 1)
        #expect(gone["transactions"] == 0 && gone["fraud"] == 0 && gone["alerts"] == 0)
    }
}
