import Records

/// Between which names those of a bank's transactions lie, in the order of the index of names: byte by byte.
struct NameRange: Sendable, Hashable {
    let bankID: String
    var first: String
    var last: String

    /// One a bank.
    static func ranges(of rows: [some WritableTransaction]) -> [NameRange] {
        var ranges: [NameRange] = []
        var places: [String: Int] = [:]
        for row in rows {
            let key = row.key
            // Mostly all are of one bank.
            if let only = ranges.first, ranges.count == 1, only.bankID == key.bankID {
                ranges[0].widen(to: key.transactionID)
            } else if let place = places[key.bankID] {
                ranges[place].widen(to: key.transactionID)
            } else {
                places[key.bankID] = ranges.count
                ranges.append(NameRange(bankID: key.bankID, first: key.transactionID, last: key.transactionID))
            }
        }
        return ranges
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
