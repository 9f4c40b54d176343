import Features
import Records
import ServiceRuntime

/// What the feature store reads from its environment beside the shared variables.
struct FeatureStoreConfiguration: Sendable {
    let featureSet: FeatureSet
    let snapshotIntervalSeconds: Int
    /// About what the behaviour of entities may take, in bytes.
    let maxBehaviourBytes: Int
    /// Nil where this store keeps everything.
    let slice: Slice?

    init(from reader: ConfigurationReader) {
        let days = reader.int(
            "VIGIL_FEATURES_LABEL_DELAY_DAYS", default: 7, in: 0...90, "days until a payment without a fraud label is taken for genuine")
        let offset = reader.int(
            "VIGIL_FEATURES_UTC_OFFSET_MINUTES", default: 0, in: -720...840,
            "clock by which night and weekend are told of payments that state no time zone, minutes east of UTC")
        snapshotIntervalSeconds = reader.int(
            "VIGIL_FEATURES_SNAPSHOT_INTERVAL_SECONDS", default: 600, in: 1...86_400,
            "seconds after which what is new goes into a snapshot of memory; much that is new goes sooner")
        maxBehaviourBytes =
            reader.int(
                "VIGIL_FEATURES_BEHAVIOUR_MAX_MEBIBYTES", default: 4_096, in: 1...1_048_576,
                "memory for the behaviour of accounts, cards, devices, merchants, pairs and cells, about; beyond it no new one is taken in") << 20
        let ring = ReplicaRing.featureStore(from: reader)
        let name = reader.string("VIGIL_FEATURES_REPLICA", default: "", "which of VIGIL_FEATURES_REPLICAS this one is")
        slice = ring.flatMap { ring in
            guard ring.replicas[name] != nil else {
                reader.fail("VIGIL_FEATURES_REPLICA", "is none of \(ring.names.joined(separator: ", "))")
                return nil
            }
            return Slice(ring: ring, name: name)
        }
        featureSet = .payments(labelDelay: .days(days), utcOffsetSeconds: offset * 60)
    }
}
