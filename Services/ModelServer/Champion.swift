import Logging
import Models
import Records
import Synchronization

/// The model that decides now, as the registry says it; every replica looks every so often, so a promotion anywhere
/// reaches all without a restart.
final class Champion: Sendable {
    /// Models kept at hand, each for other features.
    private static let maxDeciding = 3

    private let database: ModelServerDatabase
    private let alertThreshold: Double?
    private let logger: Logger
    /// What the registry says, the champion first, and those of them that could be loaded.
    private let deciding = Mutex((versions: [String](), scorers: [Scorer]()))
    private let alongside = Mutex<[Scorer]>([])

    /// - Parameter alertThreshold: in place of the bundle's own.
    init(database: ModelServerDatabase, alertThreshold: Double?, logger: Logger) {
        self.database = database
        self.alertThreshold = alertThreshold
        self.logger = logger
    }

    /// Nil until a model has been promoted.
    var scorer: Scorer? { deciding.withLock { $0.scorers.first } }

    /// The model that decides on payments with the features of a set: the champion or, if it was trained on others, the one that was champion
    /// last of those that were trained on these. Nil if none was. So what was observed before the features changed, or is until they do, is
    /// decided on whichever side of the promotion it comes.
    func scorer(ofFeatures version: String) -> Scorer? {
        deciding.withLock { $0.scorers.first { $0.featureSetVersion == version } }
    }

    /// Models that score along without deciding.
    var shadows: [Scorer] { alongside.withLock { $0 } }

    func refresh() async throws {
        try await refreshShadows()
        let versions = try await database.registry.decidingVersions(limit: Self.maxDeciding)
        guard let first = versions.first, versions != deciding.withLock({ $0.versions }) else { return }
        guard let scorer = try await scorer(ofModel: first) else { return }
        var scorers = [scorer]
        for version in versions.dropFirst() {
            do {
                if let former = try await self.scorer(ofModel: version) { scorers.append(former) }
            } catch let error as BundleError {
                logger.warning("a former champion cannot be read", metadata: ["version": "\(version)", "reason": "\(error)"])
            }
        }
        deciding.withLock { [scorers] in $0 = (versions, scorers) }
        logger.info(
            "champion",
            metadata: [
                "version": "\(scorer.version)", "features": "\(scorer.featureSetVersion)", "alert_threshold": "\(scorer.alertThreshold)",
                "for_other_features": "\(scorers.dropFirst().map(\.version).joined(separator: ", "))",
            ])
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
        if let scorer = deciding.withLock({ $0.scorers.first { $0.version == version } }) { return scorer }
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
