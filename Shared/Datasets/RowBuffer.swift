import Records

/// One value of a row: a part of the row's bytes.
struct Cell {
    enum Kind: UInt8 {
        /// The row has no such value.
        case missing
        case null
        /// A CSV value, or a JSON string.
        case text
        case number
        case boolean
        /// A JSON object or list.
        case structure
    }

    var start: Int32 = 0
    var count: Int32 = 0
    var kind: Kind = .missing
    /// Quotes are still doubled, or backslashes still there.
    var isEscaped = false
}

/// What a reader met next.
enum RowEvent {
    /// The cells are in the `RowBuffer`.
    case row(RowPosition)
    /// - column: the column or path at fault, where one is.
    case refused(RowPosition, column: String?, reason: String)
    /// As `refused`; the cells are in the `RowBuffer` all the same, so the value at fault can be shown.
    case refusedCells(RowPosition, column: String?, reason: String)
}

/// The row that was read last. Its bytes lie in the reader's window, or are held here, and are valid until the reader goes on.
final class RowBuffer {
    var bytes: UnsafeMutablePointer<UInt8>?
    private var held: UnsafeMutableBufferPointer<UInt8>?
    private(set) var cells: UnsafeMutableBufferPointer<Cell>

    init(cellCount: Int) {
        cells = .allocate(capacity: max(1, cellCount))
        cells.initialize(repeating: Cell())
    }

    deinit {
        cells.deallocate()
        held?.deallocate()
    }

    /// Holds a copy of bytes that no window has.
    func hold(_ bytes: [UInt8]) -> UnsafeMutableBufferPointer<UInt8> {
        held?.deallocate()
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = copy.initialize(from: bytes)
        held = copy
        return copy
    }

    func ensure(_ cellCount: Int) {
        guard cellCount > cells.count else { return }
        let larger = UnsafeMutableBufferPointer<Cell>.allocate(capacity: max(cellCount, cells.count * 2))
        larger.initialize(repeating: Cell())
        for index in cells.indices { larger[index] = cells[index] }
        cells.deallocate()
        cells = larger
    }

    func clear() { cells.update(repeating: Cell()) }

    /// The value's bytes with doubled quotes made single. The row's own bytes change, so this waits until the row has been accepted.
    @inline(__always)
    func value(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        if cells[index].isEscaped { joinDoubledQuotes(index) }
        return slice(cells[index])
    }

    private func joinDoubledQuotes(_ index: Int) {
        guard let bytes else { return }
        let start = Int(cells[index].start)
        var target = start
        var source = start
        while source < start + Int(cells[index].count) {
            if bytes[source] == UInt8(ascii: "\"") { source += 1 }
            bytes[target] = bytes[source]
            target += 1
            source += 1
        }
        cells[index].count = Int32(target - start)
        cells[index].isEscaped = false
    }

    @inline(__always)
    func slice(_ cell: Cell) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: bytes.map { UnsafePointer($0 + Int(cell.start)) }, count: Int(cell.count))
    }
}

/// Why bytes are no text that may be stored; nil when they may.
///
/// - Parameter checksUTF8: false for the encodings in which every byte is a character.
func textFault(_ bytes: UnsafeBufferPointer<UInt8>, checksUTF8: Bool) -> String? {
    var index = 0
    let raw = UnsafeRawBufferPointer(bytes)
    var high = false
    while index + 8 <= bytes.count {
        let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        if word & 0x8080_8080_8080_8080 != 0 { high = true }
        // A zero byte borrows from its top bit; a byte above 0x80 is told apart by the complement.
        if (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0 { return "contains a NUL byte" }
        index += 8
    }
    while index < bytes.count {
        if bytes[index] == 0 { return "contains a NUL byte" }
        if bytes[index] >= 0x80 { high = true }
        index += 1
    }
    if high, checksUTF8, String(validating: bytes, as: UTF8.self) == nil {
        return "is not valid UTF-8 (say `encoding: latin-1` or `windows-1252` in the mapping's format if the file is in that; convert it if in another)"
    }
    return nil
}
