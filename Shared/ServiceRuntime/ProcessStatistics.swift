internal import Foundation

/// What the system says of the process, under the names that Prometheus' own clients give it. Linux tells in `/proc`; elsewhere nothing is told.
/// Source: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
enum ProcessStatistics {
    /// To be called once; the figures are then read whenever `/metrics` is.
    static func tell(_ metrics: MetricsRegistry) {
        guard !fields().isEmpty else { return }
        metrics.counter("process_cpu_seconds_total", help: "Time of the processor that the process has taken, in seconds.") {
            let fields = fields()
            return fields.isEmpty ? .nan : (fields[11] + fields[12]) / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
        metrics.gauge("process_resident_memory_bytes", help: "Memory of the process that is in RAM.") {
            let fields = fields()
            return fields.isEmpty ? .nan : fields[21] * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
        metrics.gauge("process_open_fds", help: "Files and sockets that the process has open.") {
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count).map(Double.init) ?? .nan
        }
    }

    /// Of proc(5)'s `stat`, from the third field on: what follows the program's name. Empty where there is none.
    private static func fields() -> [Double] {
        guard let line = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8), let end = line.lastIndex(of: ")") else { return [] }
        let fields = line[line.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
        return fields.count > 21 ? fields : []
    }
}
