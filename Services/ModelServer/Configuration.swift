import ServiceRuntime

/// What the model server reads from its environment beside the shared variables.
struct ModelServerConfiguration: Sendable {
    /// Nil where each bundle's own counts.
    let alertThreshold: Double?

    init(from reader: ConfigurationReader) {
        let threshold = reader.double(
            "VIGIL_MODELS_ALERT_THRESHOLD", default: 0, in: 0...1, "risk score from which a decision alerts; 0 takes the model's own")
        alertThreshold = threshold > 0 ? threshold : nil
    }
}
