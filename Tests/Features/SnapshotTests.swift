import Records
import SeededRandom
import Testing

@testable import Features

@Suite struct SnapshotTests {
    private static func chunks(of engine: FeatureEngine) -> [[UInt8]] {
        var writer = FeatureSnapshotWriter(of: engine)
        var chunks: [[UInt8]] = []
        while let chunk = writer.next() { chunks.append(chunk) }
        return chunks
    }

    private static func engine(of chunks: [[UInt8]], set: FeatureSet = .payments) throws -> FeatureEngine {
        var reader = FeatureSnapshotReader(set: set)
        for chunk in chunks { try reader.add(chunk) }
        return try reader.finish()
    }

    /// Past its first drops, with labels, places, customers without payments.
    private static func lived() -> (engine: FeatureEngine, world: World) {
        let world = World(seed: 11, count: 6_000, days: 200)
        var replay = FeatureReplay(set: .payments)
        replay.engine.place(customer: "c1", at: Coordinate(latitude: 17.2, longitude: 75.3))
        replay.engine.place(customer: "silent", at: nil)
        replay.engine.place(terminal: "t1", at: Coordinate(latitude: -17.3, longitude: 75.4))
        replay.run(world.transactions, labels: world.labels) { _, _ in }
        for index in 0..<40 {
            replay.engine.learnOrAwait(label("next-\(index)", isFraud: index % 3 > 0, knownAt: start + .days(200) + .hours(index)))
        }
        return (replay.engine, world)
    }

    @Test func `an engine of a snapshot answers as the one it was taken of, to the bit`() throws {
        let (engine, world) = Self.lived()
        var lived = engine
        let chunks = Self.chunks(of: lived)
        var reborn = try Self.engine(of: chunks)
        #expect(Self.chunks(of: reborn) == chunks)
        #expect(reborn.retainedTransactionCount == lived.retainedTransactionCount)
        #expect(reborn.place(ofTerminal: "t1") == Coordinate(latitude: -17.3, longitude: 75.4))
        for index in 0..<400 {
            // New payments, late ones among them, and labels of old ones.
            let at = start + .days(200) + .hours(index * 3 - (index % 5 == 0 ? 60 : 0))
            let next = payment(
                "next-\(index)", at: at, cents: Int64(500 + index * 7), customer: "c\(index % 27)", terminal: "t\(index % 43)")
            #expect(sameBits(reborn.observe(next), lived.observe(next)))
            let old = label("\(world.transactions.count - 1 - index * 3)", isFraud: index % 2 == 0, knownAt: at)
            let both = (reborn.learn(old), lived.learn(old))
            #expect(both.0 == both.1)
        }
        #expect(Self.chunks(of: reborn) == Self.chunks(of: lived))
    }

    @Test func `a snapshot stays as it was while its engine goes on`() {
        var (engine, _) = Self.lived()
        var writer = FeatureSnapshotWriter(of: engine)
        let expected = Self.chunks(of: engine)
        var chunks: [[UInt8]] = []
        while let chunk = writer.next() {
            chunks.append(chunk)
            for index in 0..<50 { engine.observe(payment("\(chunks.count)/\(index)", at: start + .days(201), customer: "c\(index)")) }
        }
        #expect(chunks == expected)
    }

    @Test func `damaged, cut, misplaced and foreign chunks are refused`() throws {
        let chunks = Self.chunks(of: Self.lived().engine)
        var random = SplitMix64(seed: 5)
        for _ in 0..<30 {
            var damaged = chunks
            let chunk = Int.random(in: 0..<chunks.count, using: &random)
            let byte = Int.random(in: 0..<chunks[chunk].count, using: &random)
            damaged[chunk][byte] ^= UInt8.random(in: 1...255, using: &random)
            #expect(throws: SnapshotError.damaged(chunk: chunk)) { try Self.engine(of: damaged) }
        }
        #expect(throws: SnapshotError.self) { try Self.engine(of: chunks.dropLast()) }
        #expect(throws: SnapshotError.self) { try Self.engine(of: []) }
        #expect(throws: SnapshotError.self) { try Self.engine(of: Array(chunks.dropFirst())) }
        #expect(throws: SnapshotError.damaged(chunk: 1)) { try Self.engine(of: [chunks[0], chunks[2], chunks[1]] + chunks[3...]) }
        let cut = [chunks[0], chunks[1], Array(chunks[2].dropLast(9))] + chunks[3...]
        #expect(throws: SnapshotError.damaged(chunk: 2)) { try Self.engine(of: cut) }
        #expect(throws: SnapshotError.other) { try Self.engine(of: chunks, set: .payments(labelDelay: .days(3))) }
    }

    @Test func `what was observed before is remembered with its values as if it were observed`() {
        let world = World(seed: 12, count: 2_000)
        var observing = FeatureEngine(set: .payments)
        var remembering = FeatureEngine(set: .payments)
        for (index, transaction) in world.transactions.enumerated() {
            let values = observing.observe(transaction)
            if index % 3 == 0 { remembering.observe(transaction) } else { remembering.remember(transaction, values: values) }
        }
        for customer in 0..<25 {
            let probe = payment("probe", at: start + .days(60), customer: "c\(customer)", terminal: "t\(customer)")
            #expect(sameBits(remembering.features(of: probe), observing.features(of: probe)))
        }
    }

    @Test func `SipHash agrees with its authors`() {
        // The paper's appendix A: SipHash-2-4 of the bytes 0 to 14 under the key 0 to 15.
        let hash = SipHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
        let message = (0..<15).map { UInt8($0) }
        #expect(message.withUnsafeBytes { hash.hash($0, compression: 2, finalization: 4) } == 0xa129_ca61_49be_45e5)
    }

    @Test func `the index of transactions agrees with a dictionary`() {
        var random = SplitMix64(seed: 9)
        var index = TransactionIndex()
        var plain: [UInt64: UInt32] = [:]
        for step in 0..<20_000 {
            // Few upper halves, so that entries collide.
            let fingerprint = UInt64.random(in: 0..<2_000, using: &random) << 53 | UInt64.random(in: 0..<4, using: &random)
            if let customer = plain[fingerprint], step % 2 == 0 {
                index.remove(fingerprint, customer: customer)
                plain[fingerprint] = nil
            } else if plain[fingerprint] == nil {
                let customer = UInt32.random(in: 0..<1_000, using: &random)
                // The same entry twice cannot be told apart.
                if plain.contains(where: { $0.key >> 32 == fingerprint >> 32 && $0.value == customer }) { continue }
                index.insert(fingerprint, customer: customer)
                plain[fingerprint] = customer
            }
        }
        #expect(index.count == plain.count)
        for (fingerprint, customer) in plain {
            #expect(index.customer(of: fingerprint) { $0 == customer } == customer)
            #expect(index.customer(of: fingerprint) { _ in false } == nil)
        }
    }
}
