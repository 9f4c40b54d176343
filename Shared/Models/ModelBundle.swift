import Crypto
public import Features
import Foundation
public import Records

/// A trained model with all that is needed to serve, check and repeat it: a directory of a few files.
///
/// | file | holds |
/// | --- | --- |
/// | `manifest.json` | version, features, calibration, thresholds, metrics, how it was trained, and the SHA-256 of every other file |
/// | `forest.bin` | the trees, see `Forest.encoded` |
/// | `manifest.sig` | a signature over the manifest, if somebody signed it |
/// | `card.md` | the manifest for people, see `ModelCard`; written along, never read |
///
/// The version is made from the content: the day of the last payment that it was trained on, and the first eight hexadecimal digits of the
/// SHA-256 of the manifest with empty version and date. So the same data, options and seed make the same version whenever they do.
public struct ModelBundle: Sendable {
    public let manifest: BundleManifest
    public let model: FraudModel
    private let forestBytes: [UInt8]
    let manifestBytes: [UInt8]
    /// DER; nil if nobody signed.
    var signature: [UInt8]?

    /// The format that this code writes and reads.
    public static let format = 1
    public static let manifestName = "manifest.json"
    public static let forestName = "forest.bin"
    public static let cardName = "card.md"
    /// No file of a bundle may be larger.
    public static let maxFileBytes = 256 << 20

    /// Puts a bundle together and gives it its version.
    ///
    /// - Parameter createdAt: for the record; the version does not depend on it.
    public init(
        forest: Forest, features: FeatureSet, calibration: BetaCalibration, thresholds: FraudModel.Thresholds, training: TrainingRecord,
        metrics: [String: Double], ensemble: Ensemble? = nil, conformal: ConformalThresholds? = nil,
        reference: [ReferenceDistribution]? = nil, districts: [DistrictRecord]? = nil, createdAt: Timestamp
    ) throws(BundleError) {
        forestBytes = forest.encoded
        var manifest = BundleManifest(
            format: ModelBundle.format, version: "", kind: "fraud", createdAt: createdAt.iso8601, features: .init(features),
            calibration: calibration, ensemble: ensemble, thresholds: thresholds, training: training, metrics: metrics,
            conformal: conformal, reference: reference, districts: districts,
            files: [.init(name: ModelBundle.forestName, bytes: forestBytes.count, sha256: Self.sha256(forestBytes))])
        manifest.version = Self.version(of: manifest)
        manifestBytes = Self.encode(manifest)
        self.manifest = manifest
        model = try Self.model(manifest, forestBytes: forestBytes)
    }

    /// Reads a bundle's files from memory.
    public init(files: [String: [UInt8]]) throws(BundleError) {
        guard let manifestBytes = files[Self.manifestName] else { throw BundleError(.missingFile, "\(Self.manifestName) is missing") }
        let decoder = JSONDecoder()
        guard let format = try? decoder.decode(FormatOnly.self, from: Data(manifestBytes)) else {
            throw BundleError(.malformed, "\(Self.manifestName) is no bundle manifest")
        }
        guard format.format == Self.format else {
            throw BundleError(.otherFormat, "the bundle has format \(format.format), this build reads \(Self.format)")
        }
        do {
            manifest = try decoder.decode(BundleManifest.self, from: Data(manifestBytes))
        } catch {
            throw BundleError(.malformed, "\(Self.manifestName) \(Self.explain(error))")
        }
        for file in manifest.files {
            guard let bytes = files[file.name] else { throw BundleError(.missingFile, "\(file.name) is missing") }
            guard bytes.count == file.bytes else {
                throw BundleError(.corrupt, "\(file.name) has \(bytes.count) bytes, the manifest says \(file.bytes): truncated or changed")
            }
            guard Self.sha256(bytes) == file.sha256 else {
                throw BundleError(.corrupt, "\(file.name) is not what the manifest's hash says")
            }
        }
        guard [Self.version(of: manifest), Self.datedVersion(of: manifest)].contains(manifest.version) else {
            throw BundleError(.corrupt, "version \(manifest.version) is not that of the manifest's content")
        }
        guard manifest.files.contains(where: { $0.name == Self.forestName }), let forestBytes = files[Self.forestName] else {
            throw BundleError(.missingFile, "\(Self.forestName) is missing")
        }
        self.forestBytes = forestBytes
        self.manifestBytes = manifestBytes
        signature = files[Self.signatureName]
        model = try Self.model(manifest, forestBytes: forestBytes)
    }

