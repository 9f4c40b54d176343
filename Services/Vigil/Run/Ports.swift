import Foundation
import ServiceRuntime

/// Which ports the six services listen on.
enum Ports {
    /// Ports below the range from which the kernel gives outgoing connections theirs, so that none is taken between two starts.
    private static let ordinary = 20_000..<32_000

    /// Consecutive ports from `base`, each checked to be free; with base 0 any free ones.
    static func choose(base: Int, host: String = "127.0.0.1") throws(LaunchError) -> [String: Int] {
        var ports: [String: Int] = [:]
        for service in Suite.services {
            if base == 0 {
                ports[service.name] = try anyFree(host: host, except: Set(ports.values))
                continue
            }
            let port = base + service.portOffset
            guard isFree(port, host: host) else {
                let holder = holder(of: port).map { " by \($0)" } ?? ""
                throw LaunchError(
                    "port \(port), which is \(service.name)'s, is in use\(holder); stop that, or choose others with `vigil run --port-base 9441`")
            }
            ports[service.name] = port
        }
        return ports
    }

    static func anyFree(host: String = "127.0.0.1", except taken: Set<Int> = []) throws(LaunchError) -> Int {
        for _ in 0..<200 {
            let port = Int.random(in: ordinary)
            if !taken.contains(port), isFree(port, host: host) { return port }
        }
        throw LaunchError("found no free port between \(ordinary.lowerBound) and \(ordinary.upperBound)")
    }

    /// Whether a server could listen there now.
    static func isFree(_ port: Int, host: String) -> Bool {
        guard (1...65_535).contains(port) else { return false }
        #if canImport(Glibc)
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        } == 0 && listen(descriptor, 1) == 0
    }

    /// The listening process, for example "python3 (process 4711)", where the kernel shows it to us.
    static func holder(of port: Int) -> String? {
        let wanted = ":" + String(repeating: "0", count: max(0, 4 - String(port, radix: 16).count)) + String(port, radix: 16).uppercased()
        var inodes: Set<String> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for line in ((try? String(contentsOfFile: table, encoding: .utf8)) ?? "").split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                // Local address, state 0A = LISTEN, inode (proc(5)).
                if fields.count > 9, fields[1].hasSuffix(wanted), fields[3] == "0A" { inodes.insert("socket:[\(fields[9])]") }
            }
        }
        guard !inodes.isEmpty, let processes = try? FileManager.default.contentsOfDirectory(atPath: "/proc") else { return nil }
        for process in processes where Int(process) != nil {
            let folder = "/proc/\(process)/fd"
            for descriptor in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(descriptor)"),
                    inodes.contains(target)
                else { continue }
                let name = (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)) ?? "a program"
                return "\(name.trimmingCharacters(in: .whitespacesAndNewlines)) (process \(process))"
            }
        }
        return nil
    }
}
