/// A tree of values, as JSON and UBJSON write it; arrays of numbers are kept flat.
indirect enum ModelDocument {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case numbers([Double])
    case array([ModelDocument])
    case object([String: ModelDocument])

    /// Deeper nesting is refused.
    static let maxDepth = 64

    subscript(_ key: String) -> ModelDocument? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// Numbers, booleans and numbers in strings: XGBoost writes all three.
    var number: Double? {
        switch self {
        case .number(let value): value
        case .bool(let value): value ? 1 : 0
        case .string(let text): Double(text)
        default: nil
        }
    }

    var numbers: [Double]? {
        switch self {
        case .numbers(let values): return values
        case .array(let values):
            let numbers = values.compactMap(\.number)
            return numbers.count == values.count ? numbers : nil
        default: return nil
        }
    }

    var elements: [ModelDocument]? {
        switch self {
        case .array(let values): values
        case .numbers(let values): values.map { .number($0) }
        default: nil
        }
    }

    /// An array, flat if all its elements are numbers.
    static func collecting(_ values: [ModelDocument]) -> ModelDocument {
        var numbers: [Double] = []
        numbers.reserveCapacity(values.count)
        for value in values {
            guard case .number(let number) = value else { return .array(values) }
            numbers.append(number)
        }
        return .numbers(numbers)
    }
}

/// Reads JSON (RFC 8259), with XGBoost's `NaN` and `Infinity` besides.
struct ModelJSONReader {
    private let bytes: [UInt8]
    private var index = 0

    static func read(_ bytes: [UInt8]) throws(ForestError) -> ModelDocument {
        var reader = ModelJSONReader(bytes: bytes)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.index == bytes.count else { throw reader.fault("something after its end") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func fault(_ what: String) -> ForestError { ForestError("the JSON has \(what) at byte \(index)") }

    private mutating func skipSpace() {
        while index < bytes.count, bytes[index] == 0x20 || (bytes[index] >= 0x09 && bytes[index] <= 0x0d) { index += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws(ForestError) -> ModelDocument {
        guard depth <= ModelDocument.maxDepth else { throw fault("nesting deeper than \(ModelDocument.maxDepth)") }
        skipSpace()
        guard index < bytes.count else { throw fault("an early end") }
        switch bytes[index] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try text())
        case UInt8(ascii: "t") where word("true"): return .bool(true)
        case UInt8(ascii: "f") where word("false"): return .bool(false)
        case UInt8(ascii: "n") where word("null"): return .null
        default: return .number(try number())
        }
    }

    private mutating func word(_ word: String) -> Bool {
        guard bytes[index...].starts(with: word.utf8) else { return false }
        index += word.utf8.count
        return true
    }

    private mutating func object(depth: Int) throws(ForestError) -> ModelDocument {
        index += 1
        var members: [String: ModelDocument] = [:]
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipSpace()
            guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { throw fault("no name") }
            let name = try text()
            guard take(UInt8(ascii: ":")) else { throw fault("no colon") }
            members[name] = try value(depth: depth + 1)
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw fault("no closing brace") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(ForestError) -> ModelDocument {
        index += 1
        var values: [ModelDocument] = []
        if take(UInt8(ascii: "]")) { return .numbers([]) }
        repeat { values.append(try value(depth: depth + 1)) } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw fault("no closing bracket") }
        return .collecting(values)
    }

    private mutating func text() throws(ForestError) -> String {
        index += 1
        var text: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw fault("a string that is no UTF-8") }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            default: text.append(byte)
            }
        }
        throw fault("an unfinished string")
    }

    private mutating func escape(into text: inout [UInt8]) throws(ForestError) {
        guard index < bytes.count else { throw fault("an unfinished string") }
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "u"):
            guard index + 4 <= bytes.count, let digits = String(validating: bytes[index..<index + 4], as: UTF8.self),
                let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code)
            else { throw fault("a bad escape") }  // names beyond the basic plane are not escaped by XGBoost
            index += 4
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw fault("a bad escape")
        }
    }

    private mutating func number() throws(ForestError) -> Double {
        let start = index
        while index < bytes.count, !Self.endsNumber(bytes[index]) { index += 1 }
        guard index > start, index - start <= 64, let value = Double(String(decoding: bytes[start..<index], as: UTF8.self)) else {
            index = start
            throw fault("no value")
        }
        return value
    }

    private static func endsNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: ":") || byte <= 0x20
    }
}

