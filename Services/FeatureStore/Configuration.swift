import Features
import Records
import ServiceRuntime

/// What the feature store reads from its environment beside the shared variables.
struct FeatureStoreConfiguration: Sendable {
    let featureSet: FeatureSet
    let snapshotIntervalSeconds: Int

    init(from reader: ConfigurationReader) {
        let days = reader.int(
            "VIGIL_FEATURES_LABEL_DELAY_DAYS", default: 7, in: 0...90, "days until a payment without a fraud label is taken for genuine")
        let offset = reader.int(
            "VIGIL_FEATURES_UTC_OFFSET_MINUTES", default: 0, in: -720...840, "clock by which night and weekend are told, minutes east of UTC")
        snapshotIntervalSeconds = reader.int(
            "VIGIL_FEATURES_SNAPSHOT_INTERVAL_SECONDS", default: 600, in: 1...86_400,
            "seconds after which what is new goes into a snapshot of memory; much that is new goes sooner")
        featureSet = .payments(labelDelay: .days(days), utcOffsetSeconds: offset * 60)
    }
}
