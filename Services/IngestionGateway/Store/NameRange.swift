import Records

/// Between which names those of a bank's transactions lie, in the order of the index of names: byte by byte.
struct NameRange: Sendable, Hashable {
    let bankID: String
    var first: String
    var last: String

    /// One a bank, of which there are few.
    static func ranges(of rows: [some WritableTransaction]) -> [NameRange] {
        var ranges: [NameRange] = []
        for row in rows {
            let key = row.key
            if let place = ranges.firstIndex(where: { isSame($0.bankID, key.bankID) }) {
                ranges[place].widen(to: key.transactionID)
            } else {
                ranges.append(NameRange(bankID: key.bankID, first: key.transactionID, last: key.transactionID))
            }
        }
        return ranges
    }

    /// Byte by byte, as the server sees it: to Swift, letters that are composed differently are the same.
    private static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
    }

    private mutating func widen(to name: String) {
        if Self.precedes(last, name) { last = name } else if Self.precedes(name, first) { first = name }
    }

    private static func precedes(_ left: String, _ right: String) -> Bool {
        var (left, right) = (left, right)
        return left.withUTF8 { left in
            right.withUTF8 { right in
                for index in 0..<min(left.count, right.count) where left[index] != right[index] { return left[index] < right[index] }
                return left.count < right.count
            }
        }
    }
}
