import Contracts
import StandardContracts
import Testing

@testable import Vigil

@Suite struct ServedFeaturesTests {
    private let served = ServedFeatures(version: "new")

    private func model(_ version: String, of features: String, _ stage: ModelsV1.ModelStage, promoted seconds: Int64? = nil) -> ModelsV1.Model {
        .init(version: version, stage: stage, featureSetVersion: features, promotedAt: seconds.map { .init(seconds: $0) })
    }

    @Test func theChampionThatTakesThemDecidesAndNothingNeedBeSaid() {
        let models = [model("a", of: "new", .champion, promoted: 1), model("b", of: "new", .retired, promoted: 2)]
        #expect(served.decidingModel(among: models)?.version == "a")
        #expect(served.caution(about: models) == nil)
    }

    @Test func theLastChampionThatTookThemDecidesWhereTheChampionDoesNot() {
        let models = [
            model("a", of: "other", .champion, promoted: 9), model("b", of: "new", .retired, promoted: 1),
            model("c", of: "new", .retired, promoted: 2), model("d", of: "new", .challenger),
        ]
        #expect(served.decidingModel(among: models)?.version == "c")
        #expect(served.caution(about: models)?.contains("c decides") == true)
    }

    @Test func whereNoPromotedModelTakesThemPaymentsArePendingAndItIsSaid() {
        let models = [model("a", of: "other", .champion, promoted: 9), model("d", of: "new", .challenger)]
        #expect(served.decidingModel(among: models) == nil)
        #expect(served.caution(about: models)?.contains("PENDING") == true)
        #expect(served.caution(about: []) != nil)
    }
}
