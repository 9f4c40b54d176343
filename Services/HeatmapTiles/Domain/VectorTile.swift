/// Writes Mapbox Vector Tiles, version 2.1: features with integer geometry in a square of `extent` units, x to the east and y to the
/// south, in protobuf. The numbers in the code are the specification's field numbers (its section 4.1 and vector_tile.proto).
struct VectorTile {
    /// Units along a tile's side.
    static let extent = 4096

    private(set) var bytes: [UInt8] = []

    /// Appends a layer; one without features is left out, as the specification advises.
    mutating func add(_ layer: Layer) {
        guard layer.featureCount > 0 else { return }
        let (head, tail) = layer.frame
        let length = head.count + layer.features.count + layer.values.count + tail.count
        var whole = ProtobufWriter(capacity: length + 16)
        whole.write(atMost: 16) { $0.field(3, length: length) }
        for part in [head, layer.features, layer.values, tail] { whole.append(part) }
        bytes += whole.bytes
    }

    /// A feature's attribute value.
    enum Value: Hashable {
        case string(String)
        case float(Float)
        case unsigned(UInt64)
        case signed(Int64)
        case bool(Bool)
    }

    /// A point in the tile's units; a little outside is allowed.
    struct Point: Hashable {
        var x: Int
        var y: Int
    }

    struct Layer {
        let name: String
        private(set) var featureCount = 0
        fileprivate private(set) var features = ProtobufWriter(capacity: 4096)
        fileprivate private(set) var values = ProtobufWriter(capacity: 1024)
        private var valueCount: UInt64 = 0
        private var keys: [String: UInt64] = [:]
        private var orderedKeys: [String] = []
        private var texts: [String: UInt64] = [:]
        private var floats = NumberIndex()
        private var unsigned = NumberIndex()
        private var signed = NumberIndex()
        private var bools = NumberIndex()
        /// Of the feature that is added next: keys and values by turns.
        private var tags: [UInt64] = []
        private var tagBytes = 0
        private var geometry: [UInt64] = []

        init(name: String) {
            self.name = name
        }

        /// An attribute's name, as features refer to it.
        struct Key: Hashable {
            fileprivate let index: UInt64
        }

        mutating func key(_ name: String) -> Key {
            if let index = keys[name] { return Key(index: index) }
            let index = UInt64(orderedKeys.count)
            keys[name] = index
            orderedKeys.append(name)
            return Key(index: index)
        }

        /// Gives an attribute to the feature that is added next.
        mutating func put(_ key: Key, _ value: Value) {
            let value = index(of: value)
            tags.append(key.index)
            tags.append(value)
            tagBytes += key.index.varintLength + value.varintLength
        }

        /// Appends a point with the attributes put since the last feature.
        mutating func addPoint(id: UInt64?, _ point: Point) {
            geometry.removeAll(keepingCapacity: true)
            var cursor = Point(x: 0, y: 0)
            append(.moveTo, count: 1)
            append(point, after: &cursor)
            addFeature(id: id, type: 1)
        }

        /// Appends a polygon with the attributes put since the last feature: rings without the closing point, the outer ones clockwise as
        /// seen on screen, holes the other way.
        mutating func addPolygon(id: UInt64?, _ rings: [[Point]]) {
            geometry.removeAll(keepingCapacity: true)
            var cursor = Point(x: 0, y: 0)
            for ring in rings where ring.count >= 3 {
                append(.moveTo, count: 1)
                append(ring[0], after: &cursor)
                append(.lineTo, count: ring.count - 1)
                for point in ring.dropFirst() { append(point, after: &cursor) }
                append(.closePath, count: 1)
            }
            if geometry.isEmpty { clearTags() } else { addFeature(id: id, type: 3) }
        }

        private enum Command: UInt64 {
            case moveTo = 1
            case lineTo = 2
            case closePath = 7
        }

        private mutating func append(_ command: Command, count: Int) { geometry.append(command.rawValue | UInt64(count) << 3) }

        private mutating func append(_ point: Point, after cursor: inout Point) {
            geometry.append((point.x - cursor.x).zigZag)
            geometry.append((point.y - cursor.y).zigZag)
            cursor = point
        }

        private mutating func addFeature(id: UInt64?, type: UInt64) {
            features.writeFeature(id: id, type: type, tags: tags, tagBytes: tagBytes, geometry: geometry)
            clearTags()
            featureCount += 1
        }

