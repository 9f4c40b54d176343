/// The JSON that the Connect protocol uses for errors and for the end of streams.
enum ConnectProtocol {
    /// `{"code":"not_found","message":"…","details":[{"type":"google.rpc.…","value":"base64"}]}`
    static func error(_ error: RPCError) -> [UInt8] {
        Array(object(error).utf8)
    }

    /// `{"error":{…},"metadata":{"name":["value"]}}`
    static func endOfStream(_ error: RPCError?, _ trailing: Metadata) -> [UInt8] {
        var members: [String] = []
        if let error { members.append("\"error\":" + object(error)) }
        var trailers = trailing
        if let error { trailers.add(contentsOf: error.metadata) }
        var values: [(String, [String])] = []
        for field in trailers {
            if let index = values.firstIndex(where: { $0.0 == field.name }) {
                values[index].1.append(field.value)
            } else {
                values.append((field.name, [field.value]))
            }
        }
        if !values.isEmpty {
            let entries = values.map { quoted($0.0) + ":[" + $0.1.map { quoted($0) }.joined(separator: ",") + "]" }
            members.append("\"metadata\":{" + entries.joined(separator: ",") + "}")
        }
        return Array(("{" + members.joined(separator: ",") + "}").utf8)
    }

    private static func object(_ error: RPCError) -> String {
        var text = "{\"code\":\"\(error.code.name)\""
        if !error.message.isEmpty { text += ",\"message\":" + quoted(error.message) }
        if !error.details.isEmpty {
            let details = error.details.map { detail in
                // Connect leaves the padding away.
                let value = Base64.encode(detail.value).prefix { $0 != "=" }
                return "{\"type\":\(quoted(detail.typeName)),\"value\":\"\(value)\"}"
            }
            text += ",\"details\":[" + details.joined(separator: ",") + "]"
        }
        return text + "}"
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
