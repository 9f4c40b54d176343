import Contracts
import Foundation
import Models
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

extension RegisteredModel {
    /// As it is when it is registered.
    init(_ bundle: ModelBundle, alertThreshold: Double) throws {
        let metrics = try JSONEncoder().encode(bundle.manifest.metrics)
        self.init(
            version: bundle.version, stage: .challenger, featureSetVersion: bundle.manifest.features.version,
            trainedAt: Timestamp(iso8601: bundle.manifest.createdAt) ?? .epoch, promotedAt: nil, alertThreshold: alertThreshold,
            metricsJSON: String(decoding: metrics, as: UTF8.self),
            signature: bundle.files[ModelBundle.signatureName].map { signature in
                .init(bytes: signature, manifest: bundle.files[ModelBundle.manifestName] ?? [])
            })
    }
}

extension ModelsV1.Model {
    /// - Parameter trustedKeys: public keys in PEM, by which the signature is checked; nil checks none.
    init(_ model: RegisteredModel, trustedKeys: String?) throws {
        let stage: ModelsV1.ModelStage =
            switch model.stage {
            case .challenger: .challenger
            case .champion: .champion
            case .retired: .retired
            case .shadow: .shadow
            }
        var signer: String?
        if let trustedKeys, let signature = model.signature {
            // Keys that cannot be read are told where a bundle is uploaded.
            signer = try? ModelBundle.signer(ofManifest: signature.manifest, signature: signature.bytes, amongKeysIn: trustedKeys)
        }
        self.init(
            version: model.version, stage: stage, featureSetVersion: model.featureSetVersion, trainedAt: .init(model.trainedAt),
            promotedAt: model.promotedAt.map { .init($0) },
            metrics: try JSONDecoder().decode([String: Double].self, from: Data(model.metricsJSON.utf8)),
            alertThreshold: model.alertThreshold, signed: model.signature != nil, signingKeySha256: signer ?? "")
    }
}

extension RecordsV1.Decision {
    /// - Parameter logEntry: an entry of the server's log.
    init(logEntry: [UInt8]) throws {
        guard let decision = try Payload.decode(ModelsV1.LoggedDecision.self, logEntry).decision else {
            throw ServiceError("an entry of the log holds no decision")
        }
        self = decision
    }
}
