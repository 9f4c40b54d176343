/// One square of the world's quadtree in Web Mercator: zoom 0 is the whole world, each zoom cuts a tile in four;
/// x counts from the west, y from the north (XYZ, as web maps and not as TMS number them).
///
/// A tile is also known by its quadkey, the path from the root with two bits a level: `code`. The descendants of a tile at any
/// zoom have consecutive codes, so that "everything inside this tile" is a range of codes.
public struct Tile: Sendable, Hashable {
    /// The deepest zoom there is: codes fit in 60 bits.
    public static let maximumZoom = 30

    public let zoom: Int
    public let x: Int
    public let y: Int

    /// Nil when the numbers do not name a tile.
    public init?(zoom: Int, x: Int, y: Int) {
        guard (0...Self.maximumZoom).contains(zoom), (0..<(1 << zoom)).contains(x), (0..<(1 << zoom)).contains(y) else { return nil }
        self.init(uncheckedZoom: zoom, x: x, y: y)
    }

    /// The tile with this quadkey code; nil when the code does not fit the zoom.
    public init?(zoom: Int, code: UInt64) {
        guard (0...Self.maximumZoom).contains(zoom), code >> UInt64(2 * zoom) == 0 else { return nil }
        self.init(uncheckedZoom: zoom, x: Int(Self.compact(code)), y: Int(Self.compact(code >> 1)))
    }

    /// The tile at `zoom` (0…30) that holds the position. Positions off the square are drawn to its edge.
    public init(containing position: Position, zoom: Int) {
        let zoom = max(0, min(Self.maximumZoom, zoom))
        let point = WebMercator.project(position)
        let side = 1 << zoom
        func index(_ unit: Double) -> Int {
            guard unit.isFinite else { return 0 }
            return Int(max(0, min(Double(side - 1), unit * Double(side))))
        }
        self.init(uncheckedZoom: zoom, x: index(point.x), y: index(point.y))
    }

    /// A tile from its quadkey's digits, "0231…"; nil when a character is not 0…3 or there are too many.
    public init?(quadkey: String) {
        guard quadkey.utf8.count <= Self.maximumZoom else { return nil }
        var code: UInt64 = 0
        for digit in quadkey.utf8 {
            guard (UInt8(ascii: "0")...UInt8(ascii: "3")).contains(digit) else { return nil }
            code = code << 2 | UInt64(digit - UInt8(ascii: "0"))
        }
        self.init(zoom: quadkey.utf8.count, code: code)
    }

    private init(uncheckedZoom zoom: Int, x: Int, y: Int) {
        self.zoom = zoom
        self.x = x
        self.y = y
    }

    /// The quadkey as a number: x's and y's bits interleaved, y's above x's.
    public var code: UInt64 { Self.spread(UInt64(x)) | Self.spread(UInt64(y)) << 1 }

    /// The quadkey's digits, one a zoom level; empty for the world.
    public var quadkey: String {
        let code = code
        return String(decoding: (0..<zoom).reversed().map { UInt8(ascii: "0") + UInt8(code >> UInt64(2 * $0) & 3) }, as: UTF8.self)
    }

    /// The ancestor at a zoom no deeper than this tile's own; nil when it is deeper.
    public func ancestor(zoom: Int) -> Tile? {
        guard (0...self.zoom).contains(zoom) else { return nil }
        return Tile(uncheckedZoom: zoom, x: x >> (self.zoom - zoom), y: y >> (self.zoom - zoom))
    }

    /// The codes at `zoom` of this tile's descendants; at a zoom less deep, the one code of its ancestor.
    public func codes(atZoom zoom: Int) -> Range<UInt64> {
        if zoom <= self.zoom {
            let code = code >> UInt64(2 * (self.zoom - zoom))
            return code..<(code + 1)
        }
        let shift = UInt64(2 * (zoom - self.zoom))
        return (code << shift)..<((code + 1) << shift)
    }

    /// The corner in the north-west, in the unit square.
    public var origin: WebMercator.Point {
        let side = Double(1 << zoom)
        return WebMercator.Point(x: Double(x) / side, y: Double(y) / side)
    }

    public var bounds: BoundingBox {
        let side = Double(1 << zoom)
        let northWest = WebMercator.unproject(origin)
        let southEast = WebMercator.unproject(.init(x: Double(x + 1) / side, y: Double(y + 1) / side))
        return BoundingBox(
            west: northWest.longitude, south: southEast.latitude, east: southEast.longitude, north: northWest.latitude)
    }

    /// The middle of the tile as projected.
    public var centre: Position {
        let side = Double(1 << zoom)
        return WebMercator.unproject(.init(x: (Double(x) + 0.5) / side, y: (Double(y) + 0.5) / side))
    }

    /// Puts a zero bit before each of the low 32 bits.
    private static func spread(_ value: UInt64) -> UInt64 {
        var v = value & 0xFFFF_FFFF
        v = (v | v << 16) & 0x0000_FFFF_0000_FFFF
        v = (v | v << 8) & 0x00FF_00FF_00FF_00FF
        v = (v | v << 4) & 0x0F0F_0F0F_0F0F_0F0F
        v = (v | v << 2) & 0x3333_3333_3333_3333
        v = (v | v << 1) & 0x5555_5555_5555_5555
        return v
    }

    /// Takes every second bit, from the lowest on.
    private static func compact(_ value: UInt64) -> UInt64 {
        var v = value & 0x5555_5555_5555_5555
        v = (v | v >> 1) & 0x3333_3333_3333_3333
        v = (v | v >> 2) & 0x0F0F_0F0F_0F0F_0F0F
        v = (v | v >> 4) & 0x00FF_00FF_00FF_00FF
        v = (v | v >> 8) & 0x0000_FFFF_0000_FFFF
        v = (v | v >> 16) & 0x0000_0000_FFFF_FFFF
        return v
    }
}
