/// JSON strings: escapes, surrogate pairs, UTF-8.
extension JSONReader {
    /// Reads the string whose opening quote is next.
    mutating func scanString() throws -> String {
        offset += 1
        let start = offset
        while offset < input.count {
            let byte = input[offset]
            if byte == UInt8(ascii: "\"") {
                let text = try validated(input[start..<offset])
                offset += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try scanEscapedString(from: start) }
            guard byte >= 0x20 else { throw invalid("a control character in a string") }
            offset += 1
        }
        throw invalid("a string without its end")
    }

    private mutating func scanEscapedString(from start: Int) throws -> String {
        var bytes = [UInt8](input[start..<offset])
        while offset < input.count {
            let byte = input[offset]
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return try bytes.withUnsafeBytes { try validated($0[...]) }
            case UInt8(ascii: "\\"): bytes.append(contentsOf: try scanEscape().utf8)
            case 0..<0x20: throw invalid("a control character in a string")
            default: bytes.append(byte)
            }
        }
        throw invalid("a string without its end")
    }

    private mutating func scanEscape() throws -> Unicode.Scalar {
        guard offset < input.count else { throw invalid("a string without its end") }
        let byte = input[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try scanUnicodeEscape()
        default: throw invalid("an unknown escape in a string")
        }
    }

    private mutating func scanUnicodeEscape() throws -> Unicode.Scalar {
        let first = try scanHexDigits()
        if first == 0 { throw ProtobufError(.nulInString, "a string contains NUL", fieldPath: fieldPath) }
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, input.count - offset >= 6, input[offset] == UInt8(ascii: "\\"), input[offset + 1] == UInt8(ascii: "u") else {
            throw invalid("half a surrogate pair in a string")
        }
        offset += 2
        let second = try scanHexDigits()
        guard 0xDC00..<0xE000 ~= second,
            let scalar = Unicode.Scalar(0x10000 + ((UInt32(first) - 0xD800) << 10) + (UInt32(second) - 0xDC00))
        else { throw invalid("half a surrogate pair in a string") }
        return scalar
    }

    private mutating func scanHexDigits() throws -> UInt16 {
        guard input.count - offset >= 4 else { throw invalid("a string without its end") }
        var value: UInt16 = 0
        for byte in input[offset..<offset + 4] {
            guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw invalid("an unknown escape in a string")
            }
            value = value << 4 | UInt16(digit)
        }
        offset += 4
        return value
    }

    private func validated(_ bytes: Slice<UnsafeRawBufferPointer>) throws -> String {
        guard let text = String(validating: UnsafeRawBufferPointer(rebasing: bytes), as: UTF8.self) else {
            throw ProtobufError(.invalidUTF8, "a string is not valid UTF-8", fieldPath: fieldPath)
        }
        return text
    }
}
