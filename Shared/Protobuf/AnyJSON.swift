/// `google.protobuf.Any` in proto3 JSON: the message's own fields beside `@type`; where the type's JSON is no object of its
/// fields, one field `value`. Where the message cannot be shown (its type is not known here, say), its bytes stand in base64 in a
/// field `@bytes`, which is ours: the mapping has no form for that.
extension JSONWriter {
    /// An `Any` in an `Any` in an `Any` … is opened to this depth, for each opening recurses.
    private static let maxAnyDepth = 8

    /// - Parameter type: the message's type, if it is known.
    public mutating func writeAny(typeURL: String, value: [UInt8], type: (any Message.Type)?) {
        beginObject()
        if !typeURL.isEmpty {
            field("@type")
            write(typeURL)
        }
        if let type, anyDepth < Self.maxAnyDepth, let message = try? type.init(protobuf: value) {
            var inner = JSONWriter()
            inner.anyDepth = anyDepth + 1
            message.writeJSON(to: &inner)
            appendMembers(of: inner, inPlace: !hasOwnForm(type))
        } else if !value.isEmpty {
            field("@bytes")
            write(value)
        }
        endObject()
    }
}

extension JSONReader {
    /// - Parameter knownType: finds a message's type by its full name.
    public mutating func readAny(_ knownType: (String) -> (any Message.Type)?) throws -> (typeURL: String, value: [UInt8]) {
        // The type may stand behind the fields that only it explains, so it is looked for first.
        var ahead = self
        var typeURL = ""
        var opaque: [UInt8]?
        var hasFields = false
        try ahead.beginObject()
        while let name = try ahead.nextField() {
            switch name {
            case "@type": typeURL = try ahead.readString()
            case "@bytes": opaque = try ahead.readBytes()
            default:
                hasFields = true
                try ahead.skipValue()
            }
        }
        let typeName = typeURL.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        guard opaque == nil, let type = knownType(typeName) else {
            if hasFields { throw invalid("the type in @type is not known here") }
            try skipValue()
            return (typeURL, opaque ?? [])
        }
        guard hasOwnForm(type) else { return (typeURL, try type.init(json: &self).protobufBytes()) }
        var value: [UInt8] = []
        try beginObject()
        while let name = try nextField() {
            switch name {
            case "value":
                if try readNullIfNext() { continue }
                value = try type.init(json: &self).protobufBytes()
            default: try skipUnknown()
            }
        }
        return (typeURL, value)
    }
}

/// Whether a type's JSON is no object of its fields.
private func hasOwnForm(_ type: any Message.Type) -> Bool {
    var writer = JSONWriter()
    type.init().writeJSON(to: &writer)
    return writer.bytes.first != UInt8(ascii: "{") || type.fullName == "google.protobuf.Any"
}
