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
