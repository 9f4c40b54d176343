/// A JSON file as its records' own bytes, for putting several together.
public enum JSONPage {
    /// Hands each record of the list to `body`, on one line, as it is written in the file; one that is too long to be read comes without what
    /// its lists hold.
    ///
    /// - Parameters:
    ///   - records: keys that lead to the list.
    ///   - name: what to call the file in an error.
    /// - Throws: `DatasetError` when the file is no such JSON, and what `body` throws.
    public static func forEachRecord(in file: String, records: [String], name: String, _ body: ([UInt8]) throws -> Void) throws {
        let window = ByteWindow(try ByteSource(path: file))
        let rows = try JSONListRows(window, paths: [], records: records, name: name)
        let buffer = RowBuffer(cellCount: 0)
        while let event = try rows.next(into: buffer) {
            // Outside of strings a line end is a space; inside of them JSON has none.
            var bytes = rows.currentBytes.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
            // What is too long to be read stays too long without its lists, to be refused with its place and its id by whoever reads it.
            if case .refusedCells = event {
                bytes += repeatElement(UInt8(ascii: " "), count: max(0, DatasetLimits.maxRowBytes + 1 - bytes.count))
            }
            try body(bytes)
        }
    }
}
