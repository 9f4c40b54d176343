/// How good a ranking of transactions by score is.
public enum RankingMetrics {
    /// The area under the receiver operating characteristic; ties count half. NaN without both classes.
    public static func areaUnderROC(scores: [Double], isPositive: [Bool]) -> Double {
        precondition(scores.count == isPositive.count, "one label a score")
        let ranks = Ranks(scores, isPositive)
        guard ranks.positives > 0, ranks.negatives > 0 else { return .nan }
        var negativesBelow = 0
        var wins = 0.0
        for place in ranks.scores.indices {
            negativesBelow += ranks.negativesBelow[place]
            wins += Double(ranks.positivesAt[place]) * (Double(negativesBelow) + Double(ranks.negativesAt[place]) / 2)
            negativesBelow += ranks.negativesAt[place]
        }
        return wins / (Double(ranks.positives) * Double(ranks.negatives))
    }

    /// Average precision as scikit-learn defines it: the sum over thresholds of precision times the gain in recall, without interpolation;
    /// equal scores share a threshold. NaN without positives.
    public static func averagePrecision(scores: [Double], isPositive: [Bool]) -> Double {
        precondition(scores.count == isPositive.count, "one label a score")
        let ranks = Ranks(scores, isPositive)
        guard ranks.positives > 0 else { return .nan }
        var found = 0
        var passed = ranks.negativesBelow[ranks.scores.count]
        var sum = 0.0
        for place in ranks.scores.indices.reversed() {
            found += ranks.positivesAt[place]
            passed += ranks.positivesAt[place] + ranks.negativesAt[place]
            sum += Double(ranks.positivesAt[place]) / Double(ranks.positives) * Double(found) / Double(passed)
            passed += ranks.negativesBelow[place]
        }
        return sum
    }

    /// Where the negatives lie among the scores of positives. Positives are few: only they are sorted, and the others counted between them.
    private struct Ranks {
        /// Of positives, ascending, each once.
        var scores: [Double]
        var positivesAt: [Int]
        var negativesAt: [Int]
        /// Above the score before; the last element counts those above all.
        var negativesBelow: [Int]
        let positives: Int
        let negatives: Int

        init(_ all: [Double], _ isPositive: [Bool]) {
            let sorted = zip(all, isPositive).lazy.filter(\.1).map(\.0).sorted()
            scores = []
            positivesAt = []
            for score in sorted {
                if score == scores.last {
                    positivesAt[positivesAt.count - 1] += 1
                } else {
                    scores.append(score)
                    positivesAt.append(1)
                }
            }
            negativesAt = positivesAt.map { _ in 0 }
            negativesBelow = negativesAt + [0]
            positives = sorted.count
            negatives = all.count - positives
            for (score, positive) in zip(all, isPositive) where !positive {
                var low = 0
                var high = scores.count
                while low < high {
                    let middle = (low + high) / 2
                    if scores[middle] < score { low = middle + 1 } else { high = middle }
                }
                if low < scores.count, scores[low] == score { negativesAt[low] += 1 } else { negativesBelow[low] += 1 }
            }
        }
    }

    /// One scored transaction of a test period.
    public struct ScoredPayment: Sendable {
        public var day: Int
        public var customer: String
        public var score: Double
        public var isFraud: Bool

        public init(day: Int, customer: String, score: Double, isFraud: Bool) {
            self.day = day
            self.customer = customer
            self.score = score
            self.isFraud = isFraud
        }
    }

    /// Card precision at k: for each day, the share of compromised cards among the k cards with the highest score (a card's score and
    /// label are the largest of its day's payments); cards found on one day are left out of later days; the mean over days.
    /// A day with fewer than k cards still divides by k. Ties go to the customer id that sorts first. NaN without payments.
    ///
    /// Source: Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection", 2022, section 4.4.
    public static func cardPrecision(_ payments: [ScoredPayment], top k: Int) -> Double {
        struct Card {
            var score: Double
            var isFraud: Bool
        }
        var found: Set<String> = []
        var precisions: [Double] = []
        for (_, ofDay) in Dictionary(grouping: payments, by: \.day).sorted(by: { $0.key < $1.key }) {
            var cards: [String: Card] = [:]
            for payment in ofDay where !found.contains(payment.customer) {
                let card = cards[payment.customer]
                cards[payment.customer] = Card(
                    score: max(card?.score ?? -.infinity, payment.score), isFraud: (card?.isFraud ?? false) || payment.isFraud)
            }
            let top = cards.sorted { ($1.value.score, $0.key) < ($0.value.score, $1.key) }.prefix(k)
            let hits = top.filter(\.value.isFraud).map(\.key)
            precisions.append(Double(hits.count) / Double(k))
            found.formUnion(hits)
        }
        return precisions.isEmpty ? .nan : precisions.reduce(0, +) / Double(precisions.count)
    }

    /// Expected calibration error over bins of equal width: the mean gap between stated and observed frequency, weighted by rows.
    public static func calibrationError(probabilities: [Double], isPositive: [Bool], bins: Int = 20) -> Double {
        calibrationError(of: reliability(probabilities: probabilities, isPositive: isPositive, bins: bins))
    }

    /// The same over bins that are there already; NaN without any.
    public static func calibrationError(of bins: [ReliabilityBin]) -> Double {
        bins.reduce(0) { $0 + abs($1.meanProbability - $1.observed) * Double($1.count) } / Double(bins.reduce(0) { $0 + $1.count })
    }

    /// Rows whose probabilities lie close to each other.
    public struct ReliabilityBin: Equatable, Sendable {
        public let meanProbability: Double
        /// The share that is positive.
        public let observed: Double
        public let count: Int
    }

    /// Stated against observed frequency in bins of equal width, the lowest first; without those that no row falls in.
    public static func reliability(probabilities: [Double], isPositive: [Bool], bins: Int = 10) -> [ReliabilityBin] {
        precondition(probabilities.count == isPositive.count, "one label a probability")
        var sums = [(stated: Double, positive: Int, count: Int)](repeating: (0, 0, 0), count: bins)
        for (probability, positive) in zip(probabilities, isPositive) {
            let bin = min(bins - 1, max(0, Int(probability * Double(bins))))
            sums[bin].stated += probability
            sums[bin].count += 1
            if positive { sums[bin].positive += 1 }
        }
        return sums.filter { $0.count > 0 }.map { sum in
            let count = Double(sum.count)
            return ReliabilityBin(meanProbability: sum.stated / count, observed: Double(sum.positive) / count, count: sum.count)
        }
    }
}
