import Records

/// The behaviour of all entities as a row of chunks of about a mebibyte, which ``BehaviourSnapshotReader`` makes an equal engine of.
///
/// Taking one costs nothing: the engine is a value, and this keeps a copy that shares its storage until either changes.
public struct BehaviourSnapshotWriter: SnapshotChunks {
    public static let format = 1
    static let chunkBytes = 1 << 20

    private let engine: BehaviourEngine
    private var number = 0
    private var kind = Chunk.head
    private var place: BehaviourEngine.Histories.Index

    /// The first is `SnapshotEncoder.headKind`.
    enum Chunk: UInt8 {
        case head = 1
        case histories = 2
        case end = 3
    }

    public init(of engine: BehaviourEngine) {
        self.engine = engine
        place = engine.histories.startIndex
    }

    public mutating func next() -> [UInt8]? {
        guard number >= 0 else { return nil }
        var encoder = SnapshotEncoder(capacity: kind == .histories ? Self.chunkBytes + 4_096 : 256)
        encoder.byte(kind.rawValue)
        switch kind {
        case .head:
            encoder.varint(UInt64(Self.format))
            encoder.text(engine.set.version)
            engine.room.encode(into: &encoder)
            kind = .histories
        case .histories:
            while place != engine.histories.endIndex, encoder.count < Self.chunkBytes {
                let (key, history) = engine.histories[place]
                key.encode(into: &encoder)
                history.encode(into: &encoder)
                engine.histories.formIndex(after: &place)
            }
            if place == engine.histories.endIndex { kind = .end }
        case .end:
            encoder.varint(UInt64(engine.entityCount))
            defer { number = -1 }
            return encoder.sealed(number: number)
        }
        defer { number += 1 }
        return encoder.sealed(number: number)
    }
}

public typealias BehaviourSnapshotReader = SnapshotReader<BehaviourEngine>

extension SnapshotReader<BehaviourEngine> {
    /// A snapshot is ``SnapshotError/other`` too where entities had found no room, and the room is another now: the log may tell of them.
    ///
    /// - Parameter maxBytes: as of the engine.
    public init(set: BehaviourSet, maxBytes: Int = .max) {
        self.init(into: BehaviourEngine(set: set, maxBytes: maxBytes)) { kind, decoder, engine throws(SnapshotError) in
            switch BehaviourSnapshotWriter.Chunk(rawValue: kind) {
            case .head:
                guard try decoder.varint() == UInt64(BehaviourSnapshotWriter.format), try decoder.text() == engine.set.version else { throw .other }
                let room = try BehaviourEngine.Room(from: &decoder)
                guard room.refusedCount == 0 || room.maxBytes == engine.room.maxBytes else { throw .other }
                engine.begin(room)
            case .histories:
                while !decoder.isAtEnd { engine.restore(try BehaviourKey(from: &decoder), try BehaviourHistory(from: &decoder)) }
            case .end:
                guard try decoder.varint() == UInt64(engine.entityCount) else { throw decoder.damaged() }
                return true
            case nil: throw decoder.damaged()
            }
            return false
        }
    }
}

extension BehaviourEngine.Room {
    fileprivate func encode(into encoder: inout SnapshotEncoder) {
        encoder.varint(UInt64(maxBytes))
        encoder.signed(newest)
        encoder.varint(UInt64(bytesAfterSweep))
        encoder.varint(UInt64(refusedCount))
    }

    fileprivate init(from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        self.init(maxBytes: Int(clamping: try decoder.varint()))
        newest = try decoder.signed()
        bytesAfterSweep = Int(clamping: try decoder.varint())
        refusedCount = Int(clamping: try decoder.varint())
    }
}

extension BehaviourKey {
    fileprivate func encode(into encoder: inout SnapshotEncoder) {
        encoder.text(entity.rawValue)
        encoder.text(id)
        encoder.text(counterparty)
    }

    fileprivate init(from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        guard let entity = BehaviourEntity(rawValue: try decoder.text()) else { throw decoder.damaged() }
        let id = try decoder.text()
        self.init(entity, id, paying: try decoder.text())
    }
}

extension BehaviourHistory {
    fileprivate func encode(into encoder: inout SnapshotEncoder) {
        encoder.varint(UInt64(events.count))
        var time: Int64 = 0
        for event in events {
            encoder.signed(event.time &- time)
            encoder.signed(event.ticks)
            encoder.word(event.otherAndDirection)
            time = event.time
        }
    }

    fileprivate init(from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        let count = try decoder.count()
        var events: ContiguousArray<Event> = []
        events.reserveCapacity(count)
        var time: Int64 = 0
        for _ in 0..<count {
            time &+= try decoder.signed()
            let ticks = try decoder.signed()
            events.append(Event(time: time, ticks: ticks, otherAndDirection: try decoder.word()))
        }
        self.init(events: events)
    }
}
