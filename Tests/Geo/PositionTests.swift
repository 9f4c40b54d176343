import Geo
import Testing

@Suite struct PositionTests {
    @Test("Great-circle distances are the known ones")
    func knownDistances() {
        let delhi = Position(latitude: 28.6139, longitude: 77.2090), mumbai = Position(latitude: 19.0760, longitude: 72.8777)
        #expect(abs(delhi.distanceMetres(to: mumbai) - 1_148_000) < 2_000)
        let quarter = Position(latitude: 0, longitude: 0).distanceMetres(to: Position(latitude: 90, longitude: 0))
        #expect(abs(quarter - Earth.meanRadiusMetres * .pi / 2) < 0.001)
        #expect(haversineMetres(latitude1: 5, longitude1: 5, latitude2: 5, longitude2: 5) == 0)
        let antipodes = Position(latitude: 0, longitude: -90).distanceMetres(to: Position(latitude: 0, longitude: 90))
        #expect(abs(antipodes - Earth.meanRadiusMetres * .pi) < 0.001)
    }

    @Test("A move ends at the distance that was asked for, across the antimeridian too")
    func moves() {
        let start = Position(latitude: 51, longitude: 179.99)
        for bearing in stride(from: 0.0, to: 360, by: 30) {
            let end = start.moved(metres: 25_000, bearingDegrees: bearing)
            #expect(end.isOnGlobe)
            #expect(abs(start.distanceMetres(to: end) - 25_000) < 0.01)
        }
    }

    @Test("Places off the globe and not-a-number are told", arguments: [(91.0, 0.0), (0, 181), (.nan, 0), (0, .infinity)])
    func offGlobe(latitude: Double, longitude: Double) {
        #expect(!Position(latitude: latitude, longitude: longitude).isOnGlobe)
        #expect(Tile(containing: Position(latitude: latitude, longitude: longitude), zoom: 17).zoom == 17)
    }
}
