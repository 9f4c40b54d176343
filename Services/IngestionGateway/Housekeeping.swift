import Logging
import RPC
import ServiceRuntime

/// What is due every now and then: partitions for the months to come, retention, identifiers under keys that are to go.
struct Housekeeping: Sendable {
    static let interval = Duration.seconds(3_600)

    let privacy: PrivacyDatabase
    let keeper: IdentifierKeeper
    let retentionDays: Int?
    let logger: Logger

    func run() async throws {
        while true {
            do {
                try await privacy.createPartitions()
                if let retentionDays {
                    let dropped = try await privacy.applyRetention(keepDays: retentionDays, dryRun: false, actor: "retention")
                    for partition in dropped { logger.notice("partition dropped", metadata: ["name": "\(partition.name)"]) }
                }
                try await keeper.reseal(privacy, logger: logger)
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
