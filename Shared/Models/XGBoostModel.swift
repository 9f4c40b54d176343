#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A model that XGBoost trained, here or elsewhere, read from its JSON or UBJSON file.
///
/// Taken are `gbtree` and `dart` boosters of one output, with numeric splits, for logistic, squared-error, Poisson and pairwise ranking
/// objectives; anything else is refused with its name. Source: XGBoost, "Introduction to Model IO", and its model schema.
public struct XGBoostModel: Sendable {
    public let forest: Forest
    /// As the trainer named them; empty if it did not.
    public let featureNames: [String]
    public let objective: String

    /// Reads JSON or UBJSON, told apart by the first bytes.
    public init(_ bytes: [UInt8]) throws(ForestError) {
        // Both open with a brace; JSON goes on with a quotation mark or white space, UBJSON with the marker of a length.
        let second = bytes.count > 1 ? bytes[1] : 0
        let isJSON = second == UInt8(ascii: "\"") || second <= 0x20
        let document = isJSON ? try ModelJSONReader.read(bytes) : try ModelUBJSONReader.read(bytes)
        guard let learner = document["learner"], let parameters = learner["learner_model_param"] else {
            throw ForestError("this is no XGBoost model: learner.learner_model_param is missing")
        }
        objective = learner["objective"]?["name"]?.string ?? ""
        featureNames = learner["feature_names"]?.elements?.compactMap(\.string) ?? []
        guard let featureCount = XGBoostModel.count(parameters["num_feature"]) else { throw ForestError("num_feature is missing") }
        guard (XGBoostModel.count(parameters["num_class"]) ?? 0) <= 1, (XGBoostModel.count(parameters["num_target"]) ?? 1) <= 1 else {
            throw ForestError("models of several outputs are not taken")
        }
        let (link, baseMargin) = try XGBoostModel.link(objective: objective, baseScore: parameters["base_score"])
        let (model, weights) = try XGBoostModel.booster(learner["gradient_booster"])
        guard let documents = model["trees"]?.elements else { throw ForestError("the trees are missing") }
        var trees: [Forest.Tree] = []
        for (number, document) in documents.enumerated() {
            trees.append(try XGBoostModel.tree(document, number: number, weight: weights.map { Float($0[number]) }))
        }
        forest = try Forest(trees: trees, featureCount: featureCount, baseMargin: baseMargin, link: link)
        guard featureNames.isEmpty || featureNames.count == featureCount else {
            throw ForestError("\(featureNames.count) feature names for \(featureCount) features")
        }
    }

    private static func count(_ value: ModelDocument?) -> Int? {
        value?.number.flatMap { $0 >= 0 && $0 <= 1e6 ? Int($0) : nil }
    }

    private static func link(objective: String, baseScore: ModelDocument?) throws(ForestError) -> (Forest.Link, Float) {
        // Version 3 writes a list of one, as text.
        let text = baseScore?.string.map { String($0.filter { $0 != "[" && $0 != "]" }) }
        guard let score = text.flatMap(Float.init) ?? baseScore?.number.map(Float.init) else { throw ForestError("base_score is missing") }
        switch objective {
        case "binary:logistic", "reg:logistic": return (.logistic, -logf(1 / score - 1))
        case "binary:logitraw": return (.identity, -logf(1 / score - 1))
        case "count:poisson": return (.exponential, logf(score))
        case "reg:squarederror", "reg:squaredlogerror", "reg:absoluteerror", "reg:pseudohubererror", "rank:pairwise", "rank:ndcg",
            "rank:map":
            return (.identity, score)
        default: throw ForestError("objective '\(objective)' is not taken")
        }
    }

    private static func booster(_ booster: ModelDocument?) throws(ForestError) -> (model: ModelDocument, weights: [Double]?) {
        switch booster?["name"]?.string {
        case "gbtree":
            if let model = booster?["model"] { return (model, nil) }
        case "dart":
            if let model = booster?["gbtree"]?["model"], let weights = booster?["weight_drop"]?.numbers,
                weights.count == model["trees"]?.elements?.count
            {
                return (model, weights)
            }
        case let name: throw ForestError("booster '\(name ?? "")' is not taken")
        }
        throw ForestError("the booster's model is missing")
    }

    private static func tree(_ document: ModelDocument, number: Int, weight: Float?) throws(ForestError) -> Forest.Tree {
        func numbers(_ key: String) throws(ForestError) -> [Double] {
            guard let values = document[key]?.numbers ?? document[key]?.elements?.compactMap(\.number) else {
                throw ForestError("tree \(number) has no \(key)")
            }
            return values
        }
        func integers(_ key: String) throws(ForestError) -> [Int] {
            let values = try numbers(key)
            guard values.allSatisfy({ $0.magnitude < 4e9 }) else { throw ForestError("tree \(number) has a bad \(key)") }
            return values.map { Int($0) }
        }
        if let types = document["split_type"]?.numbers, types.contains(where: { $0 != 0 }) {
            throw ForestError("tree \(number) splits on categories, which is not taken")
        }
        let left = try integers("left_children")
        var values = try numbers("split_conditions").map { Float($0) }
        if let weight {
            for index in values.indices where index < left.count && left[index] < 0 { values[index] *= weight }
        }
        return Forest.Tree(
            leftChildren: left, rightChildren: try integers("right_children"), splitFeatures: try integers("split_indices"),
            splitValues: values, missingGoLeft: try numbers("default_left").map { $0 != 0 },
            covers: try numbers("sum_hessian").map { Float($0) })
    }
}
