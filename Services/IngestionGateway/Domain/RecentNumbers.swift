/// Remembers numbers, as many as it has places for: each has four, and where they are taken the one that came first is forgotten. A look costs
/// one line of the processor's cache.
struct RecentNumbers: Sendable {
    private static let ways = 4

    /// Zero where there is none.
    private var places: [UInt64]
    private let shift: UInt64

    /// - Parameter log2Sets: the binary logarithm of a quarter of how many are remembered.
    init(log2Sets: Int) {
        places = Array(repeating: 0, count: Self.ways << log2Sets)
        shift = UInt64(UInt64.bitWidth - log2Sets)
    }

    func contains(_ number: UInt64) -> Bool {
        let number = Self.stored(number)
        let first = self.first(of: number)
        return places[first] == number || places[first + 1] == number || places[first + 2] == number || places[first + 3] == number
    }

    mutating func insert(_ number: UInt64) {
        guard !contains(number) else { return }
        let number = Self.stored(number)
        let first = self.first(of: number)
        for place in (first + 1..<first + Self.ways).reversed() { places[place] = places[place - 1] }
        places[first] = number
    }

    private static func stored(_ number: UInt64) -> UInt64 { number == 0 ? 1 : number }

    /// The highest bits of a product depend on all bits of the number.
    private func first(of number: UInt64) -> Int { Self.ways * Int(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> shift) }
}
