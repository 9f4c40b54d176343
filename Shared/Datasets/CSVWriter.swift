/// Writes comma-separated values as RFC 4180 has them, except that lines end in LF. Cells that a spreadsheet would take for a formula are
/// left as they are: the reader of a file of data is a program.
public struct CSVWriter: Sendable {
    /// What has been written and not yet been taken.
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public init(header: [String]) { row(header) }

    public mutating func row(_ cells: [String]) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            append(cell)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Hands over what has been written so far, so that it can go to a file.
    public mutating func take() -> [UInt8] {
        defer { bytes.removeAll(keepingCapacity: true) }
        return bytes
    }

    private mutating func append(_ cell: String) {
        let hasSpecial = cell.utf8.contains { $0 == 0x22 || $0 == 0x2C || $0 == 0x0A || $0 == 0x0D }
        guard hasSpecial || cell.hasPrefix(" ") || cell.hasSuffix(" ") else {
            bytes.append(contentsOf: cell.utf8)
            return
        }
        bytes.append(0x22)
        for byte in cell.utf8 {
            if byte == 0x22 { bytes.append(0x22) }
            bytes.append(byte)
        }
        bytes.append(0x22)
    }
}
