import Records

/// An engine's whole state as a row of chunks of about a mebibyte, which `FeatureSnapshotReader` makes an equal engine of.
///
/// Taking one costs nothing: the engine is a value, and this keeps a copy that shares its storage until either changes.
public struct FeatureSnapshotWriter: SnapshotChunks {
    public static let format = 2
    static let chunkBytes = 1 << 20

    private let engine: FeatureEngine
    private var number = 0
    private var kind = Chunk.head
    private var nextEntity = 0
    /// Of the entities' indices; made with the second chunk.
    private var names: [String] = []

    /// The first is `SnapshotEncoder.headKind`.
    enum Chunk: UInt8 {
        case head = 1
        case customers = 2
        case terminals = 3
        case end = 4
        case earlyLabels = 5
    }

    public init(of engine: FeatureEngine) { self.engine = engine }

    public mutating func next() -> [UInt8]? {
        guard number >= 0 else { return nil }
        var encoder = SnapshotEncoder(capacity: kind == .customers || kind == .terminals ? Self.chunkBytes + 4_096 : 256)
        encoder.byte(kind.rawValue)
        switch kind {
        case .head:
            encoder.varint(UInt64(Self.format))
            encoder.text(engine.set.version)
            encoder.word(engine.fingerprintKey.key0)
            encoder.word(engine.fingerprintKey.key1)
            encoder.varint(UInt64(engine.retainedTransactionCount))
            turn(to: .customers)
        case .customers:
            write(engine.customers, into: &encoder)
            if nextEntity == engine.customers.count { turn(to: .terminals) }
        case .terminals:
            write(engine.terminals, into: &encoder)
            if nextEntity == engine.terminals.count { turn(to: .earlyLabels) }
        case .earlyLabels:
            for (fingerprint, word) in engine.earlyLabels.inOrderOfArrival {
                encoder.word(fingerprint)
                encoder.signed(word.knownAt)
                encoder.byte(word.isFraud ? 1 : 0)
            }
            turn(to: .end)
        case .end:
            encoder.varint(UInt64(engine.customers.count))
            encoder.varint(UInt64(engine.terminals.count))
            defer { number = -1 }
            return encoder.sealed(number: number)
        }
        defer { number += 1 }
        return encoder.sealed(number: number)
    }

    private mutating func turn(to next: Chunk) {
        kind = next
        nextEntity = 0
        switch next {
        case .customers: names = Self.names(engine.customerIndex)
        case .terminals: names = Self.names(engine.terminalIndex)
        case .head, .earlyLabels, .end: names = []
        }
    }

    private static func names(_ index: [String: UInt32]) -> [String] {
        var names = [String](repeating: "", count: index.count)
        for (name, place) in index { names[Int(place)] = name }
        return names
    }

    private mutating func write(_ histories: Histories, into encoder: inout SnapshotEncoder) {
        while nextEntity < histories.count, encoder.count < Self.chunkBytes {
            encoder.text(names[nextEntity])
            histories[UInt32(nextEntity)].encode(into: &encoder)
            nextEntity += 1
        }
    }
}

public typealias FeatureSnapshotReader = SnapshotReader<FeatureEngine>

extension SnapshotReader<FeatureEngine> {
    public init(set: FeatureSet) {
        self.init(into: FeatureEngine(set: set)) { kind, decoder, engine throws(SnapshotError) in
            switch FeatureSnapshotWriter.Chunk(rawValue: kind) {
            case .head:
                guard try decoder.varint() == UInt64(FeatureSnapshotWriter.format), try decoder.text() == engine.set.version else { throw .other }
                let key = SipHash(key0: try decoder.word(), key1: try decoder.word())
                engine.begin(fingerprintKey: key, transactionCount: Int(clamping: try decoder.varint()))
            case .customers:
                while !decoder.isAtEnd { try engine.restore(customer: try decoder.text(), from: &decoder) }
            case .terminals:
                while !decoder.isAtEnd { try engine.restore(terminal: try decoder.text(), from: &decoder) }
            case .earlyLabels:
                while !decoder.isAtEnd { try engine.restoreEarlyLabel(from: &decoder) }
            case .end:
                guard try decoder.varint() == UInt64(engine.customerCount), try decoder.varint() == UInt64(engine.terminalCount) else {
                    throw decoder.damaged()
                }
                return true
            case nil: throw decoder.damaged()
            }
            return false
        }
    }
}

extension HistoryView {
    func encode(into encoder: inout SnapshotEncoder) {
        encoder.byte((place == nil ? 0 : 1) | (events.fingerprints.isEmpty ? 0 : 2))
        if let place {
            encoder.word(place.latitude.bitPattern)
            encoder.word(place.longitude.bitPattern)
        }
        encoder.signed(events.baseTicks)
        encoder.varint(UInt64(events.count))
        var time: Int64 = 0
        var ticks = events.baseTicks
        for event in (0..<events.count).lazy.map({ events[$0] }) {
            encoder.signed(event.time &- time)
            encoder.signed(event.cumulativeTicks &- ticks)
            encoder.varint(UInt64(event.counterpart &+ 1))
            encoder.varint(UInt64(event.label.bits ^ EventLabel.unknown.bits))
            encoder.halfWord(event.toUsual.bitPattern)
            time = event.time
            ticks = event.cumulativeTicks
        }
        for fingerprint in events.fingerprints { encoder.word(fingerprint) }
    }
}

extension Histories {
    mutating func restore(_ number: UInt32, from decoder: inout SnapshotDecoder) throws(SnapshotError) {
        let flags = try decoder.byte()
        var place: Coordinate?
        if flags & 1 == 1 {
            place = Coordinate(latitude: Double(bitPattern: try decoder.word()), longitude: Double(bitPattern: try decoder.word()))
        }
        let baseTicks = try decoder.signed()
        let count = try decoder.count()
        var events: [Event] = []
        events.reserveCapacity(count)
        var time: Int64 = 0
        var ticks = baseTicks
        for _ in 0..<count {
            time &+= try decoder.signed()
            ticks &+= try decoder.signed()
            let counterpart = UInt32(truncatingIfNeeded: try decoder.varint()) &- 1
            let label = EventLabel(bits: UInt32(truncatingIfNeeded: try decoder.varint()) ^ EventLabel.unknown.bits)
            events.append(
                Event(
                    time: time, cumulativeTicks: ticks, counterpart: counterpart, label: label,
                    toUsual: Float(bitPattern: try decoder.halfWord())))
        }
        var fingerprints: [UInt64] = []
        if flags & 2 == 2 {
            fingerprints.reserveCapacity(count)
            for _ in 0..<count { fingerprints.append(try decoder.word()) }
        }
        restore(events, fingerprints: fingerprints, baseTicks: baseTicks, place: place, to: number)
    }
}
