import Contracts
import Foundation
import RecordCoding
import Records

/// A feature set as it is printed and kept.
struct Catalogue: Codable, Hashable {
    struct Feature: Codable, Hashable {
        var name: String
        var entity: String
        var aggregation: String
        var windowSeconds: Int64
        var delaySeconds: Int64
        var type: String
        var owner: String
        var description: String
        /// Nil in older lists and of an older store.
        var restsOnLabels: Bool?

        /// Whether it is declared so too, as far as both say.
        func isDeclared(as other: Feature) -> Bool {
            var own = self
            own.restsOnLabels = other.restsOnLabels
            return own == other
        }

        var lines: [String] {
            [
                "name         \(name)", "entity       \(entity)", "aggregation  \(aggregation)", "window       \(Self.span(windowSeconds))",
                "delay        \(Self.span(delaySeconds))", "type         \(type)", "owner        \(owner)", "description  \(description)",
            ] + (restsOnLabels == true ? ["labels       rests on them, and on the delay without one after which a payment counts as genuine"] : [])
        }

        fileprivate static func span(_ seconds: Int64) -> String {
            if seconds == 0 { return "none" }
            return seconds % 86_400 == 0 ? "\(seconds / 86_400) d" : "\(seconds) s"
        }
    }

    struct Change: Codable, Hashable {
        /// `added`, `removed`, `changed`, `moved`; `recomputed` of all, without a feature's name.
        var kind: String
        var feature: String
        var what: String

        var line: String { feature.isEmpty ? what : "\(kind)  \(feature)\(what.isEmpty ? "" : "  \(what)")" }
    }

    /// By which all features are computed.
    struct Computation: Codable, Hashable {
        var labelDelaySeconds: Int64
        /// East of UTC.
        var utcOffsetSeconds: Int
        var engineRevision: Int

        /// - Parameter resting: the names of what rests on labels.
        fileprivate func changes(since old: Computation, resting: [String]) -> [Change] {
            let named = resting.isEmpty ? "" : " (\(resting.joined(separator: ", ")))"
            let facts = [
                ("what rests on labels\(named)", "their delay", Feature.span(old.labelDelaySeconds), Feature.span(labelDelaySeconds)),
                ("night and weekend of payments without a zone", "clock", Self.clock(old.utcOffsetSeconds), Self.clock(utcOffsetSeconds)),
                ("the same views", "revision", "\(old.engineRevision)", "\(engineRevision)"),
            ]
            return facts.filter { $0.2 != $0.3 }.map { views, by, was, now in
                Change(kind: "recomputed", feature: "", what: "\(views), computed otherwise: \(by) \(was) → \(now)")
            }
        }

        private static func clock(_ offsetSeconds: Int) -> String {
            let minutes = abs(offsetSeconds) / 60
            return "UTC" + (minutes == 0 ? "" : String(format: "%@%02d:%02d", offsetSeconds < 0 ? "-" : "+", minutes / 60, minutes % 60))
        }
    }

    var version: String
    var features: [Feature]
    /// Nil in older lists and of an older store.
    var computation: Computation?
    /// Of accounts, cards, devices, merchants, pairs and cells; not part of the vectors that models are trained on. Nil in older lists.
    var behaviourVersion: String?
    var behaviours: [Feature]?

    var all: [Feature] { features + (behaviours ?? []) }

    /// By what all are computed otherwise; then what is another feature or the same one otherwise, in the order of the names. Where nothing
    /// else says why the version is another, one change says that it is.
    func changes(since old: Catalogue) -> [Change] {
        var computation: [Change] = []
        if let was = old.computation, let now = self.computation {
            computation = now.changes(since: was, resting: features.filter { $0.restsOnLabels == true }.map(\.name))
        }
        let changes =
            Self.changes(of: "feature set", from: (old.version, old.features), to: (version, features), beside: computation)
            + Self.changes(of: "behaviour", from: (old.behaviourVersion, old.behaviours ?? []), to: (behaviourVersion, behaviours ?? []))
        return computation + changes.sorted { ($0.feature, $0.kind) < ($1.feature, $1.kind) }
    }

    private typealias Part = (version: String?, features: [Feature])

