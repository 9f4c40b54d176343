import EventLog
import Features
import Logging

/// A memory that is kept by snapshots.
protocol SnapshottedMemory: Sendable {
    associatedtype Chunks: SnapshotChunks

    var series: SnapshotSeries { get }
    /// How many entries of the log no snapshot holds.
    var newEntries: Int { get async }
    /// Memory as it is, the last entry of the log that it holds, and how many are new in it.
    func snapshot() async throws -> (memory: Chunks, position: LogPosition, entries: Int)
    /// So many of the new entries are in a snapshot now.
    func haveKept(_ entries: Int) async
}

/// Takes snapshots of a memory now and then, beside the serving: so that a start need not read the whole log.
struct SnapshotSchedule: Sendable {
    /// So many new entries are worth a snapshot at any time: reading them again would take a start a second or so.
    static let manyEntries = 50_000
    /// Writing snapshots may take so small a share of all time.
    static let leastPauseToWriting = 5.0

    let memory: any SnapshottedMemory
    let database: FeatureStoreDatabase
    let intervalSeconds: Int
    var logger = Logger(label: "feature-store")
    var clock = ContinuousClock()

    func run() async throws {
        var last = clock.now
        var writing = Duration.zero
        while true {
            let entries = await memory.newEntries
            let pause = clock.now - last
            let isDue = pause >= .seconds(intervalSeconds) ? entries > 0 : entries >= Self.manyEntries
            if isDue, pause >= writing * Self.leastPauseToWriting {
                let began = clock.now
                do {
                    let snapshot = try await take()
                    logger.debug(
                        "memory is kept",
                        metadata: ["of": "\(memory.series.memory)", "snapshot": "\(snapshot.number)", "chunks": "\(snapshot.chunks)"])
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    logger.warning("no snapshot of memory could be kept", metadata: ["reason": "\(error)"])
                }
                last = clock.now
                writing = last - began
            }
            try await Task.sleep(for: .seconds(min(1, intervalSeconds)))
        }
    }

    /// Takes one now and deletes those that it makes needless.
    @discardableResult
    func take() async throws -> StoredSnapshot { try await take(memory) }

    private func take(_ memory: some SnapshottedMemory) async throws -> StoredSnapshot {
        let (chunks, position, entries) = try await memory.snapshot()
        let snapshot = try await database.store(chunks, in: memory.series, at: position)
        await memory.haveKept(entries)
        try await database.deleteOldSnapshots(of: memory.series)
        return snapshot
    }
}
