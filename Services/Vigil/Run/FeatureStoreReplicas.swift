import Foundation
import ServiceRuntime

/// The feature stores that `vigil run` starts: one that keeps everything, or several that keep a slice each.
///
/// Once there have been several, even one alone is a ring, of a higher generation than the last: `feature-stores.json` remembers it.
struct FeatureStoreReplicas: Codable, Equatable {
    static let mostAtOnce = 16

    var generation: Int
    /// Also the children's names; the first is that of the service.
    var names: [String]

    /// Nil where one store keeps everything, as it always has.
    static func prepare(count: Int, file: String) throws(LaunchError) -> FeatureStoreReplicas? {
        let before = FileManager.default.contents(atPath: file).flatMap { try? JSONDecoder().decode(Self.self, from: $0) }
        if before == nil, FileManager.default.fileExists(atPath: file) { throw LaunchError("\(file) cannot be read") }
        guard count > 1 || before != nil else { return nil }
        let first = ServiceIdentity.featureStore.name
        let names = [first] + (1..<max(count, 1)).map { "\(first)-\($0 + 1)" }
        if let before, before.names == names { return before }
        let now = FeatureStoreReplicas(generation: (before?.generation ?? 0) + 1, names: names)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(now) else { throw LaunchError("\(file) cannot be written") }
        try SuiteHome.write(Array(data) + [10], to: file)
        return now
    }

    /// What callers and replicas must agree on.
    func variables(url: (String) -> String) -> [String: String] {
        [
            "VIGIL_FEATURES_REPLICAS": names.map { "\($0)=\(url($0))" }.joined(separator: ","),
            "VIGIL_FEATURES_RING_GENERATION": String(generation),
        ]
    }
}
