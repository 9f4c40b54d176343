import Logging
import Models
import Records
import Synchronization

/// The model that decides now, as the registry says it; every replica looks every so often, so a promotion anywhere
/// reaches all without a restart.
final class Champion: Sendable {
    private let database: ModelServerDatabase
    private let alertThreshold: Double?
    private let logger: Logger
    private let current = Mutex<Scorer?>(nil)
    private let alongside = Mutex<[Scorer]>([])

    /// - Parameter alertThreshold: in place of the bundle's own.
    init(database: ModelServerDatabase, alertThreshold: Double?, logger: Logger) {
        self.database = database
        self.alertThreshold = alertThreshold
        self.logger = logger
    }

    /// Nil until a model has been promoted.
    var scorer: Scorer? { current.withLock { $0 } }

    /// Models that score along without deciding.
    var shadows: [Scorer] { alongside.withLock { $0 } }

    func refresh() async throws {
        try await refreshShadows()
        guard let version = try await database.registry.championVersion(), version != scorer?.version else { return }
        guard let scorer = try await scorer(ofModel: version) else { return }
        current.withLock { $0 = scorer }
        logger.info("champion", metadata: ["version": "\(version)", "alert_threshold": "\(scorer.alertThreshold)"])
    }

    private func refreshShadows() async throws {
        let versions = try await database.registry.shadowVersions()
        guard versions != shadows.map(\.version) else { return }
        var scorers: [Scorer] = []
        for version in versions {
            if let scorer = try await scorer(ofModel: version) { scorers.append(scorer) }
        }
        alongside.withLock { [scorers] in $0 = scorers }
        logger.info("shadows", metadata: ["versions": "\(versions.joined(separator: ", "))"])
    }

    /// A registered model, as it decides or decided; nil if there is none of that version.
    func scorer(ofModel version: String) async throws -> Scorer? {
        if let scorer, scorer.version == version { return scorer }
        let files = try await database.registry.files(ofModel: version)
        guard !files.isEmpty else { return nil }
        return scorer(of: try ModelBundle(files: files))
    }

    func scorer(of bundle: ModelBundle) -> Scorer {
        Scorer(bundle: bundle, alertThreshold: alertThreshold ?? bundle.manifest.thresholds.fraud)
    }

    /// Looks for another champion until cancelled. What fails now may go better the next time.
    func keepCurrent(everySeconds seconds: Double) async throws {
        while true {
            do {
                try await refresh()
            } catch {
                try Task.checkCancellation()
                logger.warning("the champion could not be loaded", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: .seconds(seconds))
        }
    }
}
