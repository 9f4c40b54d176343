import ArgumentParser
import Contracts
import StandardContracts

/// The features that the running feature store serves, against those that models were trained on.
struct ServedFeatures {
    let version: String

    /// The model that decides on them: the champion, or that which was champion last of those that were trained on them.
    func decidingModel(among models: [ModelsV1.Model]) -> ModelsV1.Model? {
        let fitting = models.filter { $0.featureSetVersion == version }
        return fitting.first { $0.stage == .champion }
            ?? fitting.filter { $0.promotedAt != nil }.max { promotion($0) < promotion($1) }
    }

    private func promotion(_ model: ModelsV1.Model) -> (Int64, Int32) {
        (model.promotedAt?.seconds ?? 0, model.promotedAt?.nanos ?? 0)
    }

    /// What an operator must know; nil where the champion decides.
    func caution(about models: [ModelsV1.Model]) -> String? {
        guard let deciding = decidingModel(among: models) else {
            return "the feature store serves features \(version), and no model that was trained on them has been promoted: payments stay PENDING "
                + "until one is; `vigil train --from-suite --output bundle` trains one, `vigil models upload bundle --promote` promotes it"
        }
        guard deciding.stage != .champion else { return nil }
        return "the feature store serves features \(version), which the champion was not trained on: \(deciding.version) decides, the last "
            + "champion that was"
    }
}

extension ModelsCommand {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say which model decides on the features that the feature store serves.",
            discussion: """
                Another release, delay of labels or clock may serve other features, and a model takes only those that it was trained on. \
                Exit status 0 where a model decides, 1 where none does, so that payments stay PENDING.
                """)
        @OptionGroup var target: Target

        private struct Answer: Encodable {
            let featureSetVersion: String
            let decidingModel: String?
            let caution: String?
        }

        func run() async throws {
            let served = try await target.served()
            let models = try await target.registry().models()
            let deciding = served.decidingModel(among: models)
            let caution = served.caution(about: models)
            switch target.format {
            case .json: try JSONLine.print(Answer(featureSetVersion: served.version, decidingModel: deciding?.version, caution: caution))
            case .text: print(caution ?? "the feature store serves features \(served.version), and the champion \(deciding?.version ?? "") decides")
            }
            if deciding == nil { throw ExitCode(1) }
        }
    }
}
