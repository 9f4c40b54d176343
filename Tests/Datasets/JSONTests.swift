import Datasets
import Geo
import Records
import Testing

@Suite struct JSONTests {
    let folder = try! TemporaryFolder()

    @Test func readsObjectsLineByLine() throws {
        let text = #"""
            {"id": "a", "x": [1, {"id": "no"}]}

            {"x": null, "id": 7}
            {"id": "\u00fc \ud83d\ude00 \"q\" \\ \/"}
            """#
        #expect(try readAll(folder.file("a.ndjson", text), customers()).map(\.customerID) == ["a", "7", "ü 😀 \"q\" \\ /"])
    }

    @Test func aLineThatIsNoObjectCostsItself() throws {
        let text = #"""
            {"id": "a"}
            {"id": "b"
            ["c"]
            {"id": "d", "id": "e"}
            {"id": {"deep": 1}}
            {"id": "\ud83d"}
            {"id": "\u0000"}
            {"id": 01}
            {"id": "f"} x
            {"id": tru}
            {"id": "g"}
            """#
        let items = try readAll(folder.file("a.ndjson", text), customers(format: "format: {type: ndjson}"))
        #expect(items.map(\.customerID) == ["a", nil, nil, nil, nil, nil, nil, nil, nil, nil, "g"])
        let reasons = items.compactMap { $0.rejections.first?.reason }
        #expect(reasons[0] == "is not whole: the JSON ends too soon")
        #expect(reasons[1] == "is not a JSON object")
        #expect(reasons[2] == "is given twice")
        #expect(reasons[3] == "is an object or a list where one value was expected")
        #expect(items[3].rejections[0].column == "id")
    }

    @Test func aFieldOfAnotherTypeIsOneFault() throws {
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: INR}}
                """, name: "test")
        let text = #"""
            {"id": {"n": 1}, "at": [2026], "who": true, "sum": "1"}
            {"id": 7, "at": "2023-02-01T10:00:00Z", "who": "c", "sum": 1.5}
            """#
        let items = try readAll(folder.file("a.ndjson", text), mapping)
        #expect(items[0].rejections.map(\.column) == ["id", "at", "who"])
        #expect(items[0].rejections.map(\.reason) == [
            "is an object or a list where one value was expected", "is an object or a list where one value was expected",
            "is true or false where a name was expected",
        ])
        #expect(items[1].rejections.isEmpty)
    }

    @Test func readsAListAndPathsIntoIt() throws {
        let mapping = try Mapping(
            parsing: """
                record: terminals
                format: {records: features}
                fields:
                  terminal_id: properties.ref
                  kind: {constant: atm}
                  location.longitude: geometry.coordinates.0
                  location.latitude: /geometry/coordinates/1
                """, name: "geojson")
        let text = #"""
            {"type": "FeatureCollection", "meta": {"a": ["]", "}"]}, "features": [
              {"type": "Feature", "properties": {"ref": "x1"}, "geometry": {"type": "Point", "coordinates": [77.2, 28.6]}} ,
              {"properties": {"ref": "x2"}, "geometry": {"coordinates": [77.25, 91]}},
              {"properties": {"ref": "x3"}, "geometry": null}
            ], "after": 1}
            """#
        let items = try readAll(folder.file("a.json", text), mapping)
        #expect(
            items[0].outcome
                == .record(.terminal(Terminal(terminalID: "x1", kind: .atm, location: Coordinate(latitude: 28.6, longitude: 77.2)))))
        #expect(items[1].rejections.map(\.field) == ["terminal.location.latitude"])
        #expect(items[1].rejections[0].value == "91")
        #expect(items[2].rejections.map(\.reason) == ["is missing"])
    }

    @Test func readsAreasOfGeoJSONAsJurisdictions() throws {
        let square = "[[77.0, 28.0], [77.1, 28.0], [77.1, 28.1], [77.0, 28.1], [77.0, 28.0]]"
        let isle = "[[77.2, 28.0], [77.3, 28.0], [77.3, 28.1], [77.2, 28.0]]"
        let text = """
            {"type": "FeatureCollection", "features": [
              {"type": "Feature", "id": "north", "properties": {"name": "North"}, "geometry": {"type": "Polygon", "coordinates": [\(square)]}},
              {"id": 7, "properties": {"name": "Isles"}, "geometry": {"type": "MultiPolygon", "coordinates": [[\(square)], [\(isle)]]}},
              {"id": "p", "properties": {"name": "Point"}, "geometry": {"type": "Point", "coordinates": [77.0, 28.0]}},
              {"id": "n", "properties": {"name": "None"}, "geometry": null},
              {"id": "open", "properties": {"name": "Line"}, "geometry": {"type": "Polygon", "coordinates": [[[77.0, 28.0], [77.1, 28.0]]]}},
              {"id": "out", "properties": {"name": "Hole"}, "geometry": {"type": "Polygon", "coordinates": [\(square), \(isle)]}}
            ]}
            """
        let items = try readAll(folder.file("areas.geojson", text), Mapping.load("simulated-jurisdictions"))
        guard case .record(.jurisdiction(let north)) = items[0].outcome, case .record(.jurisdiction(let isles)) = items[1].outcome else {
            Issue.record("\(items[0]), \(items[1])")
            return
        }
        #expect(north.id == "north" && north.name == "North" && north.rings.count == 1)
        #expect(north.rings[0][1] == Coordinate(latitude: 28, longitude: 77.1))
        #expect(isles.id == "7")
        #expect(isles.rings.count == 2)
        #expect(try isles.area().polygons.count == 2)
        #expect(items[2...].map { $0.rejections.map(\.field) } == Array(repeating: ["jurisdiction.rings"], count: 4))
        #expect(items[5].rejections[0].reason == "ring 2, a hole, is outside of ring 1")
        #expect(items[3].rejections[0].reason == "is missing")
        #expect(items[2].content?.id == "p")
    }

    @Test func readsAListAcrossChunksAndRefusesAValueThatIsTooLong() throws {
        var text = "[\n"
        for index in 0..<20_000 { text += "  {\"id\": \"row \(index)\", \"pad\": \"[{\\\"\"},\n" }
        text += "{\"id\": \"long\", \"pad\": \"" + String(repeating: "p", count: 3 << 20) + "\"},\n{\"id\": \"last\"}]\n"
        let items = try readAll(folder.file("a.json", text), customers())
        #expect(items.count == 20_002)
        #expect(items[19_999].customerID == "row 19999")
        #expect(items[20_000].rejections[0].reason == "is longer than 1048576 bytes")
        #expect(items[20_000].content?.values.map(\.text) == ["****"], "what names a person is masked")
        #expect(items[20_001].customerID == "last")
    }

    @Test func anAreaThatIsTooLongIsRefusedByItsPlaceAndItsID() throws {
        let ring = (0..<80_000).map { "[77.\($0), 28.\($0)]" }.joined(separator: ",")
        func feature(_ id: String, _ name: String, _ ring: String, isLast: Bool) -> String {
            let geometry = "\"geometry\": {\"type\": \"Polygon\", \"coordinates\": [[\(ring)]]}"
            let names = "\"id\": \(id), \"properties\": {\"name\": \"\(name)\", \"tags\": [\"]\", {\"id\": 1}]}"
            return "{\"type\": \"Feature\", \(isLast ? "\(geometry), \(names)" : "\(names), \(geometry)")}"
        }
        let small = feature("\"south\"", "South", "[77,28],[77.1,28],[77.1,28.1],[77,28]", isLast: true)
        let features = [small, feature("\"D-7\"", "Old \\\"[\\\" Town", ring, isLast: true), feature("8", "New Town", ring, isLast: false)]
        let collection = "{\"type\": \"FeatureCollection\", \"bbox\": [\(ring)], \"features\": [\n\(features.joined(separator: ",\n"))]}"
        var lines = ""
        let path = try folder.file("areas.geojson", collection)
        try JSONPage.forEachRecord(in: path, records: ["features"], name: "page") { lines += String(decoding: $0, as: UTF8.self) + "\n" }
        let mapping = try Mapping.load("simulated-jurisdictions")
        var byLine = mapping
        byLine.format = FileFormat(kind: .ndjson)
        let files = [
            (path, mapping), (try folder.file("areas.ndjson", features.joined(separator: "\n")), byLine), (try folder.file("pages.ndjson", lines), byLine),
        ]
        for (path, mapping) in files {
            let items = try readAll(path, mapping)
            guard case .record(.jurisdiction(let south)) = items[0].outcome else { throw DatasetError(.corrupt, "\(items[0].outcome)") }
            #expect(south.id == "south" && items.count == 3)
            #expect(items[1...].map { $0.rejections.map(\.reason) } == Array(repeating: ["is longer than 1048576 bytes"], count: 2))
            #expect(items.map(\.position.row) == [1, 2, 3] && items[1...].map { $0.content?.id } == ["D-7", "8"], "\(path)")
            #expect(items[1].content?.values.map(\.text) == ["D-7", "Old \"[\" Town"])
        }
    }

    @Test func goesOnWhereAnEarlierReaderStopped() throws {
        let file = try folder.file("a.json", #"[{"id": "a"}, {"id": "b"}, 5, {"id": "c"}]"#)
        let all = try readAll(file, customers())
        #expect(all.map(\.customerID) == ["a", "b", nil, "c"])
        for (index, item) in all.enumerated() {
            let reader = try DatasetReader(file: file, mapping: customers())
            try reader.skip(to: item.position)
            var rest: [DatasetItem] = []
            while let item = try reader.next() { rest.append(item) }
            #expect(rest == Array(all[index...]))
        }
    }

    @Test func aListThatIsCutOrBrokenIsAnErrorAfterTheRowsBeforeIt() throws {
        for (text, code) in [
            (#"[{"id": "a"}, {"id": "b""#, DatasetError.Code.truncated), (#"[{"id": "a"} {"id": "b"}]"#, .corrupt), (#"[{"id": "a"},]"#, .corrupt),
            (#"[{"id": "a"}] x"#, .corrupt), (#"[{"id": "a"}"#, .truncated),
        ] {
            let reader = try DatasetReader(file: folder.file("a.json", text), mapping: customers())
            #expect(try reader.next()?.customerID == "a", "\(text)")
            let error = #expect(throws: DatasetError.self, "\(text)") { while try reader.next() != nil {} }
            #expect(error?.code == code, "\(text)")
        }
        #expect(try readAll(folder.file("e.json", "[ ]"), customers()).isEmpty)
    }

    @Test func refusesNestingThatIsTooDeep() throws {
        let text = "{\"id\": " + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}\n{\"id\": \"b\"}\n"
        #expect(try readAll(folder.file("a.ndjson", text), customers()).map(\.customerID) == [nil, "b"])
    }
}