        private mutating func clearTags() {
            tags.removeAll(keepingCapacity: true)
            tagBytes = 0
        }

        private mutating func index(of value: Value) -> UInt64 {
            let next = valueCount, index: UInt64
            switch value {
            case .string(let text):
                index = texts[text] ?? next
                if index == next { texts[text] = next }
            case .float(let number): index = floats.place(of: UInt64(number.bitPattern), orPut: next)
            case .unsigned(let number): index = unsigned.place(of: number, orPut: next)
            case .signed(let number): index = signed.place(of: UInt64(bitPattern: number), orPut: next)
            case .bool(let flag): index = bools.place(of: flag ? 1 : 0, orPut: next)
            }
            if index == next {
                values.write(value)
                valueCount += 1
            }
            return index
        }

        /// What comes before a layer's features, and after its values.
        fileprivate var frame: (head: ProtobufWriter, tail: ProtobufWriter) {
            var head = ProtobufWriter(capacity: 64), tail = ProtobufWriter(capacity: 256)
            head.write(atMost: 16) { $0.field(15, varint: 2) }
            head.write(1, string: name)
            for key in orderedKeys { tail.write(3, string: key) }
            tail.write(atMost: 16) { $0.field(5, varint: UInt64(VectorTile.extent)) }
            return (head, tail)
        }
    }
}

/// Where each number stands in a layer's list of values: a table with open addressing, since a tile looks up thousands.
private struct NumberIndex {
    private struct Slot {
        var number: UInt64 = 0
        /// The place of the number, plus one; 0 where there is none.
        var place: UInt64 = 0
    }

    private var slots: [Slot] = []
    private var count = 0

    /// The number's place; `place`, put for it now, when it is new.
    mutating func place(of number: UInt64, orPut place: UInt64) -> UInt64 {
        if count * 2 >= slots.count { grow() }
        let known = slots.withUnsafeMutableBufferPointer { slots in
            let slot = Self.slot(of: number, in: slots)
            if slots[slot].place == 0 { slots[slot] = Slot(number: number, place: place + 1) }
            return slots[slot].place - 1
        }
        if known == place { count += 1 }
        return known
    }

    private static func slot(of number: UInt64, in slots: UnsafeMutableBufferPointer<Slot>) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> 40) & mask
        while slots[slot].place > 0, slots[slot].number != number { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: max(64, old.count * 4))
        slots.withUnsafeMutableBufferPointer { slots in
            for slot in old where slot.place > 0 { slots[Self.slot(of: slot.number, in: slots)] = slot }
        }
    }
}

extension ProtobufWriter {
    fileprivate mutating func writeFeature(id: UInt64?, type: UInt64, tags: [UInt64], tagBytes: Int, geometry: [UInt64]) {
        let geometryBytes = geometry.reduce(0) { $0 + $1.varintLength }
        let idLength = id.map { 1 + $0.varintLength } ?? 0
        let length = idLength + 4 + UInt64(tagBytes).varintLength + tagBytes + UInt64(geometryBytes).varintLength + geometryBytes
        write(atMost: length + 16) { cursor in
            cursor.field(2, length: length)
            if let id { cursor.field(1, varint: id) }
            cursor.field(2, length: tagBytes)
            for tag in tags { cursor.varint(tag) }
            cursor.field(3, varint: type)
            cursor.field(4, length: geometryBytes)
            for number in geometry { cursor.varint(number) }
        }
    }

    fileprivate mutating func write(_ value: VectorTile.Value) {
        switch value {
        case .string(let text):
            let length = text.utf8.count
            write(atMost: 16) { $0.field(4, length: 1 + UInt64(length).varintLength + length) }
            write(1, string: text)
        case .float(let number):
            write(atMost: 16) { cursor in
                cursor.field(4, length: 5)
                cursor.field(2, fixed: number.bitPattern)
            }
        case .unsigned(let number): writeValue(5, number)
        case .signed(let number): writeValue(6, Int(number).zigZag)
        case .bool(let flag): writeValue(7, flag ? 1 : 0)
        }
    }

    private mutating func writeValue(_ field: UInt64, _ number: UInt64) {
        write(atMost: 32) { cursor in
            cursor.field(4, length: 1 + number.varintLength)
            cursor.field(field, varint: number)
        }
    }
}
