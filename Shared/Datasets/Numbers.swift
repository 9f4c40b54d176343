/// A decimal number such as `-77.229895` or `1.5e3`; nil for anything else, NaN and infinities among it.
func readDouble(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
    var index = 0
    var isNegative = false
    if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
        isNegative = sign == UInt8(ascii: "-")
        index = 1
    }
    var mantissa: UInt64 = 0
    var digits = 0
    var decimals = 0
    var hasPoint = false
    while index < bytes.count {
        let byte = bytes[index]
        let digit = byte &- UInt8(ascii: "0")
        if digit < 10 {
            if digits < 19 { mantissa = mantissa &* 10 &+ UInt64(digit) }
            digits += 1
            if hasPoint { decimals += 1 }
        } else if byte == UInt8(ascii: "."), !hasPoint {
            hasPoint = true
        } else {
            break
        }
        index += 1
    }
    guard digits > 0 else { return nil }
    if index == bytes.count, digits <= 19, mantissa < 1 << 53, decimals <= 22 {
        // Both numbers are exact doubles, so one division rounds once and correctly.
        let magnitude = Double(mantissa) / powersOfTen[decimals]
        return isNegative ? -magnitude : magnitude
    }
    if index < bytes.count {
        guard bytes[index] | 0x20 == UInt8(ascii: "e") else { return nil }
        index += 1
        if index < bytes.count, bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+") { index += 1 }
        guard index < bytes.count, bytes[index...].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    }
    guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
    return value
}

private let powersOfTen: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]
