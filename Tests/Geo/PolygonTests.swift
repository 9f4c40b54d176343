import Geo
import SeededRandom
import Testing

/// Rings by longitude and latitude.
enum Rings {
    static func ring(_ points: [(Double, Double)]) -> [Position] { points.map { Position(latitude: $0.1, longitude: $0.0) } }

    static let square = ring([(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)])
    static let hole = ring([(4, 4), (6, 4), (6, 6), (4, 6), (4, 4)])
    static let island = ring([(4.5, 4.5), (5.5, 4.5), (5, 5.5), (4.5, 4.5)])
    static let notch = ring([(0, 4), (2, 4), (2, 6), (0, 6), (0, 4)])
    static let neighbour = ring([(10, 0), (20, 0), (20, 10), (10, 10), (10, 0)])
    static let apart = ring([(20, 0), (30, 0), (30, 10), (20, 10), (20, 0)])
    static let acrossTheAntimeridian = ring([(179, 0), (-179, 0), (-179, 1), (179, 1), (179, 0)])
    static let world = ring([(-180, -90), (180, -90), (180, 90), (-180, 90), (-180, -90)])
    static let across = ring([(5, 5), (15, 5), (15, 7), (5, 7), (5, 5)])
}

@Suite struct PolygonTests {
    @Test("A hole is outside, the rest inside")
    func hole() throws {
        let polygon = try Polygon(rings: [Rings.square, Rings.hole])
        #expect(polygon.contains(Position(latitude: 2, longitude: 2)))
        #expect(!polygon.contains(Position(latitude: 5, longitude: 5)))
        #expect(!polygon.contains(Position(latitude: 5, longitude: 11)))
        #expect(polygon.centroid == Position(latitude: 5, longitude: 5))
    }

    @Test("Neighbours that share an edge share no position and miss none")
    func sharedEdges() throws {
        let west = try Polygon(box: BoundingBox(west: 0, south: 0, east: 5, north: 10))
        let east = try Polygon(box: BoundingBox(west: 5, south: 0, east: 10, north: 10))
        for latitude in stride(from: 0.5, to: 10, by: 0.5) {
            for longitude in stride(from: 0.5, to: 10, by: 0.5) {
                let position = Position(latitude: latitude, longitude: longitude)
                #expect(west.contains(position) != east.contains(position))
            }
        }
    }

    @Test("A ring at fault is refused with its number and the reason", arguments: [
        ([(0, 0), (1, 0), (0, 0)], "ring 1: has 3 positions; a ring needs at least 4"),
        ([(0, 0), (1, 0), (1, 1), (0, 1)], "ring 1: is not closed: its first and last positions differ"),
        ([(0, 0), (181, 0), (1, 1), (0, 0)], "ring 1: position 2 is off the globe"),
        ([(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)], "ring 1: edges 1 and 3 touch or cross"),
        ([(0, 0), (4, 0), (2, 0), (2, 2), (0, 0)], "ring 1: edges 1 and 2 touch or cross"),
    ] as [([(Double, Double)], String)])
    func faults(points: [(Double, Double)], reason: String) {
        #expect(throws: GeometryError(reason: reason)) { try Polygon(rings: [Rings.ring(points)]) }
    }

    @Test("A round outline of many positions is accepted, and holds what brute force says it holds")
    func manyPositions() throws {
        let centre = Position(latitude: 20, longitude: 30)
        var outline = (0..<5000).map { centre.moved(metres: 40_000, bearingDegrees: Double($0) * 360 / 5000) }
        outline.append(outline[0])
        let polygon = try Polygon(rings: [outline])
        var generator = SplitMix64(seed: 3)
        for _ in 0..<500 {
            let metres = Double.random(in: 0...80_000, using: &generator)
            let place = centre.moved(metres: metres, bearingDegrees: .random(in: 0..<360, using: &generator))
            if abs(metres - 40_000) > 50 { #expect(polygon.contains(place) == (metres < 40_000)) }
        }
    }

    @Test("Rings in any order, closed or open, become parts with holes, and islands in those")
    func evenOdd() throws {
        let area = try MultiPolygon(evenOdd: [Rings.island, Rings.hole.dropLast(), Rings.apart, Rings.square])
        #expect(area.polygons.map(\.rings) == [[Rings.island], [Rings.apart], [Rings.square, Rings.hole]])
        let inside = [(5.0, 5.0), (25, 5), (2, 2)], outside = [(4.2, 4.2), (15, 5)]
        #expect(inside.allSatisfy { area.contains(Position(latitude: $0.1, longitude: $0.0)) })
        #expect(!outside.contains { area.contains(Position(latitude: $0.1, longitude: $0.0)) })
        try area.checkRings()
    }

    @Test("Parts that share a border are two parts, and a hole may touch what it is in")
    func touchingRings() throws {
        let neighbours = try MultiPolygon(evenOdd: [Rings.square, Rings.neighbour])
        #expect(neighbours.polygons.count == 2)
        try neighbours.checkRings()
        let notched = try MultiPolygon(evenOdd: [Rings.square, Rings.notch])
        #expect(notched.polygons.map(\.rings.count) == [2])
        try notched.checkRings()
        try MultiPolygon(evenOdd: [Rings.world]).checkRings()
        try MultiPolygon([Polygon(rings: [Rings.square, Rings.hole]), Polygon(rings: [Rings.island])]).checkRings()
    }

    @Test("Rings that cross are kept by the even-odd rule, also where each begins in the other, and are still refused of senders")
    func crossingRings() throws {
        let one = Rings.ring([(10, 10), (0, 10), (0, 0), (10, 0), (10, 10)]), other = Rings.ring([(5, 5), (15, 5), (15, 15), (5, 15), (5, 5)])
        let area = try MultiPolygon(evenOdd: [one, other])
        #expect(area.polygons.map(\.rings) == [[one, other]])
        #expect(area.contains(Position(latitude: 2, longitude: 2)) && !area.contains(Position(latitude: 7, longitude: 7)))
        #expect(throws: GeometryError(reason: "rings 1 and 2 cross")) { try area.checkRings() }
    }

    @Test("A position given twice in a row counts once")
    func repeatedPositions() throws {
        let ring = Rings.ring([(0, 0), (0, 0), (10, 0), (10, 10), (10, 10), (0, 10), (0, 0), (0, 0)])
        #expect(try Polygon(rings: [ring]).rings == [Rings.square])
    }

    @Test("Rings that cross or come twice and holes that are none in their polygon are named", arguments: [
        ([[Rings.square, Rings.across]], "rings 1 and 2 cross"), ([[Rings.square, Rings.hole], [Rings.across]], "rings 2 and 3 cross"),
        ([[Rings.square], [Rings.apart], [Rings.square]], "rings 1 and 3 are the same"),
        ([[Rings.apart], [Rings.square, Rings.hole, Rings.neighbour]], "ring 4, a hole, is outside of ring 2"),
        ([[Rings.square], [Rings.hole]], "ring 2 is inside of another part"),
        ([[Rings.square, Rings.island, Rings.hole]], "ring 2, a hole, is inside of another, ring 3"),
        ([[Rings.acrossTheAntimeridian]], "ring 1: an edge spans more than 180 degrees; cut the area in two where it crosses the antimeridian"),
    ])
    func ringsAtFault(polygons: [[[Position]]], reason: String) throws {
        let area = try MultiPolygon(polygons.map { try Polygon(rings: $0) })
        #expect(throws: GeometryError(reason: reason)) { try area.checkRings() }
    }
}
