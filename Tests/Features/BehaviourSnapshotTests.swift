import Records
import TestSupport
import Testing

@testable import Features

@Suite struct BehaviourSnapshotTests {
    private static func payment(_ number: Int) -> Transaction { .madeUp(number, each: .seconds(900), lateness: .seconds(90_000)) }

    private static func chunks(of engine: BehaviourEngine) -> [[UInt8]] {
        var writer = BehaviourSnapshotWriter(of: engine)
        var chunks: [[UInt8]] = []
        while let chunk = writer.next() { chunks.append(chunk) }
        return chunks
    }

    private static func engine(_ chunks: [[UInt8]], set: BehaviourSet = .standard, maxBytes: Int = .max) throws -> BehaviourEngine {
        var reader = BehaviourSnapshotReader(set: set, maxBytes: maxBytes)
        for chunk in chunks { try reader.add(chunk) }
        return try reader.finish()
    }

    @Test func whatASnapshotIsMadeIntoGoesOnAsTheEngineItIsOf() throws {
        var lived = BehaviourEngine(set: .standard)
        for number in 0..<2_000 { lived.remember(Self.payment(number)) }
        var restored = try Self.engine(Self.chunks(of: lived))
        #expect(restored.entityCount == lived.entityCount && restored.bytes == lived.bytes)
        for number in 2_000..<2_600 {
            let payment = Self.payment(number)
            let expected = lived.observe(payment)
            let values = restored.observe(payment)
            #expect(values.map(\.key) == expected.map(\.key))
            #expect(values.map { $0.values.map(\.bitPattern) } == expected.map { $0.values.map(\.bitPattern) })
        }
        let empty = try Self.engine(Self.chunks(of: BehaviourEngine(set: .standard)))
        #expect(empty.entityCount == 0)
    }

    @Test func aSnapshotThatIsCutOrChangedIsRefused() throws {
        var lived = BehaviourEngine(set: .standard)
        for number in 0..<300 { lived.remember(Self.payment(number)) }
        let whole = Self.chunks(of: lived)
        try #require(whole.count == 3)
        #expect(throws: SnapshotError.damaged(chunk: 2)) { try Self.engine(Array(whole.dropLast())) }
        #expect(throws: SnapshotError.damaged(chunk: 1)) { try Self.engine([whole[0], whole[2]]) }
        for place in stride(from: 0, to: whole[1].count, by: 97) {
            var chunks = whole
            chunks[1][place] ^= 0x20
            #expect(throws: SnapshotError.damaged(chunk: 1)) { try Self.engine(chunks) }
        }
        for length in stride(from: 0, to: whole[1].count, by: 101) {
            #expect(throws: SnapshotError.damaged(chunk: 1)) { try Self.engine([whole[0], Array(whole[1].prefix(length)), whole[2]]) }
        }
        let other = BehaviourSet(views: BehaviourSet.standard.views.dropLast())
        #expect(throws: SnapshotError.other) { try Self.engine(whole, set: other) }
    }

    /// Whoever found no room before is unknown for ever within the same room; with more of it the log tells of them.
    @Test func whoFoundNoRoomIsRemembered() throws {
        let room = 20 * (BehaviourEngine.bytesAnEntity + BehaviourEngine.bytesAPayment)
        var lived = BehaviourEngine(set: .standard, maxBytes: room)
        for number in 0..<100 { lived.remember(Self.payment(number)) }
        try #require(lived.refusedCount > 0)
        let chunks = Self.chunks(of: lived)
        #expect(try Self.engine(chunks, maxBytes: room).refusedCount == lived.refusedCount)
        #expect(throws: SnapshotError.other) { try Self.engine(chunks, maxBytes: 2 * room) }
    }
}
