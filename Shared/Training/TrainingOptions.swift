/// How to train.
public struct TrainingOptions: Sendable, Hashable {
    /// Trees in each part of the ensemble.
    public var rounds: Int
    public var learningRate: Double
    public var maxDepth: Int
    /// The least sum of hessians in a leaf; small, because frauds are rare and early hessians are large only near them.
    public var minChildWeight: Double
    /// Share of rows that each tree sees.
    public var rowShare: Double
    /// Share of features that each tree sees.
    public var featureShare: Double
    /// L2 regularisation of leaves.
    public var lambda: Double
    /// Parts of the ensemble. Each learns from all customers but its share of them, so that every row has a score from a part that never
    /// saw its customer: calibration and the stated metrics rest on those.
    public var parts: Int
    public var seed: UInt64
    /// Results may differ in the last bits between numbers of threads.
    public var threads: Int
    /// Whether to hold the directions that feature declarations state.
    public var holdsMonotonicity: Bool
    /// Scores from here on are labelled `review`, and `fraud`.
    public var reviewThreshold: Double
    public var fraudThreshold: Double
    /// What prediction sets are to hold the truth for.
    public var coverage: Double

    public init(
        rounds: Int = 150, learningRate: Double = 0.05, maxDepth: Int = 4, minChildWeight: Double = 3, rowShare: Double = 0.7,
        featureShare: Double = 0.5, lambda: Double = 1, parts: Int = 3, seed: UInt64 = 1, threads: Int = 2, holdsMonotonicity: Bool = true,
        reviewThreshold: Double = 0.1, fraudThreshold: Double = 0.5, coverage: Double = 0.95
    ) {
        self.rounds = rounds
        self.learningRate = learningRate
        self.maxDepth = maxDepth
        self.minChildWeight = minChildWeight
        self.rowShare = rowShare
        self.featureShare = featureShare
        self.lambda = lambda
        self.parts = parts
        self.seed = seed
        self.threads = threads
        self.holdsMonotonicity = holdsMonotonicity
        self.reviewThreshold = reviewThreshold
        self.fraudThreshold = fraudThreshold
        self.coverage = coverage
    }
}

/// How far training is.
public enum TrainingProgress: Sendable, Hashable {
    /// Point-in-time features, in transactions.
    case features(done: Int, total: Int)
    /// Trees, over all parts.
    case trees(done: Int, total: Int)
}
