/// A JSON file as its records' own bytes, for putting several together.
public enum JSONPage {
    /// Hands each record of the list to `body`, on one line, as it is written in the file.
    ///
    /// - Parameters:
    ///   - records: keys that lead to the list.
    ///   - name: what to call the file in an error.
    /// - Throws: `DatasetError` when the file is no such JSON, and what `body` throws.
    public static func forEachRecord(in file: String, records: [String], name: String, _ body: ([UInt8]) throws -> Void) throws {
        let window = ByteWindow(try ByteSource(path: file))
        let rows = try JSONListRows(window, paths: [], records: records, name: name)
        let buffer = RowBuffer(cellCount: 0)
        while try rows.next(into: buffer) != nil {
            // Outside of strings a line end is a space; inside of them JSON has none.
            let bytes = rows.currentBytes.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
            if !bytes.isEmpty { try body(bytes) }
        }
    }
}
