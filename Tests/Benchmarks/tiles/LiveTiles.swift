import BenchmarkSupport
import Contracts
import Foundation
import Geo
import RPC
import ServiceRuntime
import StandardContracts
import SuiteProcesses
import Synchronization

/// Payments that stream in evenly, and how long after its acknowledgement one of them is in the tile of its cell.
struct LiveTiles: Sendable {
    let caller: SuiteCaller
    let token: String
    let perSecond: Int

    /// Ends a stream of payments before its time.
    final class End: Sendable {
        private let hasCome = Atomic(false)

        var isHere: Bool { hasCome.load(ordering: .relaxed) }
        func come() { hasCome.store(true, ordering: .relaxed) }
    }

    /// Sends payments for some time.
    ///
    /// - Returns: how many a second came in.
    func stream(seconds: Int, prefix: String, until end: End = End()) async throws -> Double {
        let payments = Payments(prefix: prefix), perTurn = perSecond / Self.turnsPerSecond, turns = seconds * Self.turnsPerSecond
        let started = ContinuousClock.now
        return try await caller.withChannel(to: .ingestionGateway) { channel in
            let client = IngestionV1.IngestionService.Client(channel)
            let accepted = try await client.streamTransactions(options: CallOptions(timeout: .seconds(600), waitForReady: true)) { writer in
                for turn in 0..<turns where !end.isHere {
                    for number in (turn * perTurn)..<((turn + 1) * perTurn) {
                        try await writer.write(.init(sequence: UInt64(number), transaction: Self.placed(payments.message(number), number)))
                    }
                    try await Task.sleep(until: started + .seconds(turn + 1) / Self.turnsPerSecond, clock: .continuous)
                }
            } read: { answers in
                var accepted = 0
                for try await answer in answers where answer.outcome == .accepted { accepted += 1 }
                return accepted
            }
            return Double(accepted) / ((ContinuousClock.now - started) / .seconds(1))
        }
    }

    private static let turnsPerSecond = 20

    /// Looks for one payment after another while others stream in.
    ///
    /// - Returns: the seconds that each took, in order of size, and how many of the others came in a second.
    func run(seconds: Int) async throws -> (seconds: [Double], perSecond: Double) {
        async let streamed = stream(seconds: seconds, prefix: "live")
        let ends = ContinuousClock.now + .seconds(seconds)
        var found: [Double] = []
        try await caller.withChannel(to: .ingestionGateway) { ingestion in
            try await caller.withChannel(to: .heatmapTiles) { tiles in
                while ContinuousClock.now < ends { found.append(try await look(for: found.count, ingestion, tiles)) }
            }
        }
        return (found.sorted(), try await streamed)
    }

    /// Seconds from a payment's acknowledgement until its tile, in a place where nothing else happens, shows it.
    private func look(for number: Int, _ ingestion: RPCChannel, _ tiles: RPCChannel) async throws -> Double {
        var payment = Payments(prefix: "marker").message(number)
        let place = Position(latitude: -30 + Double(number / 100) * 0.01, longitude: 100 + Double(number % 100) * 0.01)
        payment.location = .init(latitude: place.latitude, longitude: place.longitude)
        _ = try await IngestionV1.IngestionService.Client(ingestion).submitTransaction(.init(transaction: payment))
        let acknowledged = ContinuousClock.now
        let tile = Tile(containing: place, zoom: Workload.cellZoom)
        let path = "/tiles/transactions/\(tile.zoom)/\(tile.x)/\(tile.y).mvt"
        while true {
            let answer = try await tiles.http(HTTPRequest(path: path, headers: ["authorization": "Bearer \(token)"]))
            guard answer.status == 200 else { throw BenchmarkProblem("\(path) answered \(answer.status)") }
            let waited = (ContinuousClock.now - acknowledged) / .seconds(1)
            if !answer.bytes.isEmpty { return waited }
            guard waited < 30 else { throw BenchmarkProblem("payment \(number) was in no tile for 30 s") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private static func placed(_ payment: RecordsV1.Transaction, _ number: Int) -> RecordsV1.Transaction {
        var payment = payment
        let place = Workload.centre.moved(metres: Double((number &* 7919) % 15_000), bearingDegrees: Double(number % 360))
        payment.location = .init(latitude: place.latitude, longitude: place.longitude)
        return payment
    }
}