/// Reads UBJSON, draft 12, as XGBoost writes it: typed arrays with counts.
struct ModelUBJSONReader {
    private let bytes: [UInt8]
    private var index = 0

    static func read(_ bytes: [UInt8]) throws(ForestError) -> ModelDocument {
        var reader = ModelUBJSONReader(bytes: bytes)
        let value = try reader.value(marker: try reader.byte(), depth: 0)
        guard reader.index == bytes.count else { throw reader.fault("something after its end") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func fault(_ what: String) -> ForestError { ForestError("the UBJSON has \(what) at byte \(index)") }

    private mutating func byte() throws(ForestError) -> UInt8 {
        guard index < bytes.count else { throw fault("an early end") }
        index += 1
        return bytes[index - 1]
    }

    private mutating func peek(_ marker: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: marker) else { return false }
        index += 1
        return true
    }

    /// A big-endian integer of so many bytes, its bits in the low end.
    private mutating func bits(_ count: Int) throws(ForestError) -> UInt64 {
        guard bytes.count - index >= count else { throw fault("an early end") }
        var value: UInt64 = 0
        for _ in 0..<count {
            value = value << 8 | UInt64(bytes[index])
            index += 1
        }
        return value
    }

    private mutating func scalar(marker: UInt8) throws(ForestError) -> Double? {
        switch marker {
        case UInt8(ascii: "i"): Double(Int8(truncatingIfNeeded: try bits(1)))
        case UInt8(ascii: "U"): Double(try bits(1))
        case UInt8(ascii: "I"): Double(Int16(truncatingIfNeeded: try bits(2)))
        case UInt8(ascii: "l"): Double(Int32(truncatingIfNeeded: try bits(4)))
        case UInt8(ascii: "L"): Double(Int64(truncatingIfNeeded: try bits(8)))
        case UInt8(ascii: "d"): Double(Float(bitPattern: UInt32(truncatingIfNeeded: try bits(4))))
        case UInt8(ascii: "D"): Double(bitPattern: try bits(8))
        default: nil
        }
    }

    private mutating func length() throws(ForestError) -> Int {
        guard let length = try scalar(marker: try byte()), length >= 0, length <= Double(bytes.count) else { throw fault("a bad length") }
        return Int(length)
    }

    private mutating func text() throws(ForestError) -> String {
        let count = try length()
        guard bytes.count - index >= count, let text = String(validating: bytes[index..<index + count], as: UTF8.self) else {
            throw fault("a bad string")
        }
        index += count
        return text
    }

    private mutating func value(marker: UInt8, depth: Int) throws(ForestError) -> ModelDocument {
        guard depth <= ModelDocument.maxDepth else { throw fault("nesting deeper than \(ModelDocument.maxDepth)") }
        if let number = try scalar(marker: marker) { return .number(number) }
        switch marker {
        case UInt8(ascii: "Z"): return .null
        case UInt8(ascii: "T"): return .bool(true)
        case UInt8(ascii: "F"): return .bool(false)
        case UInt8(ascii: "S"): return .string(try text())
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "{"): return try object(depth: depth)
        default: throw fault("an unknown type")
        }
    }

    private mutating func array(depth: Int) throws(ForestError) -> ModelDocument {
        var type: UInt8?
        if peek("$") { type = try byte() }
        guard peek("#") else {
            guard type == nil else { throw fault("a typed array without a count") }
            var values: [ModelDocument] = []
            while !peek("]") { values.append(try value(marker: try byte(), depth: depth + 1)) }
            return .collecting(values)
        }
        let count = try length()
        var values: [ModelDocument] = []
        var numbers: [Double] = []
        for _ in 0..<count {
            let marker: UInt8
            if let type { marker = type } else { marker = try byte() }
            if type != nil, let number = try scalar(marker: marker) {
                numbers.append(number)
            } else {
                values.append(try value(marker: marker, depth: depth + 1))
            }
        }
        return type != nil && values.isEmpty ? .numbers(numbers) : .collecting(values)
    }

    private mutating func object(depth: Int) throws(ForestError) -> ModelDocument {
        var members: [String: ModelDocument] = [:]
        if peek("#") {
            for _ in 0..<(try length()) {
                let name = try text()
                members[name] = try value(marker: try byte(), depth: depth + 1)
            }
            return .object(members)
        }
        while !peek("}") {
            let name = try text()
            members[name] = try value(marker: try byte(), depth: depth + 1)
        }
        return .object(members)
    }
}
