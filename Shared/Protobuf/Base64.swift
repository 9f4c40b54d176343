/// Base64 (RFC 4648), as proto3 JSON and metadata use it.
public enum Base64 {
    private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The value of each byte as a digit of either alphabet (`+/` or `-_`); 255 for what is no digit.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
        values[Int(UInt8(ascii: "-"))] = 62
        values[Int(UInt8(ascii: "_"))] = 63
        return values
    }()

    /// Appends the encoding of `bytes` in the standard alphabet.
    public static func encode(_ bytes: some Collection<UInt8>, padded: Bool = true, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + (bytes.count + 2) / 3 * 4)
        var pending: UInt32 = 0
        var pendingBits: UInt32 = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            pendingBits += 8
            while pendingBits >= 6 {
                pendingBits -= 6
                output.append(alphabet[Int(pending >> pendingBits & 63)])
            }
        }
        if pendingBits > 0 { output.append(alphabet[Int(pending << (6 - pendingBits) & 63)]) }
        if padded, pendingBits > 0 { output.append(contentsOf: repeatElement(UInt8(ascii: "="), count: Int(6 - pendingBits) / 2)) }
    }

    /// The encoding of `bytes` in the standard alphabet.
    public static func encode(_ bytes: some Collection<UInt8>, padded: Bool = true) -> String {
        var output: [UInt8] = []
        encode(bytes, padded: padded, into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The bytes that `text` stands for, in the standard or the URL-safe alphabet, with padding or without; nil where
    /// it is not base64.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3 + 3)
        var pending: UInt32 = 0
        var pendingBits: UInt32 = 0
        var digits = 0
        var padding = 0
        for byte in text {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let value = values[Int(byte)]
            guard value != 255, padding == 0 else { return nil }
            digits += 1
            pending = (pending << 6 | UInt32(value)) & 0xFFFF
            pendingBits += 6
            if pendingBits >= 8 {
                pendingBits -= 8
                output.append(UInt8(truncatingIfNeeded: pending >> pendingBits))
            }
        }
        let isWhole = digits % 4 != 1 && pending & ((1 << pendingBits) - 1) == 0
        let isPadded = padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0)
        return isWhole && isPadded ? output : nil
    }
}
