import Logging
import RPC
import ServiceRuntime

/// What is due every now and then: partitions for the months to come, retention, what is sealed under keys that are to go.
struct Housekeeping: Sendable {
    static let interval = Duration.seconds(3_600)

    /// As long as a transaction's name is taken at least: so long a file can be gone on with, and tells what came of it.
    static let fileDays = 31

    let privacy: PrivacyDatabase
    let files: FileIntake
    let keeper: IdentifierKeeper
    let retentionDays: Int?
    let logger: Logger

    func run() async throws {
        while true {
            do {
                try await privacy.createPartitions()
                if let retentionDays {
                    let dropped = try await privacy.applyRetention(keepDays: retentionDays, dryRun: false, actor: "retention")
                    for partition in dropped.partitions { logger.notice("partition dropped", metadata: ["name": "\(partition.name)"]) }
                    if dropped.identifiers > 0 { logger.notice("identifiers dropped", metadata: ["count": "\(dropped.identifiers)"]) }
                }
                let stale = try await files.database.dropStale(days: Self.fileDays)
                if stale > 0 { logger.info("files forgotten", metadata: ["count": "\(stale)"]) }
                try await keeper.reseal(privacy, logger: logger)
                try await files.reseal(logger: logger)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                // The database may be away; partitions are made two months ahead, so the next time is early enough.
                logger.warning("housekeeping failed", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: Self.interval)
        }
    }
}
