#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Counts different things by 64-bit hashes of them, in 2,048 bytes whatever their number; the standard error is 2.3 %.
/// Source: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007;
/// with hashes of 64 bits the correction for large numbers is not needed.
struct HyperLogLog {
    private static let indexBits = 11
    private static let count = 1 << indexBits

    private var registers = ContiguousArray<UInt8>(repeating: 0, count: HyperLogLog.count)

    mutating func add(_ hash: UInt64) {
        let register = Int(hash >> UInt64(64 - Self.indexBits))
        // The rest of the bits, with a guard behind them so that the rank stays in range.
        let rest = hash << UInt64(Self.indexBits) | 1 << UInt64(Self.indexBits - 1)
        registers[register] = max(registers[register], UInt8(rest.leadingZeroBitCount + 1))
    }

    var estimate: Double {
        let m = Double(Self.count)
        var sum = 0.0
        var zeros = 0
        for register in registers {
            sum += 1 / Double(1 << UInt64(register))
            if register == 0 { zeros += 1 }
        }
        let raw = 0.7213 / (1 + 1.079 / m) * m * m / sum
        // Few things: by how many registers are still empty (linear counting).
        return raw <= 2.5 * m && zeros > 0 ? m * log(m / Double(zeros)) : raw
    }
}

/// How many different ones are among 64-bit hashes: exactly as long as they are few, by ``HyperLogLog`` where they are many.
enum DistinctCount {
    /// As many as a table can hold that is no slower than the sketch.
    static let maxExact = 512

    /// - Parameters:
    ///   - hashes: none of them zero.
    ///   - total: of no fewer, the same ones counted again.
    static func count(of hashes: some Sequence<UInt64>, among total: Int) -> Double {
        if let count = exactCount(of: hashes, among: total) { return Double(count) }
        var sketch = HyperLogLog()
        for hash in hashes { sketch.add(hash) }
        return sketch.estimate.rounded()
    }

    /// Nil where there are more than `maxExact`.
    private static func exactCount(of hashes: some Sequence<UInt64>, among total: Int) -> Int? {
        // Twice as many places as things, so that a free one is never far; zero is a free one.
        let capacity = 2 * min(total, maxExact)
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: capacity) { places in
            places.initialize(repeating: 0)
            var count = 0
            for hash in hashes {
                var place = Int(hash.multipliedFullWidth(by: UInt64(capacity)).high)
                while places[place] != 0, places[place] != hash { place = place + 1 == capacity ? 0 : place + 1 }
                if places[place] == hash { continue }
                if count == maxExact { return nil }
                places[place] = hash
                count += 1
            }
            return count
        }
    }
}
