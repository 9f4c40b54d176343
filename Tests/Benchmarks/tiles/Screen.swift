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

    /// What a layer's counter shows in the browser, as `screen.py watch` prints it.
    private final class Sightings: Sendable {
        private let state = Mutex((text: "", shown: (time: Double, count: Int)?.none, hasEnded: false))
        private let (news, tell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

        var count: Int? { state.withLock { $0.shown?.count } }

        func add(_ data: Data) {
            state.withLock { state in
                state.text += String(decoding: data, as: UTF8.self)
                var lines = state.text.split(separator: "\n", omittingEmptySubsequences: false)
                state.text = String(lines.removeLast())
                for parts in lines.map({ $0.split(separator: " ") }) where parts.count == 2 {
                    if parts[0] == "longest" { say("  the page's thread: longest task \(parts[1]) ms") }
                    if let time = Double(parts[0]), let count = Int(parts[1]) { state.shown = (time / 1000, count) }
                }
                if data.isEmpty { state.hasEnded = true }
            }
            tell.yield()
        }

        /// When a count of at least so many was on the screen; nil where it is not within the time, or the browser has ended.
        func time(of count: Int, within limit: Duration) async -> Double? {
            let ends = ContinuousClock.now + limit
            for await _ in news {
                let (shown, hasEnded) = state.withLock { ($0.shown, $0.hasEnded) }
                if let shown, shown.count >= count { return shown.time }
                if hasEnded || ContinuousClock.now > ends { break }
            }
            return nil
        }
    }

    private func watching(_ python: String, layer: String, showing shown: String, _ body: (Sightings) async throws -> Void) async throws {
        let process = Process(), input = Pipe(), printed = Pipe(), sightings = Sightings()
        process.executableURL = URL(filePath: python)
        process.arguments = [Self.script, "watch", address, token, layer, shown]
        process.standardInput = input
        process.standardOutput = printed
        printed.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            sightings.add(data)
        }
        try process.run()
        defer {
            // Its input's end is the browser's.
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
        }
        try await body(sightings)
    }

    /// Seconds from a complaint's acknowledgement until the dashboard's counter has it, in order of size. What never comes is infinite.
    ///
    /// One is under way at a time and nobody else complains, so the counter's next step is this very complaint; it may not have made the
    /// step before. Pauses of random length keep them from always meeting the same moment of the map's second between two changes.
    ///
    /// - Parameter began: called when the browser has the map on its screen, and not before: what is to go on meanwhile begins then.
    func complaints(
        _ python: String, _ caller: SuiteCaller, count: Int, showing shown: String, _ began: () async throws -> Void
    ) async throws -> [Double] {
        var seconds: [Double] = []
        try await watching(python, layer: "complaints", showing: shown) { sightings in
            guard await sightings.time(of: 0, within: .seconds(150)) != nil, let first = sightings.count else {
                throw BenchmarkProblem("the browser did not start, or its counter is out of sight")
            }
            try await began()
            try await caller.withChannel(to: .ingestionGateway) { channel in
                for number in 0..<count {
                    guard sightings.count == first + number else {
                        throw BenchmarkProblem("the counter shows \(sightings.count ?? 0) where \(first + number) are complained of")
                    }
                    let acknowledged = try await complain(number, channel)
                    guard let seen = await sightings.time(of: first + number + 1, within: .seconds(30)) else {
                        seconds.append(.infinity)
                        return
                    }
                    seconds.append(seen - acknowledged)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 200...1200)))
                }
            }
        }
        return seconds.sorted()
    }

    /// Submits one; returns when it was acknowledged.
    private func complain(_ number: Int, _ channel: RPCChannel) async throws -> Double {
        let now = Date().timeIntervalSince1970
        let place = Workload.centre.moved(metres: Double(number) * 100, bearingDegrees: Double(number * 40))
        let time = GoogleProtobuf.Timestamp(seconds: Int64(now) - 60)
        _ = try await IngestionV1.IngestionService.Client(channel).submitComplaint(.init(complaint: .init(
            complaintID: "screen-\(now)", crimeType: "upi_fraud", occurredAt: time, reportedAt: time,
            location: .init(latitude: place.latitude, longitude: place.longitude))))
        return Date().timeIntervalSince1970
    }
}
