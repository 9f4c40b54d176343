import Features
import Records

/// What `manifest.json` says.
public struct BundleManifest: Sendable, Hashable, Codable {
    public struct Features: Sendable, Hashable, Codable {
        public var name: String
        /// `FeatureSet.version`
        public var version: String
        public var labelDelaySeconds: Int
        public var utcOffsetSeconds: Int
        /// In the order of a row's values.
        public var list: [FeatureDescription]

        init(_ set: FeatureSet) {
            name = set.name
            version = set.version
            labelDelaySeconds = Int(set.labelDelay.seconds)
            utcOffsetSeconds = set.utcOffsetSeconds
            list = set.definitions.map { FeatureDescription($0) }
        }
    }

    public struct File: Sendable, Hashable, Codable {
        public var name: String
        public var bytes: Int
        /// Lower-case hexadecimal.
        public var sha256: String
    }

    public var format: Int
    /// `fraud-2026.11.22-1a2b3c4d`
    public var version: String
    public var kind: String
    /// ISO 8601, UTC.
    public var createdAt: String
    public var features: Features
    public var calibration: BetaCalibration
    /// What other signals add to the classifier; nil in bundles of the classifier alone, as builds before made them.
    public var ensemble: Ensemble?
    public var thresholds: FraudModel.Thresholds
    public var training: TrainingRecord
    /// By name, for instance `average_precision`; only finite ones.
    public var metrics: [String: Double]
    /// Nil where too little was held out.
    public var conformal: ConformalThresholds?
    /// How each feature was distributed over the training rows, in the order of `features.list`.
    public var reference: [ReferenceDistribution]?
    /// Of held-out scores, by the customers' homes; the largest districts first.
    public var districts: [DistrictRecord]?
    public var files: [File]
}

/// How a model was trained: enough to train it again.
public struct TrainingRecord: Sendable, Hashable, Codable {
    /// What data it was, for people: a file's name, `simulation`.
    public var source: String
    /// SHA-256 over the transactions and labels, lower-case hexadecimal.
    public var dataSHA256: String
    /// Event times of the training rows, ISO 8601.
    public var from: String
    public var to: String
    public var rows: Int
    public var frauds: Int
    public var seed: UInt64
    public var rounds: Int
    /// The trainer's own parameters.
    public var parameters: [String: String]
    /// The trainer and its version.
    public var trainer: String
    /// ISO 4217 codes of the training payments' amounts, sorted; nil in a bundle from before they were recorded.
    public var currencies: [String]?

    public init(
        source: String, dataSHA256: String, from: String, to: String, rows: Int, frauds: Int, seed: UInt64, rounds: Int,
        parameters: [String: String], trainer: String, currencies: [String]? = nil
    ) {
        self.source = source
        self.dataSHA256 = dataSHA256
        self.from = from
        self.to = to
        self.rows = rows
        self.frauds = frauds
        self.seed = seed
        self.rounds = rounds
        self.parameters = parameters
        self.trainer = trainer
        self.currencies = currencies
    }
}
