import Foundation

/// What a ratio has to be for a comparison to hold.
public enum Goal: Sendable {
    /// Ours may be at most this many times the peer's: for costs, such as CPU time or memory.
    case atMost(Double)
    /// Ours must be at least this many times the peer's: for throughput and quality.
    case atLeast(Double)

    func holds(_ ratio: Double) -> Bool {
        switch self {
        case .atMost(let limit): ratio <= limit
        case .atLeast(let limit): ratio >= limit
        }
    }
}

extension Goal: CustomStringConvertible {
    public var description: String {
        switch self {
        case .atMost(let limit): "<= \(limit)"
        case .atLeast(let limit): ">= \(limit)"
        }
    }
}

/// One of our figures beside a peer's, both measured in the same run.
public struct Comparison: Sendable, Codable {
    public var area: String
    public var name: String
    public var unit: String
    public var ours: Double
    public var peer: Double
    public var peerName: String
    /// Ours divided by the peer's.
    public var ratio: Double
    /// Such as `<= 0.35`, what the ratio is to be.
    public var goal: String
    public var holds: Bool
}

/// Collects an area's comparisons, prints each as soon as it is known, and writes them where `make bench` gathers them.
///
///     var report = BenchmarkReport(area: "rpc")
///     report.compare("unary echo, 8 x 50", unit: "us CPU/request", ours: 2.4, peer: 12.6, "gRPC C++ async", .atMost(0.35))
///     try report.write()
public struct BenchmarkReport: Sendable {
    public let area: String
    public private(set) var comparisons: [Comparison] = []

    public init(area: String) {
        self.area = area
    }

    /// Records and prints one comparison. A peer's figure of zero holds nothing and is printed as such.
    public mutating func compare(_ name: String, unit: String, ours: Double, peer: Double, _ peerName: String, _ goal: Goal) {
        let ratio = peer == 0 ? .infinity : ours / peer
        let comparison = Comparison(
            area: area, name: name, unit: unit, ours: ours, peer: peer, peerName: peerName, ratio: ratio.isFinite ? ratio : -1,
            goal: goal.description, holds: ratio.isFinite && goal.holds(ratio))
        comparisons.append(comparison)
        FileHandle.standardOutput.write(Data((Self.line(comparison) + "\n").utf8))
    }

    /// Writes the comparisons as a JSON list to the file that `BENCH_OUTPUT` names, if it names one.
    public func write() throws {
        guard let path = ProcessInfo.processInfo.environment["BENCH_OUTPUT"] else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(comparisons).write(to: URL(filePath: path))
    }

    static func line(_ it: Comparison) -> String {
        let figures = "\(short(it.ours)) : \(short(it.peer)) \(it.unit)"
        return "\(it.holds ? "holds" : "MISSED") \(it.area): \(it.name): \(figures), \(short(it.ratio)) of \(it.peerName) (goal \(it.goal))"
    }

    /// Three or so significant digits.
    static func short(_ value: Double) -> String {
        switch abs(value) {
        case 100...: String(format: "%.0f", value)
        case 10..<100: String(format: "%.1f", value)
        case 1..<10: String(format: "%.2f", value)
        default: String(format: "%.3g", value)
        }
    }
}
