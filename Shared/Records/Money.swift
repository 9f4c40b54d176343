/// An exact amount in the minor unit of its currency: 57.16 euros are 5716 cents.
public struct Money: Sendable, Hashable {
    public var minorUnits: Int64
    public var currency: Currency

    public init(minorUnits: Int64, currency: Currency) {
        self.minorUnits = minorUnits
        self.currency = currency
    }

    /// The amount in major units, for arithmetic of features and for people; not exact.
    public var amount: Double { Double(minorUnits) / Double(currency.minorUnitsPerMajor) }

    /// Reads a decimal number such as `57.16` or `-3` exactly; exponents (`1e2`) and digit groups (`1,000`) are refused.
    ///
    /// - Throws: `DecimalError` when the text is no decimal number, has more decimals than the currency (trailing zeros do not count),
    ///   or does not fit.
    public init(
        decimal bytes: UnsafeBufferPointer<UInt8>, decimalPoint: UInt8 = UInt8(ascii: "."), currency: Currency
    ) throws(DecimalError) {
        self.currency = currency
        minorUnits = try Money.parse(decimal: bytes, decimalPoint: decimalPoint, exponent: Int(currency.exponent))
    }

    /// As `init(decimal:decimalPoint:currency:)`.
    public init(decimal text: String, currency: Currency) throws(DecimalError) {
        self.currency = currency
        var text = text
        let result = text.withUTF8 { bytes in
            Result { () throws(DecimalError) in
                try Money.parse(decimal: bytes, decimalPoint: UInt8(ascii: "."), exponent: Int(currency.exponent))
            }
        }
        minorUnits = try result.get()
    }

    /// Why a text is no exact amount.
    public enum DecimalError: Error, Sendable, Hashable, CustomStringConvertible {
        case notANumber
        case tooManyDecimals(allowed: Int)
        case outOfRange

        public var description: String {
            switch self {
            case .notANumber: "is not a decimal number"
            case .tooManyDecimals(let allowed): "has more than \(allowed) decimals"
            case .outOfRange: "is too large"
            }
        }
    }

    private static func parse(decimal bytes: UnsafeBufferPointer<UInt8>, decimalPoint: UInt8, exponent: Int) throws(DecimalError) -> Int64 {
        var index = 0
        var negative = false
        if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            negative = sign == UInt8(ascii: "-")
            index = 1
        }
        var value: Int64 = 0
        var digits = 0
        var decimals = -1  // -1 until the point has been seen
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if byte == decimalPoint, decimals < 0 {
                decimals = 0
                continue
            }
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { throw .notANumber }
            digits += 1
            if decimals >= exponent {
                guard digit == 0 else {
                    throw bytes[index...].allSatisfy { $0 &- UInt8(ascii: "0") < 10 } ? .tooManyDecimals(allowed: exponent) : .notANumber
                }
                continue
            }
            if decimals >= 0 { decimals += 1 }
            value = try appending(Int64(digit), to: value)
        }
        guard digits > 0 else { throw .notANumber }
        for _ in 0..<(exponent - max(decimals, 0)) { value = try appending(0, to: value) }
        return negative ? -value : value
    }

    private static func appending(_ digit: Int64, to value: Int64) throws(DecimalError) -> Int64 {
        let (product, productOverflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, sumOverflow) = product.addingReportingOverflow(digit)
        guard !productOverflow, !sumOverflow else { throw .outOfRange }
        return sum
    }
}

extension Money: CustomStringConvertible {
    /// `57.16 EUR`
    public var description: String {
        let factor = currency.minorUnitsPerMajor
        let magnitude = minorUnits.magnitude
        let whole = magnitude / UInt64(factor)
        var text = (minorUnits < 0 ? "-" : "") + String(whole)
        if currency.exponent > 0 {
            let rest = String(magnitude % UInt64(factor))
            text += "." + String(repeating: "0", count: Int(currency.exponent) - rest.utf8.count) + rest
        }
        return text + " " + currency.code
    }
}
