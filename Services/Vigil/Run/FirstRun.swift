import Foundation

/// What the first `vigil run` has already done in this home, so that the second does not do it again.
struct FirstRun {
    let home: SuiteHome

    /// Written when the bundle is whole; holds its path.
    var modelMarker: String { "\(home.sample)/trained" }
    /// Written when the last record of the simulated day was acknowledged.
    var replayMarker: String { "\(home.sample)/replayed" }

    var hasModel: Bool { FileManager.default.fileExists(atPath: modelMarker) }
    var hasReplayed: Bool { FileManager.default.fileExists(atPath: replayMarker) }
}
