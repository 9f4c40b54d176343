import Foundation
import ServiceRuntime

/// What the model server reads from its environment beside the shared variables.
struct ModelServerConfiguration: Sendable {
    /// Nil where each bundle's own counts.
    let alertThreshold: Double?
    /// Public keys in PEM, one of which must have signed a bundle that is uploaded; nil takes unsigned ones too.
    let trustedKeys: String?

    init(from reader: ConfigurationReader) {
        let threshold = reader.double(
            "VIGIL_MODELS_ALERT_THRESHOLD", default: 0, in: 0...1, "risk score from which a decision alerts; 0 takes the model's own")
        alertThreshold = threshold > 0 ? threshold : nil
        let keys = reader.optionalFile(
            "VIGIL_MODELS_TRUSTED_KEYS_FILE", "P-256 public keys (PEM); a bundle must be signed with one of them to be registered")
        // A file that holds no text trusts nobody.
        trustedKeys = keys.map { (try? String(contentsOfFile: $0, encoding: .utf8)) ?? "" }
    }
}
