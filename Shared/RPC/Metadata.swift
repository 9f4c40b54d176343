/// Header fields of a call: names in lower case, each with any number of values, in order.
///
/// ```swift
/// var metadata: Metadata = ["x-request-id": "17"]
/// metadata.add("b", for: "x-tag")
/// metadata[bytes: "x-key-bin"] = [1, 2, 3]
/// ```
///
/// Values of names that end in `-bin` are arbitrary bytes; they travel, and are kept here, in base64.
public struct Metadata: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One field. The value of a `-bin` field is its base64 form.
    public struct Field: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    /// All fields, in order of arrival or addition.
    public private(set) var fields: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        fields.reserveCapacity(elements.count)
        for (name, value) in elements { add(value, for: name) }
    }

    init(receivedFields fields: [Field]) {
        self.fields = fields
    }

    public var isEmpty: Bool { fields.isEmpty }
    public var count: Int { fields.count }

    /// The first value of a name; setting replaces all of them, nil removes them.
    public subscript(name: String) -> String? {
        get {
            for field in fields where field.name == name { return field.value }
            // Names are kept in lower case, so most that are not found are not there.
            guard Self.hasUpperCase(name) else { return nil }
            let lowered = name.lowercased()
            return fields.first { $0.name == lowered }?.value
        }
        set {
            let lowered = Self.hasUpperCase(name) ? name.lowercased() : name
            if fields.contains(where: { $0.name == lowered }) { fields.removeAll { $0.name == lowered } }
            if let newValue { fields.append(Field(name: lowered, value: newValue)) }
        }
    }

    private static func hasUpperCase(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { bytes in
            var index = 0
            while index < bytes.count {
                if bytes[index] &- UInt8(ascii: "A") < 26 { return true }
                index += 1
            }
            return false
        }
    }

    /// The first value of a `-bin` name, decoded; nil where there is none or it is no base64.
    public subscript(bytes name: String) -> [UInt8]? {
        get {
            guard let value = self[name] else { return nil }
            return Base64.decode(value.utf8.prefix { $0 != UInt8(ascii: ",") })
        }
        set { self[name] = newValue.map { Base64.encode($0) } }
    }

    /// All values of a name, in order.
    public func values(_ name: String) -> [String] {
        let name = Self.hasUpperCase(name) ? name.lowercased() : name
        var values: [String] = []
        for field in fields where field.name == name { values.append(field.value) }
        return values
    }

    /// All values of a `-bin` name, decoded; what is no base64 is left out. A peer may have joined values by commas.
    public func values(bytes name: String) -> [[UInt8]] {
        values(name).flatMap { value in
            value.utf8.split(separator: UInt8(ascii: ",")).compactMap { Base64.decode($0) }
        }
    }

    /// Adds a value after those that the name has.
    public mutating func add(_ value: String, for name: String) {
        fields.append(Field(name: Self.hasUpperCase(name) ? name.lowercased() : name, value: value))
    }

    /// Adds bytes under a name that must end in `-bin`.
    public mutating func add(bytes: [UInt8], for name: String) {
        precondition(name.hasSuffix("-bin"), "metadata of bytes needs a name that ends in -bin")
        add(Base64.encode(bytes), for: name)
    }

    /// Adds all fields of another.
    public mutating func add(contentsOf other: Metadata) {
        fields.append(contentsOf: other.fields)
    }

    /// Removes all values of a name.
    public mutating func remove(_ name: String) {
        let lowered = name.lowercased()
        fields.removeAll { $0.name == lowered }
    }
}

/// HTTP header fields have the same shape.
public typealias HTTPHeaders = Metadata

extension Metadata: Sequence {
    public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }
    public var underestimatedCount: Int { fields.count }
}
