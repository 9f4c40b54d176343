import Geo
import SeededRandom
import Testing

@testable import HeatmapTiles

/// Reads just enough of a vector tile to check one, straight from the specification.
struct DecodedTile {
    struct Feature {
        var id: UInt64?
        var type: UInt64 = 0
        var geometry: [UInt64] = []
        var attributes: [String: Double] = [:]
        var texts: [String: String] = [:]
    }

    var layers: [String: [Feature]] = [:]

    struct Malformed: Error {}

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func varint() throws -> UInt64 {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = bytes.popFirst() else { throw Malformed() }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            throw Malformed()
        }

        mutating func block() throws -> ArraySlice<UInt8> {
            let length = Int(try varint())
            guard length <= bytes.count else { throw Malformed() }
            defer { bytes = bytes.dropFirst(length) }
            return bytes.prefix(length)
        }

        mutating func field() throws -> (number: UInt64, value: UInt64, block: ArraySlice<UInt8>)? {
            guard !bytes.isEmpty else { return nil }
            let key = try varint()
            switch key & 7 {
            case 0: return (key >> 3, try varint(), [])
            case 2: return (key >> 3, 0, try block())
            case 5:
                guard bytes.count >= 4 else { throw Malformed() }
                defer { bytes = bytes.dropFirst(4) }
                return (key >> 3, bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt64($1) }, [])
            default: throw Malformed()
            }
        }

        mutating func packed() throws -> [UInt64] {
            var values: [UInt64] = []
            while !bytes.isEmpty { values.append(try varint()) }
            return values
        }
    }

    init(_ bytes: [UInt8]) throws {
        var tile = Reader(bytes: bytes[...])
        while let layer = try tile.field() {
            guard layer.number == 3 else { throw Malformed() }
            var reader = Reader(bytes: layer.block)
            var name = "", keys: [String] = [], values: [(Double?, String?)] = [], raw: [ArraySlice<UInt8>] = [], version: UInt64 = 0
            while let field = try reader.field() {
                switch field.number {
                case 1: name = String(decoding: field.block, as: UTF8.self)
                case 2: raw.append(field.block)
                case 3: keys.append(String(decoding: field.block, as: UTF8.self))
                case 4: values.append(try Self.value(field.block))
                case 5: guard field.value == 4096 else { throw Malformed() }
                case 15: version = field.value
                default: throw Malformed()
                }
            }
            guard version == 2, layers[name] == nil else { throw Malformed() }
            layers[name] = try raw.map { try Self.feature($0, keys: keys, values: values) }
        }
    }

    private static func value(_ block: ArraySlice<UInt8>) throws -> (Double?, String?) {
        var reader = Reader(bytes: block)
        guard let field = try reader.field() else { throw Malformed() }
        switch field.number {
        case 1: return (nil, String(decoding: field.block, as: UTF8.self))
        case 2: return (Double(Float(bitPattern: UInt32(field.value))), nil)
        default: return (Double(field.value), nil)
        }
    }

    private static func feature(_ block: ArraySlice<UInt8>, keys: [String], values: [(Double?, String?)]) throws -> Feature {
        var feature = Feature()
        var reader = Reader(bytes: block)
        while let field = try reader.field() {
            var packed = Reader(bytes: field.block)
            switch field.number {
            case 1: feature.id = field.value
            case 2:
                let tags = try packed.packed()
                for index in stride(from: 0, to: tags.count, by: 2) {
                    let (number, text) = values[Int(tags[index + 1])]
                    feature.attributes[keys[Int(tags[index])]] = number
                    feature.texts[keys[Int(tags[index])]] = text
                }
            case 3: feature.type = field.value
            case 4: feature.geometry = try packed.packed()
            default: throw Malformed()
            }
        }
        return feature
    }
}

