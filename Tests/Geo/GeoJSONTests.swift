import Geo
import Testing

@Suite struct GeoJSONTests {
    @Test("What is written is read again, properties included")
    func roundTrip() throws {
        let polygon = try Polygon(rings: [Rings.square, Rings.hole])
        let collection = GeoJSON.FeatureCollection(features: [
            .init(
                id: "north", geometry: .polygon(polygon), properties: ["name": .string("North"), "level": .number(2), "open": .bool(true)]),
            .init(geometry: .multiPolygon(try MultiPolygon([polygon]))),
            .init(
                geometry: .point(Position(latitude: 1.5, longitude: -2)),
                properties: ["tags": .array([.null, .object(["a": .number(1)])])]),
            .init(geometry: nil),
        ])
        #expect(try GeoJSON.read(GeoJSON.write(collection)) == collection)
    }

    @Test("A single feature and a bare geometry are collections of one")
    func singles() throws {
        let document = #"{"type":"Feature","id":7,"geometry":{"type":"Point","coordinates":[77.2,28.6,210]},"properties":null}"#
        let feature = try GeoJSON.read(Array(document.utf8))
        #expect(feature.features.first?.id == "7")
        #expect(feature.features.first?.geometry == .point(Position(latitude: 28.6, longitude: 77.2)))
        #expect(try GeoJSON.read(Array(#"{"type":"LineString","coordinates":[[0,0],[1,1]]}"#.utf8)).features.count == 1)
    }

    @Test("A document at fault is refused with the place and the reason", arguments: [
        (#"{"type":"Feature"}"#, nil),
        (#"{"type":"Topology"}"#, #""Topology" is not a geometry read here"#),
        (#"{"type":"Point","coordinates":[0,91]}"#, "[0.0, 91.0] is not a longitude and latitude on the globe; they look swapped, the longitude comes first"),
        (#"{"type":"Point","coordinates":[200,91]}"#, "[200.0, 91.0] is not a longitude and latitude on the globe"),
        (
            #"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":null},"#
                + #"{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,"0"]]]}}]}"#,
            "feature 2, ring 1, position 2: is not a longitude and a latitude in numbers"
        ),
        (
            #"{"type":"MultiPolygon","coordinates":[[[[40.7,-120]]]]}"#,
            "polygon 1, ring 1, position 1: [40.7, -120.0] is not a longitude and latitude on the globe; they look swapped, the longitude comes first"
        ),
        (#"{"type":"Polygon","coordinates":"[]"}"#, "coordinates: holds a value of a kind that GeoJSON has not there"),
        (#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#, "ring 1: is not closed: its first and last positions differ"),
        ("{", ""), ("", ""), ("[]", ""),
    ] as [(String, String?)])
    func faults(document: String, reason: String?) {
        let read = Result { try GeoJSON.read(Array(document.utf8)) }
        guard let reason else { return #expect((try? read.get().features.first?.geometry) == .some(nil)) }
        guard case .failure(let error as GeometryError) = read else { return #expect(Bool(false), "read \(document.prefix(40))") }
        #expect(error.reason.hasSuffix(reason))
    }

    @Test("A position at fault is named once")
    func positionAtFault() {
        let document = #"{"type":"Polygon","coordinates":[[[0,0],[1,91]]]}"#
        let error = #expect(throws: GeometryError.self) { try GeoJSON.read(Array(document.utf8)) }
        #expect(error?.reason.hasPrefix("ring 1, position 2: [1.0, 91.0] is not") == true)
    }

    @Test("A document nested ten thousand deep is refused, not followed")
    func depth() {
        #expect(throws: GeometryError.self) { try GeoJSON.read(Array(String(repeating: "[", count: 10_000).utf8)) }
    }
}
