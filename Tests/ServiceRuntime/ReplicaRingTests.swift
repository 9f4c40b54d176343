import ServiceRuntime
import Testing

@Suite struct ReplicaRingTests {
    private static let keys = (0..<20_000).map { "C\($0)" }

    private func ring(_ names: [String], generation: Int64 = 1) -> ReplicaRing {
        ReplicaRing(generation: generation, replicas: Dictionary(uniqueKeysWithValues: names.map { ($0, "https://\($0):8442") }))
    }

    @Test func aReplicaThatIsAddedTakesItsSliceAndNothingElseMoves() {
        let two = ring(["a", "b"])
        let three = ring(["a", "b", "c"], generation: 2)
        let moved = Self.keys.filter { two.owner(ofCustomer: $0) != three.owner(ofCustomer: $0) }
        #expect(moved.allSatisfy { three.owner(ofCustomer: $0) == "c" })
        let share = Double(moved.count) / Double(Self.keys.count)
        #expect(share > 0.22 && share < 0.45)
    }

    @Test func slicesAreAboutEqual() {
        let ring = ring(["a", "b", "c", "d"])
        let shares = Dictionary(grouping: Self.keys) { ring.owner(ofTerminal: $0) }.mapValues { Double($0.count) / Double(Self.keys.count) }
        #expect(shares.count == 4)
        #expect(shares.values.allSatisfy { $0 > 0.17 && $0 < 0.33 })
    }

    /// Callers and replicas of different versions must agree, and memory is found again by it.
    @Test func theHashIsAsItWas() {
        let ring = ring(["a", "b", "c"])
        #expect((0..<24).map { ring.owner(ofCustomer: "C\($0)") }.joined() == "acacccabbccabcababcacbac")
    }

    @Test func itIsReadFromTheEnvironment() {
        let reader = ConfigurationReader(environment: [
            "VIGIL_FEATURES_REPLICAS": "east=https://east:8442, west=https://west:8442", "VIGIL_FEATURES_RING_GENERATION": "3",
        ])
        let ring = ReplicaRing.featureStore(from: reader)
        #expect(reader.problems.isEmpty)
        #expect(ring?.generation == 3)
        #expect(ring?.replicas == ["east": "https://east:8442", "west": "https://west:8442"])
        #expect(ReplicaRing.featureStore(from: ConfigurationReader(environment: [:])) == nil)
    }

    @Test(arguments: ["east", "east=", "East=https://e:1", "=https://e:1", "a=https://e:1,a=https://f:1", "a=ftp://e"])
    func whatIsWrongWithItIsSaid(text: String) {
        let reader = ConfigurationReader(environment: ["VIGIL_FEATURES_REPLICAS": text, "VIGIL_FEATURES_RING_GENERATION": "1"])
        #expect(ReplicaRing.featureStore(from: reader) == nil)
        #expect(reader.problems.map(\.variable) == ["VIGIL_FEATURES_REPLICAS"])
    }

    @Test func aRingNeedsANumber() {
        let reader = ConfigurationReader(environment: ["VIGIL_FEATURES_REPLICAS": "a=https://a:1"])
        _ = ReplicaRing.featureStore(from: reader)
        #expect(reader.problems.map(\.variable) == ["VIGIL_FEATURES_RING_GENERATION"])
    }
}