@Suite struct VectorTileTests {
    @Test("The specification's example polygon is encoded to the specification's numbers")
    func specificationExample() throws {
        var layer = VectorTile.Layer(name: "example")
        let name = layer.key("name"), big = layer.key("big")
        layer.put(name, .string("a"))
        layer.put(big, .bool(true))
        layer.addPolygon(id: 7, [[.init(x: 3, y: 6), .init(x: 8, y: 12), .init(x: 20, y: 34)]])
        layer.put(name, .string("b"))
        layer.addPoint(id: nil, .init(x: 25, y: 17))
        var tile = VectorTile()
        tile.add(layer)
        let decoded = try DecodedTile(tile.bytes)
        let features = try #require(decoded.layers["example"])
        #expect(features[0].geometry == [9, 6, 12, 18, 10, 12, 24, 44, 15])
        #expect(features[0].id == 7 && features[0].type == 3 && features[0].texts["name"] == "a" && features[0].attributes["big"] == 1)
        #expect(features[1].geometry == [9, 50, 34])
        #expect(features[1].id == nil && features[1].type == 1)
    }

    @Test("A tile without events is empty")
    func empty() {
        let tile = Tile(containing: Sample.centre, zoom: 9)
        #expect(CellTile.encode([], layer: .risk, tile: tile, geometry: .points, scale: HeatScale(hottest: 0)).isEmpty)
    }

    @Test("Decoded counts equal brute force at every zoom, as points and as cells", arguments: CellTile.Geometry.allCases)
    func countsSurvive(geometry: CellTile.Geometry) throws {
        let events = Sample.events(5000, seed: 21)
        let cube = Sample.cube(of: events)
        var generator = SplitMix64(seed: 22)
        for zoom in 0...CellTile.maximumZoom {
            let filter = CubeTests.randomFilter(&generator)
            let expected = CubeTests.bruteForce(events, filter).values.reduce(0) { $0 + $1.count }
            let prepared = filter.prepared(kinds: cube.kinds, cells: nil)
            let cellZoom = CellTile.cellZoom(forTileZoom: zoom)
            let scale = HeatScale(hottest: cube.hottest(filter.layer, prepared)[cellZoom])
            var found = 0
            for code in Set(cube.codes.map { $0 >> UInt64(2 * (Cube.cellZoom - zoom)) }) {
                let tile = try #require(Tile(zoom: zoom, code: code))
                let cells = cube.cells(in: tile, zoom: cellZoom, prepared)
                let decoded = try DecodedTile(CellTile.encode(cells, layer: filter.layer, tile: tile, geometry: geometry, scale: scale))
                for feature in decoded.layers[filter.layer.rawValue] ?? [] {
                    found += Int(feature.attributes["count"] ?? 0)
                    let heat = feature.attributes["heat"] ?? -1
                    #expect((0...1).contains(heat))
                    #expect((0...1).contains(feature.attributes["risk"] ?? -1))
                    try Self.checkPlace(feature, tile: tile, cellZoom: cellZoom, geometry: geometry)
                }
            }
            #expect(found == expected)
        }
    }

    /// The first point of a feature lies where its cell does.
    static func checkPlace(_ feature: DecodedTile.Feature, tile: Tile, cellZoom: Int, geometry: CellTile.Geometry) throws {
        let id = try #require(feature.id)
        let cell = try #require(Tile(zoom: cellZoom, code: id))
        func signed(_ value: UInt64) -> Int { Int(value >> 1) ^ -Int(value & 1) }
        let side = Double(1 << tile.zoom)
        let x = (Double(tile.x) + Double(signed(feature.geometry[1])) / 4096) / side
        let y = (Double(tile.y) + Double(signed(feature.geometry[2])) / 4096) / side
        let place = geometry == .points ? WebMercator.project(cell.centre) : cell.origin
        #expect(abs(place.x - x) < 1e-9 && abs(place.y - y) < 1e-9)
    }

    @Test("A scale grows in steps and never falls below the hottest value")
    func scales() {
        for hottest in [0, 0.0001, 0.4, 1, 7, 7.9, 8, 8.1, 1_000_000.0] {
            let scale = HeatScale(hottest: hottest)
            #expect(scale.full >= hottest && (scale.full <= hottest * 1.5 || hottest < 0.001))
            #expect(scale.share(of: hottest) <= 1 && scale.share(of: 0) == 0)
        }
        #expect(HeatScale(hottest: 100) == HeatScale(hottest: 110))
    }
}
