import Features
import Models

/// Trains the ensemble: each part on all customers but its share of them.
struct EnsembleTrainer {
    let options: TrainingOptions
    let table: FeatureTable
    /// For each row of the table.
    let isFraud: [Bool]
    /// For each row, which part leaves it out.
    let partOfRow: [Int]

    struct Result {
        let forest: Forest
        /// For each row the margin of the part that never saw its customer.
        let heldOutMargins: [Float]
    }

    func run(progress: (TrainingProgress) -> Void) throws -> Result {
        let parts = options.parts
        let frauds = isFraud.reduce(0) { $0 + ($1 ? 1 : 0) }
        let rate = Double(frauds) / Double(isFraud.count)
        var forests: [Forest] = []
        var heldOut = [Float](repeating: 0, count: isFraud.count)
        for part in 0..<parts {
            let rows = partOfRow.indices.filter { parts == 1 || partOfRow[$0] != part }
            guard rows.contains(where: { isFraud[$0] }), rows.contains(where: { !isFraud[$0] }) else {
                throw TrainingError(.data, "too few frauds or customers to train \(parts) parts: use more history, or fewer parts")
            }
            let seen = parts == 1 ? table : table.selecting(rows)
            let matrix = try DataMatrix(
                rows: seen.values, columnCount: table.set.count, labels: rows.map { isFraud[$0] ? 1 : 0 },
                threads: options.threads)
            let booster = try Booster(on: matrix, parameters: parameters(part: part, rate: rate))
            for round in 0..<options.rounds {
                try booster.boost()
                progress(.trees(done: part * options.rounds + round + 1, total: parts * options.rounds))
            }
            let forest = try XGBoostModel(try booster.encoded()).forest
            forests.append(forest)
            if parts == 1 {
                // Of what it was trained on the trainer knows the margins already; they are those of the forest.
                heldOut = try booster.margins(of: matrix)
                continue
            }
            let apart = partOfRow.indices.filter { partOfRow[$0] == part }
            for (row, margin) in zip(apart, forest.margins(rows: table.selecting(apart).values)) { heldOut[row] = margin }
        }
        return Result(forest: try Forest(averaging: forests), heldOutMargins: heldOut)
    }

    /// What the bundle records of the parameters.
    func record(rate: Double) -> [String: String] {
        var record = ["parts": "\(options.parts)"]
        for (name, value) in parameters(part: 0, rate: rate) { record[name] = value }
        return record
    }

    /// What XGBoost is told.
    func parameters(part: Int, rate: Double) -> [(name: String, value: String)] {
        var list: [(name: String, value: String)] = [
            ("objective", "binary:logistic"), ("tree_method", "hist"), ("max_bin", "256"), ("base_score", "\(Float(rate))"),
            ("eta", "\(options.learningRate)"), ("max_depth", "\(options.maxDepth)"), ("min_child_weight", "\(options.minChildWeight)"),
            ("subsample", "\(options.rowShare)"), ("colsample_bytree", "\(options.featureShare)"), ("lambda", "\(options.lambda)"),
            ("seed", "\((options.seed &+ UInt64(part)) & 0x7fff_ffff)"), ("nthread", "\(options.threads)"), ("verbosity", "0"),
        ]
        let directions = table.set.definitions.map(\.monotonicity)
        if options.holdsMonotonicity, directions.contains(where: { $0 != .none }) {
            list.append(("monotone_constraints", "(" + directions.map { "\($0.rawValue)" }.joined(separator: ",") + ")"))
        }
        return list
    }
}
