import Geo
import SeededRandom
import Testing

@Suite struct TileTests {
    @Test("A quadkey is the published one for Bing's example tile (3, 5) at zoom 3")
    func publishedQuadkey() throws {
        let tile = try #require(Tile(zoom: 3, x: 3, y: 5))
        #expect(tile.quadkey == "213")
        #expect(Tile(quadkey: "213") == tile)
        #expect(tile.code == 0b10_01_11)
    }

    @Test("A city lies in the tile that web maps show it in", arguments: [
        (28.6139, 77.2090, 12, 2926, 1707), (40.7128, -74.0060, 10, 301, 385), (-33.8688, 151.2093, 8, 235, 153),
    ])
    func knownTiles(latitude: Double, longitude: Double, zoom: Int, x: Int, y: Int) {
        let tile = Tile(containing: Position(latitude: latitude, longitude: longitude), zoom: zoom)
        #expect(tile == Tile(zoom: zoom, x: x, y: y))
        #expect(tile.bounds.contains(Position(latitude: latitude, longitude: longitude)))
    }

    @Test("Numbers that name no tile are refused", arguments: [(-1, 0, 0), (31, 0, 0), (2, 4, 0), (2, 0, 4), (2, -1, 0)])
    func outOfRange(zoom: Int, x: Int, y: Int) {
        #expect(Tile(zoom: zoom, x: x, y: y) == nil)
    }

    @Test("Code, quadkey and x/y lead to the same tile at every zoom")
    func roundTrip() throws {
        var generator = SplitMix64(seed: 7)
        for zoom in 0...Tile.maximumZoom {
            let tile = try #require(Tile(
                zoom: zoom, x: .random(in: 0..<(1 << zoom), using: &generator), y: .random(in: 0..<(1 << zoom), using: &generator)))
            #expect(Tile(zoom: zoom, code: tile.code) == tile)
            #expect(Tile(quadkey: tile.quadkey) == tile)
            #expect(Tile(containing: tile.centre, zoom: zoom) == tile)
        }
    }

    @Test("A descendant's code lies in its ancestor's range, a stranger's does not")
    func ranges() throws {
        let place = Position(latitude: 28.6, longitude: 77.2)
        let cell = Tile(containing: place, zoom: 17)
        let tile = try #require(cell.ancestor(zoom: 9))
        #expect(tile.codes(atZoom: 17).contains(cell.code))
        #expect(tile.codes(atZoom: 17).count == 1 << 16)
        #expect(!tile.codes(atZoom: 17).contains(Tile(containing: Position(latitude: -28, longitude: 77), zoom: 17).code))
        #expect(tile.codes(atZoom: 4) == (tile.code >> 10)..<((tile.code >> 10) + 1))
    }

    @Test("Projecting and back gives the position again")
    func projection() {
        for latitude in stride(from: -85.0, through: 85, by: 8.5) {
            for longitude in stride(from: -180.0, through: 180, by: 22.5) {
                let back = WebMercator.unproject(WebMercator.project(Position(latitude: latitude, longitude: longitude)))
                #expect(abs(back.latitude - latitude) < 1e-9 && abs(back.longitude - longitude) < 1e-9)
            }
        }
        #expect(WebMercator.project(Position(latitude: 90, longitude: 0)).y < 1e-9)
    }
}
