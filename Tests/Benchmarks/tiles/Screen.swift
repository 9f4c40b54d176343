import BenchmarkSupport
import Contracts
import Foundation
import Geo
import RPC
import ServiceRuntime
import StandardContracts
import SuiteProcesses
import Synchronization

/// The dashboard in a real browser, driven by `screen.py`.
struct Screen: Sendable {
    let address: String
    let token: String

    /// What frames took, in milliseconds.
    struct Frames: Decodable {
        var frames: Int
        var median: Double
        var p95: Double
        var slowest: Double
        /// The part of all time that the page's thread was at work, where that was measured.
        var busy: Double?
    }

    /// The processor time that the page's own thread takes for a frame, while the map is dragged and while it plays through time.
    struct Work: Decodable {
        var dragged: Frames
        var played: Frames
    }

    private static let script = "Tests/Benchmarks/tiles/screen.py"

    /// A Python that has playwright, and a browser for it; nil without.
    static let python: String? = ["/usr/bin/python3", ".build/browser/bin/python"].first { python in
        let look = "import importlib.util, os, sys; sys.exit(not (importlib.util.find_spec('playwright') and os.path.exists('/usr/bin/chromium')))"
        return (try? output(of: python, ["-c", look])) != nil
    }

    /// The times between frames, while the map is dragged.
    ///
    /// - Parameter part: of the screen's 1280 × 720 pixels along each side, on which all of the same is drawn.
    func frames(_ python: String, fragment: String, seconds: Int, part: Double = 1) throws -> Frames {
        try measure(python, ["frames", address, token, fragment, "\(seconds)", "\(part)"])
    }

    func work(_ python: String, fragment: String, seconds: Int) throws -> Work {
        try measure(python, ["work", address, token, fragment, "\(seconds)"])
    }

    private func measure<Found: Decodable>(_ python: String, _ arguments: [String]) throws -> Found {
        let text = try output(of: python, [Self.script] + arguments)
        return try JSONDecoder().decode(Found.self, from: Data(text.utf8))
    }

    /// Watches a layer's counter while `body` goes on and the map shows a layer, and until it has risen by as much as `body` says.
    ///
    /// - Returns: what the counter showed, and when.
    func watching(_ python: String, layer: String, showing shown: String, _ body: () async throws -> Int) async throws -> [(time: Double, count: Int)] {
        let process = Process(), input = Pipe(), printed = Pipe()
        let lines = Mutex(""), (news, tell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        process.executableURL = URL(filePath: python)
        process.arguments = [Self.script, "watch", address, token, layer, shown]
        process.standardInput = input
        process.standardOutput = printed
        printed.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            lines.withLock { $0 += String(decoding: data, as: UTF8.self) }
            tell.yield()
        }
        process.terminationHandler = { _ in tell.yield() }
        try process.run()
        for await _ in news where !process.isRunning || lines.withLock({ $0.hasPrefix("ready\n") }) { break }
        guard process.isRunning else { throw BenchmarkProblem("the browser did not start") }
        let rise = try await body()
        try input.fileHandleForWriting.write(contentsOf: Data("\(rise)".utf8))
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return lines.withLock { $0 }.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            if parts.first == "longest" { say("  the page's thread: longest task \(parts.last ?? "") ms") }
            guard parts.count == 2, let time = Double(parts[0]), let count = Int(parts[1]) else { return nil }
            return (time / 1000, count)
        }
    }

    /// Seconds from a complaint's acknowledgement until the dashboard's counter has it, in order of size. Those that never came are infinite.
    func complaints(
        _ python: String, _ caller: SuiteCaller, count: Int, every pace: Duration, showing shown: String
    ) async throws -> [Double] {
        var acknowledged: [Double] = []
        let shown = try await watching(python, layer: "complaints", showing: shown) {
            try await caller.withChannel(to: .ingestionGateway) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                for number in 0..<count {
                    let now = Date()
                    let place = Workload.centre.moved(metres: Double(number) * 100, bearingDegrees: Double(number * 40))
                    let time = GoogleProtobuf.Timestamp(seconds: Int64(now.timeIntervalSince1970) - 60)
                    _ = try await client.submitComplaint(.init(complaint: .init(
                        complaintID: "screen-\(now.timeIntervalSince1970)", crimeType: "upi_fraud", occurredAt: time, reportedAt: time,
                        location: .init(latitude: place.latitude, longitude: place.longitude))))
                    acknowledged.append(Date().timeIntervalSince1970)
                    try await Task.sleep(for: pace)
                }
            }
            return count
        }
        let first = shown.first?.count ?? 0
        return acknowledged.enumerated().map { number, time in
            shown.first { $0.count >= first + number + 1 }.map { $0.time - time } ?? .infinity
        }.sorted()
    }
}
