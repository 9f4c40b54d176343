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
        /// When the page had drawn its map whole after its address was opened; of ``frames`` alone, as the rest is of ``work``.
        var first: Double?
        /// The longest task of the page's thread that was no frame's.
        var between: Double?
        /// The part of all time that the page's thread was at work.
        var busy: Double?
    }

    /// The processor time that the page's own thread takes for a frame, while the map is dragged, is zoomed, and plays through time.
    struct Work: Decodable {
        var dragged: Frames
        var zoomed: Frames
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
    /// - Parameters:
    ///   - fragment: what the page shows; `empty` for MapLibre alone with nothing to draw.
    ///   - part: of the screen's 1280 × 720 pixels along each side, on which all of the same is drawn.
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

    /// What of the page is watched.
    enum Part: String { case counter, map }

    /// What is seen in the browser, as `screen.py watch` prints it.
    private final class Sightings: Sendable {
        private let state = Mutex((text: "", shown: [Part: (time: Double, count: Int)](), hasEnded: false))
        private let (news, tell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

        func count(_ part: Part) -> Int? { state.withLock { $0.shown[part]?.count } }

        func add(_ data: Data) {
            state.withLock { state in
                state.text += String(decoding: data, as: UTF8.self)
                var lines = state.text.split(separator: "\n", omittingEmptySubsequences: false)
                state.text = String(lines.removeLast())
                for words in lines.map({ $0.split(separator: " ") }) {
                    if words.count == 2, words[0] == "longest" { say("  the page's thread: longest task \(words[1]) ms") }
                    if words.count == 3, let part = Part(rawValue: String(words[0])), let time = Double(words[1]), let count = Int(words[2]) {
                        state.shown[part] = (time / 1000, count)
                    }
                }
                if data.isEmpty { state.hasEnded = true }
            }
            tell.yield()
        }

        /// When a count of at least so many was on the screen; nil where it is not within the time, or the browser has ended.
        func time(of count: Int, on part: Part, within limit: Duration) async -> Double? {
            let ends = ContinuousClock.now + limit
            for await _ in news {
                let (shown, hasEnded) = state.withLock { ($0.shown[part], $0.hasEnded) }
                if let shown, shown.count >= count { return shown.time }
                if hasEnded || ContinuousClock.now > ends { break }
            }
            return nil
        }
    }

    private func watching(_ python: String, layer: String, showing shown: String, _ body: (Sightings) async throws -> Void) async throws {
        let process = Process(), input = Pipe(), printed = Pipe(), sightings = Sightings()
        process.executableURL = URL(filePath: python)
        // From as near that single cells are drawn, which have numbers; a picture of the heat has none.
        let edge = Workload.centre.moved(metres: 16_000, bearingDegrees: 0)
        let centre = "\(edge.latitude),\(edge.longitude),14.5", place = "\(Self.place.latitude),\(Self.place.longitude)"
        process.arguments = [Self.script, "watch", address, token, layer, shown, centre, place]
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

    /// In view, and beyond where payments stream in: nothing happens here but what is waited for.
    private static let place = Workload.centre.moved(metres: 16_500, bearingDegrees: 0)

    /// In seconds.
    private static let patience = 30

    /// Seconds from an acknowledgement until the dashboard shows what was acknowledged, in order of size. What does not come within
    /// ``patience`` counts as that, and ends the looking.
    struct Seen: Sendable {
        /// Of complaints, in their counter.
        var counter: [Double] = []
        /// Of complaints or payments, in the map's cells.
        var map: [Double] = []
    }

    /// Complains, and pays where the map shows payments, again and again.
    ///
    /// One is under way at a time and nobody else complains, so the counter's next step is this very complaint; it may not have made the
    /// step before. Pauses of random length keep them from always meeting the same moment of the map's second between two changes.
    ///
    /// - Parameter began: called when the browser has the map on its screen, and not before: what is to go on meanwhile begins then.
    func look(
        _ python: String, _ caller: SuiteCaller, count: Int, showing shown: String, _ began: () async throws -> Void
    ) async throws -> Seen {
        var seen = Seen()
        try await watching(python, layer: "complaints", showing: shown) { sightings in
            guard await sightings.time(of: 0, on: .counter, within: .seconds(150)) != nil, let first = sightings.count(.counter) else {
                throw BenchmarkProblem("the browser did not start, or its counter is out of sight")
            }
            let drawn = sightings.count(.map) ?? 0
            try await began()
            try await caller.withChannel(to: .ingestionGateway) { channel in
                for number in 0..<count {
                    guard sightings.count(.counter) == first + number else {
                        throw BenchmarkProblem("the counter shows \(sightings.count(.counter) ?? 0) where \(first + number) are complained of")
                    }
                    let complained = try await complain(channel)
                    let mapped = shown == "transactions" ? try await pay(number, channel) : complained
                    let counted = await sightings.time(of: first + number + 1, on: .counter, within: .seconds(Self.patience))
                    let onMap = await sightings.time(of: drawn + number + 1, on: .map, within: .seconds(Self.patience))
                    seen.counter.append(counted.map { $0 - complained } ?? Double(Self.patience))
                    seen.map.append(onMap.map { $0 - mapped } ?? Double(Self.patience))
                    guard counted != nil, onMap != nil else { return }
                    try await Task.sleep(for: .milliseconds(Int.random(in: 200...1200)))
                }
            }
        }
        return Seen(counter: seen.counter.sorted(), map: seen.map.sorted())
    }

    /// Submits a complaint; returns when it was acknowledged.
    private func complain(_ channel: RPCChannel) async throws -> Double {
        let now = Date().timeIntervalSince1970
        let time = GoogleProtobuf.Timestamp(seconds: Int64(now) - 60)
        _ = try await IngestionV1.IngestionService.Client(channel).submitComplaint(.init(complaint: .init(
            complaintID: "screen-\(now)", crimeType: "upi_fraud", occurredAt: time, reportedAt: time,
            location: .init(latitude: Self.place.latitude, longitude: Self.place.longitude))))
        return Date().timeIntervalSince1970
    }

    /// Submits a payment; returns when it was acknowledged.
    private func pay(_ number: Int, _ channel: RPCChannel) async throws -> Double {
        var payment = Payments(prefix: "screen-marker").message(number)
        payment.location = .init(latitude: Self.place.latitude, longitude: Self.place.longitude)
        _ = try await IngestionV1.IngestionService.Client(channel).submitTransaction(.init(transaction: payment))
        return Date().timeIntervalSince1970
    }
}
