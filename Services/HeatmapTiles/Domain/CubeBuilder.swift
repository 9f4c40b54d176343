/// Builds a cube from all its entries, in any order: how one is rebuilt at a start.
///
/// The entries wait in columns, in large pieces, until all are there; each cell's history is then made once, in its final size. The pieces
/// go back to the system whole, so a rebuilt cube takes no more memory than its entries need.
struct CubeBuilder {
    private struct Piece {
        var cells: [UInt32] = []
        var keys: [UInt32] = []
        var counts: [UInt32] = []
        var riskSums: [Double] = []
    }

    private static let pieceBits = 20

    private var cube: Cube
    private var pieces: [Piece] = []
    private var entryCount = 0
    /// By the number of a cell here: its code, and how many entries it has.
    private var codes: [UInt64] = []
    private var sizes: [Int] = []
    private var numbers: [UInt64: UInt32] = [:]
    private var lastCell: (code: UInt64, number: UInt32)?

    /// - Parameter cube: without cells; its kinds stay as they are numbered.
    init(_ cube: Cube) {
        self.cube = cube
    }

    /// Adds an entry; each cell, kind and hour comes once.
    mutating func add(_ entry: Cube.Increment) {
        let number = number(of: entry.cell)
        sizes[Int(number)] += 1
        if entryCount & (1 << Self.pieceBits - 1) == 0 { addPiece() }
        entryCount += 1
        let last = pieces.count - 1
        pieces[last].cells.append(number)
        pieces[last].keys.append(CellHistory.Key(kind: entry.kind, hour: entry.hour).number)
        pieces[last].counts.append(UInt32(clamping: entry.tally.count))
        pieces[last].riskSums.append(entry.tally.riskSum)
    }

    /// The whole cube.
    consuming func finish() -> Cube {
        let byCell = entriesByCell()
        var ends = sizes
        for number in ends.indices.dropFirst() { ends[number] += ends[number - 1] }
        var sorted: [UInt64] = []
        for number in codes.indices.sorted(by: { codes[$0] < codes[$1] }) {
            let range = (ends[number] - sizes[number])..<ends[number]
            sorted.removeAll(keepingCapacity: true)
            for position in range {
                let entry = byCell[position]
                sorted.append(UInt64(pieces[Int(entry) >> Self.pieceBits].keys[Int(entry) & (1 << Self.pieceBits - 1)]) << 32 | UInt64(entry))
            }
            sorted.sort()
            cube.append(codes[number], sorted.map { item in
                let entry = Int(item & 0xFFFF_FFFF), piece = entry >> Self.pieceBits, place = entry & (1 << Self.pieceBits - 1)
                return (
                    .init(number: UInt32(item >> 32)), Tally(count: Int(pieces[piece].counts[place]), riskSum: pieces[piece].riskSums[place])
                )
            })
        }
        cube.finish()
        return cube
    }

    private mutating func number(of cell: UInt64) -> UInt32 {
        if let lastCell, lastCell.code == cell { return lastCell.number }
        let number = numbers[cell] ?? UInt32(codes.count)
        if Int(number) == codes.count {
            numbers[cell] = number
            codes.append(cell)
            sizes.append(0)
        }
        lastCell = (cell, number)
        return number
    }

    private mutating func addPiece() {
        var piece = Piece()
        piece.cells.reserveCapacity(1 << Self.pieceBits)
        piece.keys.reserveCapacity(1 << Self.pieceBits)
        piece.counts.reserveCapacity(1 << Self.pieceBits)
        piece.riskSums.reserveCapacity(1 << Self.pieceBits)
        pieces.append(piece)
    }

    /// The entries' numbers, those of each cell together, in the order of the cells' numbers.
    private func entriesByCell() -> [UInt32] {
        var next = [Int](repeating: 0, count: sizes.count)
        for number in sizes.indices.dropFirst() { next[number] = next[number - 1] + sizes[number - 1] }
        var entries = [UInt32](repeating: 0, count: entryCount)
        var entry: UInt32 = 0
        for piece in pieces {
            for cell in piece.cells {
                entries[next[Int(cell)]] = entry
                next[Int(cell)] += 1
                entry += 1
            }
        }
        return entries
    }
}
