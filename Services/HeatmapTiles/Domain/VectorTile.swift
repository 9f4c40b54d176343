/// Writes Mapbox Vector Tiles, version 2.1: features with integer geometry in a square of `extent` units, x to the east and y to the
/// south, in protobuf. The numbers in the code are the specification's field numbers (its section 4.1 and vector_tile.proto).
struct VectorTile {
    /// Units along a tile's side.
    static let extent = 4096

    private(set) var bytes: [UInt8] = []

    /// Appends a layer; one without features is left out, as the specification advises.
    mutating func add(_ layer: Layer) {
        guard layer.featureCount > 0 else { return }
        let (head, features, tail) = layer.encoded()
        bytes.reserveCapacity(bytes.count + head.count + features.count + tail.count + 16)
        bytes.appendField(3, length: head.count + features.count + tail.count)
        bytes.append(contentsOf: head)
        bytes.append(contentsOf: features)
        bytes.append(contentsOf: tail)
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
        private var features: [UInt8] = []
        private var keys: [String: UInt64] = [:]
        private var orderedKeys: [String] = []
        private var texts: [String: UInt64] = [:]
        private var floats = NumberIndex()
        private var unsigned = NumberIndex()
        private var signed = NumberIndex()
        private var bools = NumberIndex()
        private var orderedValues: [Value] = []
        private var tags: [UInt8] = []
        private var geometry: [UInt8] = []

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
            tags.appendVarint(key.index)
            tags.appendVarint(index(of: value))
        }

        /// Appends a point with the attributes put since the last feature.
        mutating func addPoint(id: UInt64?, _ point: Point) {
            geometry.removeAll(keepingCapacity: true)
            var cursor = Point(x: 0, y: 0)
            appendMove([point][...], command: .moveTo, cursor: &cursor)
            addFeature(id: id, type: 1)
        }

        /// Appends a polygon with the attributes put since the last feature: rings without the closing point, the outer ones clockwise as
        /// seen on screen, holes the other way.
        mutating func addPolygon(id: UInt64?, _ rings: [[Point]]) {
            geometry.removeAll(keepingCapacity: true)
            var cursor = Point(x: 0, y: 0)
            for ring in rings where ring.count >= 3 {
                appendMove(ring.prefix(1), command: .moveTo, cursor: &cursor)
                appendMove(ring.dropFirst(), command: .lineTo, cursor: &cursor)
                geometry.appendVarint(Command.closePath.rawValue | 1 << 3)
            }
            guard !geometry.isEmpty else { return tags.removeAll(keepingCapacity: true) }
            addFeature(id: id, type: 3)
        }

        private enum Command: UInt64 {
            case moveTo = 1
            case lineTo = 2
            case closePath = 7
        }

        private mutating func appendMove(_ points: ArraySlice<Point>, command: Command, cursor: inout Point) {
            geometry.appendVarint(command.rawValue | UInt64(points.count) << 3)
            for point in points {
                geometry.appendZigZag(point.x - cursor.x)
                geometry.appendZigZag(point.y - cursor.y)
                cursor = point
            }
        }

        private mutating func addFeature(id: UInt64?, type: UInt64) {
            let idLength = id.map { 1 + $0.varintLength } ?? 0
            let length = idLength + 4 + UInt64(tags.count).varintLength + tags.count + UInt64(geometry.count).varintLength + geometry.count
            features.appendField(2, length: length)
            if let id { features.appendField(1, varint: id) }
            features.appendField(2, length: tags.count)
            features.append(contentsOf: tags)
            features.appendField(3, varint: type)
            features.appendField(4, length: geometry.count)
            features.append(contentsOf: geometry)
            tags.removeAll(keepingCapacity: true)
            featureCount += 1
        }

        private mutating func index(of value: Value) -> UInt64 {
            let next = UInt64(orderedValues.count), index: UInt64
            switch value {
            case .string(let text):
                index = texts[text] ?? next
                if index == next { texts[text] = next }
            case .float(let number): index = floats.place(of: UInt64(number.bitPattern), orPut: next)
            case .unsigned(let number): index = unsigned.place(of: number, orPut: next)
            case .signed(let number): index = signed.place(of: UInt64(bitPattern: number), orPut: next)
            case .bool(let flag): index = bools.place(of: flag ? 1 : 0, orPut: next)
            }
            if index == next { orderedValues.append(value) }
            return index
        }

