import Models
import SeededRandom
import Testing

@Suite struct XGBoostModelTests {
    @Test(arguments: ["logistic", "dart", "poisson"], ["json", "ubj"])
    func `a model trained elsewhere scores as XGBoost scores it`(name: String, format: String) throws {
        let model = try XGBoostModel(try Fixture.bytes("\(name).\(format)"))
        let expected = try Fixture.decode(Fixture.Expected.self, "\(name).expected.json")
        #expect(model.featureNames == ["a", "b", "c", "d", "e"])
        let batch = model.forest.margins(rows: expected.values.flatMap { $0 })
        for (index, row) in expected.values.enumerated() {
            let margin = model.forest.margin(row)
            #expect(abs(margin - expected.margins[index]) < 1e-6)
            #expect(abs(model.forest.prediction(margin: margin) - expected.predictions[index]) < 1e-6)
            #expect(batch[index] == margin)
        }
    }

    @Test(arguments: ["logistic", "dart", "poisson"])
    func `Shapley values equal XGBoost's`(name: String) throws {
        let forest = try XGBoostModel(try Fixture.bytes("\(name).json")).forest
        let expected = try Fixture.decode(Fixture.Expected.self, "\(name).expected.json")
        let shap = TreeSHAP(forest)
        for (row, contributions) in zip(expected.values, expected.contributions) {
            for (ours, theirs) in zip(shap.contributions(row) + [shap.expectedMargin], contributions) { #expect(abs(ours - theirs) < 1e-5) }
        }
    }

    @Test func `JSON and UBJSON hold the same forest`() throws {
        #expect(try XGBoostModel(try Fixture.bytes("logistic.json")).forest == XGBoostModel(try Fixture.bytes("logistic.ubj")).forest)
    }

    @Test(arguments: ["json", "ubj"])
    func `a truncated model is refused`(format: String) throws {
        let bytes = try Fixture.bytes("logistic.\(format)")
        for length in [0, 1, 2, 100, bytes.count / 2, bytes.count - 1] {
            #expect(throws: ForestError.self) { try XGBoostModel(Array(bytes.prefix(length))) }
        }
    }

    @Test(arguments: ["json", "ubj"])
    func `a damaged model is refused or still scores`(format: String) throws {
        let bytes = try Fixture.bytes("logistic.\(format)")
        var random = SplitMix64(seed: 11)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<3 { damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            guard let model = try? XGBoostModel(damaged) else { continue }
            _ = model.forest.margin([Float](repeating: 0.5, count: model.forest.featureCount))
        }
    }

    @Test(arguments: [
        ("\"gbtree\"", "\"gblinear\""), ("binary:logistic", "multi:softprob"), ("\"num_feature\":\"5\"", "\"num_feature\":\"1\""),
        ("\"left_children\":[1", "\"left_children\":[0"), ("\"left_children\":[1", "\"left_children\":[99"),
    ])
    func `what cannot be scored is refused with a reason`(from: String, to: String) throws {
        let text = String(decoding: try Fixture.bytes("logistic.json"), as: UTF8.self)
        #expect(text.contains(from))
        let error = #expect(throws: ForestError.self) { try XGBoostModel(Array(text.replacing(from, with: to).utf8)) }
        #expect(error?.description.isEmpty == false)
    }
}