    /// Reads a bundle's directory.
    /// - Throws: `BundleError`, which names the folder and what in it is at fault.
    public init(directory path: String) throws(BundleError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw BundleError(.missingFile, "there is no folder \(path)")
        }
        var files: [String: [UInt8]] = [:]
        for name in [Self.manifestName, Self.forestName, Self.signatureName] {
            let file = URL(fileURLWithPath: path).appendingPathComponent(name)
            if name == Self.signatureName, !FileManager.default.fileExists(atPath: file.path) { continue }
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: file.path) else {
                throw BundleError(.missingFile, "\(path) has no \(name)")
            }
            guard let size = attributes[.size] as? Int, size <= Self.maxFileBytes else {
                throw BundleError(.malformed, "\(file.path) is larger than \(Self.maxFileBytes) bytes")
            }
            guard let data = try? Data(contentsOf: file) else { throw BundleError(.missingFile, "\(file.path) cannot be read") }
            files[name] = [UInt8](data)
        }
        do {
            try self.init(files: files)
        } catch {
            throw BundleError(error.code, "the bundle \(path): \(error.description)")
        }
    }

    /// Whether a folder's card is the one that is written from this bundle's manifest, or missing. Nobody signs a card: it may have been
    /// changed, or be another release's.
    public func hasOwnCard(inFolder path: String) -> Bool {
        let card = URL(fileURLWithPath: path).appendingPathComponent(Self.cardName)
        guard let size = try? FileManager.default.attributesOfItem(atPath: card.path)[.size] as? Int else { return true }
        let own = Data(ModelCard(manifest).markdown.utf8)
        return size == own.count && (try? Data(contentsOf: card)) == own
    }

    public var version: String { manifest.version }

    /// Name and bytes of every file, as `write(to:)` writes them.
    public var files: [String: [UInt8]] {
        var files = [Self.manifestName: manifestBytes, Self.forestName: forestBytes]
        files[Self.signatureName] = signature
        return files
    }

    /// Refuses a place whose content a bundle must not replace: anything but an empty folder and a bundle with nothing beside it.
    public static func requireReplaceable(_ path: String) throws(BundleError) {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isFolder) else { return }
        guard isFolder.boolValue else { throw BundleError(.occupied, "\(path) is a file; name a folder for the bundle") }
        guard let names = try? manager.contentsOfDirectory(atPath: path) else { throw BundleError(.occupied, "\(path) cannot be read") }
        guard !names.isEmpty else { return }
        if let other = names.sorted().first(where: { ![manifestName, forestName, signatureName, cardName].contains($0) }) {
            throw BundleError(.occupied, "\(path) holds \(other), which is no part of a bundle; name an empty or a new folder")
        }
        let manifest = try? Data(contentsOf: URL(fileURLWithPath: path).appendingPathComponent(manifestName))
        guard let manifest, (try? JSONDecoder().decode(FormatOnly.self, from: manifest)) != nil else {
            throw BundleError(.occupied, "\(path) holds files, but no bundle's \(manifestName); name an empty or a new folder")
        }
    }

    /// Writes the bundle and its card as a directory, which appears whole or not at all; a bundle that was there is replaced.
    ///
    /// - Throws: `BundleError` where `requireReplaceable` refuses the place.
    public func write(to path: String) throws {
        try Self.requireReplaceable(path)
        let target = URL(fileURLWithPath: path)
        let parent = target.deletingLastPathComponent()
        let temporary = parent.appendingPathComponent(".\(target.lastPathComponent).\(UUID().uuidString)")
        let manager = FileManager.default
        try manager.createDirectory(at: temporary, withIntermediateDirectories: true)
        do {
            try Data(ModelCard(manifest).markdown.utf8).write(to: temporary.appendingPathComponent(Self.cardName))
            for (name, bytes) in files { try Data(bytes).write(to: temporary.appendingPathComponent(name)) }
            if manager.fileExists(atPath: target.path) { try manager.removeItem(at: target) }
            try manager.moveItem(at: temporary, to: target)
        } catch {
            try? manager.removeItem(at: temporary)
            throw error
        }
    }

    /// Refuses a feature set that computes other values than those the model was trained on.
    public func requireFeatures(of set: FeatureSet) throws(BundleError) {
        guard set.version == manifest.features.version, set.names == model.featureNames else {
            throw BundleError(
                .otherFeatures,
                """
                bundle \(version) was trained on features \(manifest.features.name) \(manifest.features.version), \
                this build computes \(set.name) \(set.version): train the bundle again, or use the build that made it
                """)
        }
    }

    /// The feature set that the model was trained on, computed by this build.
    public func featureSet() throws(BundleError) -> FeatureSet {
        let set = FeatureSet.payments(
            labelDelay: .seconds(manifest.features.labelDelaySeconds), utcOffsetSeconds: manifest.features.utcOffsetSeconds)
        try requireFeatures(of: set)
        return set
    }

    private static func model(_ manifest: BundleManifest, forestBytes: [UInt8]) throws(BundleError) -> FraudModel {
        let forest: Forest
        do {
            forest = try Forest(encoded: forestBytes)
        } catch {
            throw BundleError(.corrupt, "\(forestName): \(error)")
        }
        guard forest.featureCount == manifest.features.list.count else {
            throw BundleError(
                .corrupt, "the forest takes \(forest.featureCount) features, the manifest lists \(manifest.features.list.count)")
        }
        let calibration = manifest.calibration
        let thresholds = manifest.thresholds
        guard calibration.a >= 0, calibration.b >= 0, calibration.c.isFinite, (0...1).contains(thresholds.fraud),
            (0...1).contains(thresholds.review), manifest.ensemble?.isSound != false
        else { throw BundleError(.malformed, "calibration, ensemble or thresholds are out of range") }
        return FraudModel(
            version: manifest.version, features: manifest.features.list, forest: forest, calibration: calibration, thresholds: thresholds,
            ensemble: manifest.ensemble, conformal: manifest.conformal)
    }

    /// What is wrong with a manifest, by the path of the key.
    private static func explain(_ error: any Error) -> String {
        func name(_ path: [any CodingKey]) -> String { "`" + path.map(\.stringValue).joined(separator: ".") + "`" }
        switch error as? DecodingError {
        case .keyNotFound(let key, let context): return "lacks \(name(context.codingPath + [key]))"
        case .valueNotFound(_, let context): return "has no value for \(name(context.codingPath))"
        case .typeMismatch(_, let context): return "has a value of another kind for \(name(context.codingPath))"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty: return "has an impossible value for \(name(context.codingPath))"
        default: return "is no bundle manifest"
        }
    }

    private static func version(of manifest: BundleManifest) -> String {
        var undated = manifest
        undated.createdAt = ""
        return name(undated, date: manifest.training.to)
    }

    /// As builds before made it: of the moment of training too.
    private static func datedVersion(of manifest: BundleManifest) -> String { name(manifest, date: manifest.createdAt) }

    private static func name(_ manifest: BundleManifest, date: String) -> String {
        var unversioned = manifest
        unversioned.version = ""
        return "\(manifest.kind)-\(date.prefix(10).replacing("-", with: "."))-\(sha256(encode(unversioned)).prefix(8))"
    }

    private static func encode(_ manifest: BundleManifest) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        // Every member is plain text or a finite number, so that encoding cannot fail; see the checks where numbers come in.
        let data = try? encoder.encode(manifest)
        return [UInt8](data ?? Data())
    }

    private static func sha256(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(SHA256.hash(data: bytes).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private struct FormatOnly: Decodable {
        var format: Int
    }
}

/// Why a bundle is not taken.
public struct BundleError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        case missingFile
        case malformed
        /// Written by another version of Vigil.
        case otherFormat
        /// Truncated, or changed since it was written.
        case corrupt
        /// Trained on other features than those at hand.
        case otherFeatures
        /// Not signed, or not by a trusted key.
        case badSignature
        /// A key that is none.
        case badKey
        /// A place where something else lies.
        case occupied
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