        /// What the layer is made of, in order; the features, which are most of it, as they are.
        fileprivate func encoded() -> (head: [UInt8], features: [UInt8], tail: [UInt8]) {
            var head: [UInt8] = [], tail: [UInt8] = [], encoded: [UInt8] = []
            head.appendField(15, varint: 2)
            head.appendField(1, string: name)
            tail.reserveCapacity(16 * orderedValues.count + 256)
            for key in orderedKeys { tail.appendField(3, string: key) }
            for value in orderedValues {
                encoded.removeAll(keepingCapacity: true)
                encoded.append(value)
                tail.appendField(4, length: encoded.count)
                tail.append(contentsOf: encoded)
            }
            tail.appendField(5, varint: UInt64(VectorTile.extent))
            return (head, features, tail)
        }
    }
}

/// Where each number stands in a layer's list of values: a table with open addressing, since a tile looks up thousands.
private struct NumberIndex {
    private var numbers = [UInt64](repeating: 0, count: 64)
    /// The place of the number beside it, plus one; 0 where there is none.
    private var places = [UInt64](repeating: 0, count: 64)
    private var count = 0

    /// The number's place; `place`, put for it now, when it is new.
    mutating func place(of number: UInt64, orPut place: UInt64) -> UInt64 {
        let slot = slot(of: number)
        if places[slot] > 0 { return places[slot] - 1 }
        numbers[slot] = number
        places[slot] = place + 1
        count += 1
        if count * 2 > numbers.count { grow() }
        return place
    }

    private func slot(of number: UInt64) -> Int {
        let mask = numbers.count - 1
        var slot = Int(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> 40) & mask
        while places[slot] > 0, numbers[slot] != number { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let (oldNumbers, oldPlaces) = (numbers, places)
        numbers = [UInt64](repeating: 0, count: oldNumbers.count * 2)
        places = [UInt64](repeating: 0, count: oldNumbers.count * 2)
        for (number, place) in zip(oldNumbers, oldPlaces) where place > 0 {
            let slot = slot(of: number)
            numbers[slot] = number
            places[slot] = place
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ value: VectorTile.Value) {
        switch value {
        case .string(let text):
            appendField(1, string: text)
        case .float(let number):
            append(2 << 3 | 5)
            for shift in Swift.stride(from: UInt32(0), to: 32, by: 8) { append(UInt8(truncatingIfNeeded: number.bitPattern >> shift)) }
        case .unsigned(let number):
            appendField(5, varint: number)
        case .signed(let number):
            appendField(6, varint: UInt64(bitPattern: number << 1 ^ number >> 63))
        case .bool(let flag):
            appendField(7, varint: flag ? 1 : 0)
        }
    }
}

// The little of protobuf's wire format that a vector tile needs.
extension UInt64 {
    /// Bytes that the number takes as a varint: one for each seven bits.
    fileprivate var varintLength: Int { (70 - (self | 1).leadingZeroBitCount) / 7 }
}

extension [UInt8] {
    @inline(__always)
    fileprivate mutating func appendVarint(_ value: UInt64) {
        // Most are small.
        if value < 0x80 { append(UInt8(truncatingIfNeeded: value)) } else { appendLongVarint(value) }
    }

    private mutating func appendLongVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func appendZigZag(_ value: Int) {
        appendVarint(UInt64(bitPattern: Int64(value << 1 ^ value >> 63)))
    }

    fileprivate mutating func appendField(_ number: UInt64, varint: UInt64) {
        appendVarint(number << 3)
        appendVarint(varint)
    }

    fileprivate mutating func appendField(_ number: UInt64, length: Int) {
        appendVarint(number << 3 | 2)
        appendVarint(UInt64(length))
    }

    fileprivate mutating func appendField(_ number: UInt64, string: String) {
        appendField(number, length: string.utf8.count)
        append(contentsOf: string.utf8)
    }
}
