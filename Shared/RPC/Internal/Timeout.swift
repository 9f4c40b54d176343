/// The value of `grpc-timeout`: up to eight digits and a unit.
enum Timeout {
    /// nil where the text is no timeout.
    static func parse(_ text: String) -> Duration? {
        guard let unit = text.utf8.last, (2...9).contains(text.utf8.count) else { return nil }
        var value: Int64 = 0
        for digit in text.utf8.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        switch unit {
        case UInt8(ascii: "H"): return .seconds(value * 3600)
        case UInt8(ascii: "M"): return .seconds(value * 60)
        case UInt8(ascii: "S"): return .seconds(value)
        case UInt8(ascii: "m"): return .milliseconds(value)
        case UInt8(ascii: "u"): return .microseconds(value)
        case UInt8(ascii: "n"): return .nanoseconds(value)
        default: return nil
        }
    }

    /// Rounded up to three digits: so calls with one timeout say the same, and header compression on both sides keeps
    /// one text instead of another one for each call. The caller's own clock is exact.
    static func format(nanoseconds: Int64) -> String {
        let seconds: Int64 = 1_000_000_000
        guard nanoseconds >= 0 else { return "0n" }
        guard nanoseconds < 99_900_000 * seconds else { return text(min(nanoseconds / (3600 * seconds) + 1, 99_999_999), "H") }
        var scale: Int64 = 1
        while nanoseconds > 999 * scale { scale *= 10 }
        let rounded = (nanoseconds + scale - 1) / scale * scale
        switch scale {
        case ..<1000: return text(rounded, "n")
        case ..<1_000_000: return text(rounded / 1000, "u")
        case ..<seconds: return text(rounded / 1_000_000, "m")
        default: return text(rounded / seconds, "S")
        }
    }

    /// Digits and a unit. Every call has one, and interpolation costs several times as much.
    private static func text(_ value: Int64, _ unit: Unicode.Scalar) -> String {
        String(unsafeUninitializedCapacity: 15) { storage in
            var digits = 1
            var rest = value
            while rest >= 10 {
                rest /= 10
                digits += 1
            }
            rest = value
            for index in stride(from: digits - 1, through: 0, by: -1) {
                storage[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            storage[digits] = UInt8(ascii: unit)
            return digits + 1
        }
    }
}

/// Percent-encoding of `grpc-message` and of URLs.
enum PercentEncoding {
    private static let hex = Array("0123456789ABCDEF".utf8)
    private static let space = UInt8(ascii: " ")

    /// Leaves printable ASCII but the percent sign, as gRPC has it; a space at either end is encoded all the same, for no
    /// header value may begin or end with one (RFC 9113, section 8.2.1).
    static func encode(_ text: String) -> String {
        let encoded = encode(text) { $0 >= 0x20 && $0 <= 0x7E && $0 != UInt8(ascii: "%") }
        guard encoded.utf8.first == space || encoded.utf8.last == space else { return encoded }
        let inner = encoded.utf8.drop { $0 == space }
        let leading = encoded.utf8.count - inner.count
        let trailing = inner.reversed().prefix { $0 == space }.count
        return String(repeating: "%20", count: leading) + String(decoding: inner.dropLast(trailing), as: UTF8.self)
            + String(repeating: "%20", count: trailing)
    }

    /// Leaves what may stand in a path or a query's value.
    static func encodeURLComponent(_ text: String, keepingSlash: Bool) -> String {
        encode(text) { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                true
            case UInt8(ascii: "/"): keepingSlash
            default: false
            }
        }
    }

    private static func encode(_ text: String, _ keeps: (UInt8) -> Bool) -> String {
        guard !text.utf8.allSatisfy(keeps) else { return text }
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if keeps(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Never fails: what is no escape stays as it is, and bytes that are no UTF-8 become replacement characters.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String {
        let isPlain = text.utf8.withContiguousStorageIfAvailable { source in
            !source.contains { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }
        }
        if isPlain == true { return String(text) }
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let high = digit(source[index + 1]), let low = digit(source[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(plusIsSpace && source[index] == UInt8(ascii: "+") ? UInt8(ascii: " ") : source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The pairs of a query string.
    static func query(_ text: some StringProtocol) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decode(parts[0], plusIsSpace: true), parts.count > 1 ? decode(parts[1], plusIsSpace: true) : "")
        }
    }
}
