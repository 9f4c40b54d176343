import Foundation

/// User and system CPU time, in seconds, that this process has used.
public func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
}

/// User and system CPU time, in seconds, that another process has used; nil when it is gone. From the scheduler's own clock: the ticks
/// of `/proc/PID/stat` are samples, a hundred a second, which tell nothing of a run of a tenth of a second.
public func processorSeconds(of process: Int32) -> Double? {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
}

/// Resident memory of a process in bytes, from `/proc/PID/status`; nil when it is gone.
public func residentBytes(of process: Int32) -> Int? {
    guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8) else { return nil }
    for line in status.split(separator: "\n") where line.hasPrefix("VmRSS:") {
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
    return nil
}

/// The median of an odd or even number of figures; 0 of none.
public func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// Measures two things in turns, so that a noisy machine is noisy to both, and gives the median of each.
public func paired(rounds: Int, ours: () throws -> Double, peer: () throws -> Double) rethrows -> (ours: Double, peer: Double) {
    var our: [Double] = []
    var their: [Double] = []
    for _ in 0..<rounds {
        our.append(try ours())
        their.append(try peer())
    }
    return (median(our), median(their))
}
