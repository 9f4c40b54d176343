import Foundation
import Geo

/// A heat map as pixels: every cell spreads its heat by a Gaussian kernel.
///
/// A pixel's colour depends only on where it lies in the world, never on the tile it is drawn for: tiles take in a margin of cells as wide
/// as the kernel reaches, and add up the same numbers in the same order. Neighbouring tiles join without a seam.
struct HeatImage: Sendable, Hashable {
    let width: Int
    let height: Int
    /// How hot each pixel is, as a step of the palette; row by row from the top. Zero is transparent.
    let pixels: [UInt8]
    let palette: Palette

    var isTransparent: Bool { pixels.allSatisfy { $0 == 0 } }

    /// How a zoom's cells are laid over pixels.
    struct Raster: Sendable {
        /// The zoom of the pixels: tiles at this zoom are `pixelsPerTile` wide.
        let zoom: Int
        let cellZoom: Int
        let pixelsPerCell: Int
        /// For each place of a pixel inside its cell, the weights of the cells from `-reach` to `+reach`.
        let weights: [[Float]]
        /// How many cells a kernel reaches to each side.
        let reach: Int
        /// What the kernel makes of an even field of ones.
        let fieldSum: Float

        /// - Parameter pixelsPerTile: 256 or 512.
        init(zoom: Int, pixelsPerTile: Int) {
            self.zoom = zoom
            cellZoom = CellTile.cellZoom(forTileZoom: zoom)
            pixelsPerCell = pixelsPerTile >> (cellZoom - zoom)
            // Seven pixels blur a dense city into one picture; large cells need more, or they would stand as separate dots.
            let sigma = max(7 * Double(pixelsPerTile) / 256, 0.6 * Double(pixelsPerCell)) / Double(pixelsPerCell)
            let reach = Int((3 * sigma).rounded(.up))
            self.reach = reach
            weights = (0..<pixelsPerCell).map { [pixelsPerCell] phase in
                let place = (Double(phase) + 0.5) / Double(pixelsPerCell) - 0.5
                return (-reach...reach).map { cell in
                    let distance = (Double(cell) - place) / sigma
                    return Float(max(0, exp(-distance * distance / 2) - exp(-4.5)))
                }
            }
            let line = weights[pixelsPerCell / 2].reduce(0, +)
            fieldSum = line * line
        }
    }

    /// Draws the window of pixels that begins at (`x`, `y`), counted in pixels of the raster's zoom from the world's north-west corner.
    /// `x`, `y`, `width` and `height` are whole numbers of cells.
    /// - Parameter heat: gives the heat of a window of cells at the raster's cell zoom.
    init(
        _ raster: Raster, x: Int, y: Int, width: Int, height: Int, palette: Palette, scale: HeatScale,
        heat: (_ x: Int, _ y: Int, _ columns: Int, _ rows: Int) -> Cube.HeatGrid
    ) {
        let size = raster.pixelsPerCell, reach = raster.reach
        let columns = width / size, rows = height / size
        let grid = heat(x / size - reach, y / size - reach, columns + 2 * reach, rows + 2 * reach)
        self.width = width
        self.height = height
        self.palette = palette
        var pixels = [UInt8](repeating: 0, count: width * height)
        guard grid.values.contains(where: { $0 > 0 }) else {
            self.pixels = pixels
            return
        }
        // First along the rows of cells, then down the columns of pixels.
        var wide = [Float](repeating: 0, count: grid.rows * width)
        for row in 0..<grid.rows {
            let cells = grid.values[(row * grid.columns)..<((row + 1) * grid.columns)]
            guard cells.contains(where: { $0 > 0 }) else { continue }
            wide.withUnsafeMutableBufferPointer { wide in
                cells.withUnsafeBufferPointer { cells in
                    for phase in 0..<size {
                        raster.weights[phase].withUnsafeBufferPointer { weights in
                            for column in 0..<columns {
                                var sum: Float = 0
                                for tap in 0...(2 * reach) { sum += weights[tap] * cells[column + tap] }
                                wide[row * width + column * size + phase] = sum
                            }
                        }
                    }
                }
            }
        }
        // A lone cell as hot as the scale, and a field of cells a few times cooler, both come out hot.
        let perFull = 1 / (Float(scale.full) * cbrt(raster.fieldSum))
        var line = [Float](repeating: 0, count: width)
        for row in 0..<rows {
            for phase in 0..<size {
                Self.sumColumns(of: wide, from: row, weights: raster.weights[phase], into: &line)
                let start = (row * size + phase) * width
                pixels.withUnsafeMutableBufferPointer { pixels in
                    line.withUnsafeBufferPointer { line in
                        for column in 0..<width {
                            let step = min(1, max(0, line[column] * perFull)).squareRoot() * Float(Palette.steps - 1)
                            pixels[start + column] = UInt8(truncatingIfNeeded: Int32(step + 0.5))
                        }
                    }
                }
            }
        }
        self.pixels = pixels
    }

    private static func sumColumns(of wide: [Float], from row: Int, weights: [Float], into line: inout [Float]) {
        let width = line.count
        wide.withUnsafeBufferPointer { wide in
            line.withUnsafeMutableBufferPointer { line in
                line.update(repeating: 0)
                for (tap, weight) in weights.enumerated() {
                    let start = (row + tap) * width
                    for column in 0..<width { line[column] += weight * wide[start + column] }
                }
            }
        }
    }
}
