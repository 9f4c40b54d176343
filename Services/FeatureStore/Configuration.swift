import Features
import Records
import ServiceRuntime

/// What the feature store reads from its environment beside the shared variables.
struct FeatureStoreConfiguration: Sendable {
    let featureSet: FeatureSet

    init(from reader: ConfigurationReader) {
        let days = reader.int(
            "VIGIL_FEATURES_LABEL_DELAY_DAYS", default: 7, in: 0...90, "days until a payment without a fraud label is taken for genuine")
        let offset = reader.int(
            "VIGIL_FEATURES_UTC_OFFSET_MINUTES", default: 0, in: -720...840, "clock by which night and weekend are told, minutes east of UTC")
        featureSet = .payments(labelDelay: .days(days), utcOffsetSeconds: offset * 60)
    }
}
