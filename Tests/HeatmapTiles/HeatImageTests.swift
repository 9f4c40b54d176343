import Geo
import Testing

@testable import HeatmapTiles

@Suite struct HeatImageTests {
    static func draw(_ cube: Cube, zoom: Int, pixelsPerTile: Int, x: Int, y: Int, width: Int, height: Int) -> HeatImage {
        let raster = HeatImage.Raster(zoom: zoom, pixelsPerTile: pixelsPerTile)
        let prepared = CubeFilter(layer: .risk).prepared(kinds: cube.kinds, cells: nil)
        let scale = HeatScale(hottest: cube.hottest(.risk, prepared)[raster.cellZoom])
        return HeatImage(raster, x: x, y: y, width: width, height: height, palette: .dark, scale: scale) { x, y, columns, rows in
            cube.heat(.risk, zoom: raster.cellZoom, x: x, y: y, columns: columns, rows: rows, prepared)
        }
    }

    static let rasters = [(5, 256), (9, 256), (11, 512), (13, 256), (15, 256), (17, 256)]

    @Test("Four tiles put together are the picture drawn in one piece: no seam", arguments: rasters)
    func seams(zoom: Int, pixels: Int) {
        let cube = Sample.cube(of: Sample.events(3000, seed: 31))
        let corner = Tile(containing: Sample.centre, zoom: zoom)
        func draw(_ x: Int, _ y: Int, tiles: Int) -> HeatImage {
            Self.draw(
                cube, zoom: zoom, pixelsPerTile: pixels, x: (corner.x + x) * pixels, y: (corner.y + y) * pixels, width: tiles * pixels,
                height: tiles * pixels)
        }
        let whole = draw(0, 0, tiles: 2)
        #expect(!whole.isTransparent)
        for (column, row) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let tile = draw(column, row, tiles: 1)
            for line in 0..<pixels {
                let start = (row * pixels + line) * 2 * pixels + column * pixels
                let bytes = pixels
                #expect(whole.pixels[start..<(start + bytes)].elementsEqual(tile.pixels[(line * bytes)..<((line + 1) * bytes)]))
            }
        }
    }

    @Test("Pixels on both sides of a tile's edge differ no more than neighbours inside a tile do")
    func edges() {
        let cube = Sample.cube(of: Sample.events(3000, seed: 32))
        let corner = Tile(containing: Sample.centre, zoom: 11)
        let left = Self.draw(cube, zoom: 11, pixelsPerTile: 256, x: corner.x * 256, y: corner.y * 256, width: 256, height: 256)
        let right = Self.draw(cube, zoom: 11, pixelsPerTile: 256, x: (corner.x + 1) * 256, y: corner.y * 256, width: 256, height: 256)
        func alpha(_ image: HeatImage, _ x: Int, _ y: Int) -> Int { Int(image.pixels[y * 256 + x]) }
        let inside = (0..<256).flatMap { y in (1..<256).map { abs(alpha(left, $0, y) - alpha(left, $0 - 1, y)) } }.max() ?? 0
        let across = (0..<256).map { abs(alpha(left, 255, $0) - alpha(right, 0, $0)) }.max() ?? 0
        #expect(across <= inside)
    }

    @Test("Where nothing happened the picture is transparent")
    func transparent() {
        let image = Self.draw(Cube(), zoom: 9, pixelsPerTile: 256, x: 0, y: 0, width: 256, height: 256)
        #expect(image.isTransparent && image.pixels.count == 256 * 256)
    }

    @Test("Palettes run evenly from dark to light, or the other way", arguments: Palette.allCases)
    func palettes(palette: Palette) {
        let lightness = palette.stops.map { stop in
            0.2126 * Double(stop >> 16 & 0xFF) + 0.7152 * Double(stop >> 8 & 0xFF) + 0.0722 * Double(stop & 0xFF)
        }
        #expect(lightness == (palette == .dark || palette == .darkCold ? lightness.sorted() : lightness.sorted(by: >)))
        #expect(palette.table().count == 4 * Palette.steps && palette.table()[3] == 0)
    }

    @Test("The page's legend and cells have the colours of the pictures", arguments: [Palette.dark, .darkCold])
    func pageHasTheSameColours(palette: Palette) {
        let colours = palette.stops.map { stop in
            let digits = String(stop, radix: 16)
            return "'#" + String(repeating: "0", count: 6 - digits.count) + digits + "'"
        }
        #expect(String(decoding: PackageResources.palette_js, as: UTF8.self).contains("[" + colours.joined(separator: ", ") + "]"))
    }

    @Test("A PNG has the signature, the size and the end that the format asks for")
    func png() throws {
        let cube = Sample.cube(of: Sample.events(500, seed: 33))
        let tile = Tile(containing: Sample.centre, zoom: 10)
        let image = Self.draw(cube, zoom: 10, pixelsPerTile: 512, x: tile.x * 512, y: tile.y * 512, width: 512, height: 512)
        let bytes = try #require(PNGEncoder.encode(image))
        #expect(Array(bytes.prefix(8)) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        #expect(Array(bytes[16..<26]) == [0, 0, 2, 0, 0, 0, 2, 0, 8, 3])
        #expect(Array(bytes.suffix(8).prefix(4)) == Array("IEND".utf8))
    }
}
