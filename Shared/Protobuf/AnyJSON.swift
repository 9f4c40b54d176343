/// `google.protobuf.Any` in proto3 JSON: the message's own fields beside `@type`; where the message has no fields in JSON, or
/// its type is not known here, one field `value`.
extension JSONWriter {
    /// - Parameter type: the message's type, if it is known; nil writes `value` in base64.
    public mutating func writeAny(typeURL: String, value: [UInt8], type: (any Message.Type)?) {
        beginObject()
        if !typeURL.isEmpty {
            field("@type")
            write(typeURL)
        }
        // An `Any` in an `Any` in an `Any` … is opened to a bounded depth, for each opening recurses.
        if let type, anyDepth < 8, let message = try? type.init(protobuf: value) {
            var inner = JSONWriter()
            inner.anyDepth = anyDepth + 1
            message.writeJSON(to: &inner)
            appendMembers(of: inner, inPlace: type.fullName != "google.protobuf.Any")
        } else if !value.isEmpty {
            field("value")
            write(value)
        }
        endObject()
    }
}

extension JSONReader {
    /// The `@type` of the object that comes next, wherever it stands in that; nothing is read.
    public func peekTypeURL() throws -> String {
        var ahead = self
        var typeURL = ""
        try ahead.beginObject()
        while let name = try ahead.nextField() {
            if name == "@type" { typeURL = try ahead.readString() } else { try ahead.skipValue() }
        }
        return typeURL
    }

    /// The message in the object that comes next, in the wire format.
    ///
    /// - Parameter type: the message's type, if it is known; nil reads `value` as base64.
    public mutating func readAny(type: (any Message.Type)?) throws -> [UInt8] {
        if let type, try !hasOwnForm(type) {
            return try type.init(json: &self).protobufBytes()
        }
        var bytes: [UInt8] = []
        try beginObject()
        while let name = try nextField() {
            switch name {
            case "value": bytes = try type.map { try $0.init(json: &self).protobufBytes() } ?? readBytes()
            case "@type": try skipValue()
            default: try skipUnknown()
            }
        }
        return bytes
    }

    /// Whether a type's JSON is no object of its fields: then it stands in a field `value`.
    private func hasOwnForm(_ type: any Message.Type) throws -> Bool {
        var writer = JSONWriter()
        type.init().writeJSON(to: &writer)
        return writer.bytes.first != UInt8(ascii: "{") || type.fullName == "google.protobuf.Any"
    }
}