    private static func changes(of name: String, from old: Part, to new: Part, beside others: [Change] = []) -> [Change] {
        let before = Dictionary(old.features.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var changes: [Change] = []
        for feature in new.features {
            guard let was = before[feature.name], !feature.isDeclared(as: was) else { continue }
            changes.append(Change(kind: "changed", feature: feature.name, what: Self.difference(was, feature)))
        }
        // What only makes room for another, or closes its gap, has not moved.
        for step in new.features.map(\.name).difference(from: old.features.map(\.name)).inferringMoves() {
            switch step {
            case .insert(_, let name, nil): changes.append(Change(kind: "added", feature: name, what: ""))
            case .insert(let place, let name, let oldPlace?):
                changes.append(Change(kind: "moved", feature: name, what: "from \(oldPlace) to \(place)"))
            case .remove(_, let name, nil): changes.append(Change(kind: "removed", feature: name, what: ""))
            case .remove: break
            }
        }
        if changes.isEmpty, others.isEmpty, let was = old.version, let version = new.version, was != version {
            changes.append(
                Change(kind: "recomputed", feature: "", what: "the same views, computed otherwise: \(name) version \(was) → \(version)"))
        }
        return changes
    }

    private static func difference(_ old: Feature, _ new: Feature) -> String {
        var new = new
        new.restsOnLabels = old.restsOnLabels
        return zip(old.lines, new.lines).filter { $0 != $1 }.map { "\($0) → \($1.drop { $0 != " " }.drop { $0 == " " })" }.joined(separator: "; ")
    }
}

extension Catalogue {
    /// As `vigil features list --format json` prints it.
    /// - Throws: `PlaceFault` for anything else.
    init(list text: String, at path: String) throws {
        guard let list = try? JSONDecoder().decode(Catalogue.self, from: Data(text.utf8)) else {
            throw PlaceFault(description: "\(path) is not what `vigil features list --format json` prints")
        }
        var seen: Set<String> = []
        if let twice = list.all.first(where: { !seen.insert($0.name).inserted }) {
            throw PlaceFault(description: "\(path) is not what `vigil features list --format json` prints: it has \(twice.name) twice")
        }
        self = list
    }

    init(_ response: FeaturesV1.DescribeFeatureSetResponse) {
        func feature(_ message: FeaturesV1.Feature) -> Feature {
            Feature(
                name: message.name, entity: message.entity, aggregation: message.aggregation, windowSeconds: message.windowSeconds,
                delaySeconds: message.delaySeconds, type: message.type, owner: message.owner, description: message.description,
                restsOnLabels: message.restsOnLabels)
        }
        self.init(
            version: response.version, features: response.features.map(feature),
            computation: response.computation.map {
                Computation(
                    labelDelaySeconds: $0.labelDelaySeconds, utcOffsetSeconds: Int($0.utcOffsetSeconds), engineRevision: Int($0.engineRevision))
            },
            behaviourVersion: response.behaviourVersion, behaviours: response.behaviours.map(feature))
    }
}

/// The health of features as it is printed.
struct HealthReport: Encodable {
    struct Feature: Encodable {
        var name: String
        var observations: Int64
        /// Of those with a value.
        var newestEventTime: String?
        var nullRate: Double?
        var referenceNullRate: Double?
        var populationStabilityIndex: Double?
        var mean: Double?
    }

    var store: String
    var featureSetVersion: String
    var observations: Int64
    var newestEventTime: String?
    var referenceFrom: String?
    var referenceTo: String?
    var features: [Feature]

    init(_ response: FeaturesV1.GetFeatureHealthResponse, of store: String) {
        func known(_ value: Double) -> Double? { value.isNaN ? nil : value }
        self.store = store
        featureSetVersion = response.featureSetVersion
        observations = response.observations
        newestEventTime = response.newestEventTime.flatMap(Timestamp.init)?.iso8601
        referenceFrom = response.referenceFrom.flatMap(Timestamp.init)?.iso8601
        referenceTo = response.referenceTo.flatMap(Timestamp.init)?.iso8601
        features = (response.features + response.behaviours).map {
            Feature(
                name: $0.name, observations: $0.observations, newestEventTime: $0.newestEventTime.flatMap(Timestamp.init)?.iso8601,
                nullRate: known($0.nullRate), referenceNullRate: known($0.referenceNullRate),
                populationStabilityIndex: known($0.populationStabilityIndex), mean: known($0.mean))
        }
    }

    /// Those that are further from the reference than `limit`.
    func drifted(above limit: Double) -> [String] {
        features.compactMap { feature in
            guard let index = feature.populationStabilityIndex, index > limit else { return nil }
            return "\(store): \(feature.name) has a PSI of \(String(format: "%.3f", index))"
        }
    }

    var lines: [String] {
        func short(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "–" }
        let head = "\(store): \(observations) latest observations, newest event \(newestEventTime ?? "none")"
        return [head] + features.map {
            "  \($0.name)  of \($0.observations)  null \(short($0.nullRate))  psi \(short($0.populationStabilityIndex))  mean \(short($0.mean))"
                + "  newest \($0.newestEventTime ?? "–")"
        }
    }
}
