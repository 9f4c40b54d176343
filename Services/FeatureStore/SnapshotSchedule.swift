import Logging

/// Takes snapshots of memory now and then, beside the serving: so that a start need not read the whole log.
struct SnapshotSchedule: Sendable {
    /// So many new entries are worth a snapshot at any time: reading them again would take a start a second or so.
    static let manyEntries = 50_000
    /// Writing snapshots may take so small a share of all time.
    static let leastPauseToWriting = 5.0

    let writer: ObservationWriter
    let database: FeatureStoreDatabase
    let intervalSeconds: Int
    var logger = Logger(label: "feature-store")
    var clock = ContinuousClock()

    func run() async throws {
        var last = clock.now
        var writing = Duration.zero
        while true {
            let entries = await writer.newEntries
            let pause = clock.now - last
            let isDue = pause >= .seconds(intervalSeconds) ? entries > 0 : entries >= Self.manyEntries
            if isDue, pause >= writing * Self.leastPauseToWriting {
                let began = clock.now
                do {
                    let snapshot = try await take()
                    logger.debug("memory is kept", metadata: ["snapshot": "\(snapshot.number)", "chunks": "\(snapshot.chunks)"])
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
    func take() async throws -> StoredSnapshot {
        let (memory, position, entries) = try await writer.snapshot()
        let snapshot = try await database.store(memory, version: writer.snapshotVersion, replica: writer.replica, at: position)
        await writer.haveKept(entries)
        try await database.deleteOldSnapshots(replica: writer.replica)
        return snapshot
    }
}
