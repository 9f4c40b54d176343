/// Numbers as text, written into memory: the shortest decimal that reads back as the same number, as Swift and Python print it, and whole
/// numbers without a point.
public enum NumberText {
    /// No number takes more bytes.
    public static let maxBytes = 32

    /// - Parameter place: has room for `maxBytes`.
    /// - Returns: where the text ends. Nothing is written for NaN.
    @inline(__always)
    public static func write(_ value: Double, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        if value >= 0, value < 10, value.rounded(.towardZero) == value {
            place.pointee = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: Int(value))
            return place + 1
        }
        return writeLonger(value, to: place)
    }

    @inline(never)
    public static func writeLonger(_ value: Double, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        if value.isNaN { return place }
        let magnitude = value.magnitude
        guard magnitude < 1e15 else { return writeDescription(value, to: place) }
        var place = place
        if value < 0 {
            place.pointee = UInt8(ascii: "-")
            place += 1
        }
        let whole = UInt64(magnitude)
        if Double(whole) == magnitude { return write(whole, to: place) }
        // Four decimals are enough for many: amounts, and means of few of them. A decimal of at most fifteen digits is the shortest for the
        // number that is nearest to it.
        if magnitude < 1e11 {
            let scaled = UInt64((magnitude * 1e4).rounded())
            if scaled > 0, Double(scaled) / 1e4 == magnitude { return write(scaled, decimals: 4, to: place) }
        }
        guard magnitude >= 1e-3, let shortest = ShortestDecimal(magnitude) else { return writeDescription(magnitude, to: place) }
        return write(shortest.digits, decimals: shortest.decimals, to: place)
    }

    /// Digits of which the last `decimals` are behind the point; zeros at the end are left out.
    private static func write(_ digits: UInt64, decimals: Int, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        var digits = digits
        var decimals = decimals
        while decimals > 0, digits % 10 == 0 {
            digits /= 10
            decimals -= 1
        }
        let (whole, rest) = digits.quotientAndRemainder(dividingBy: powersOfTen[decimals])
        let point = write(whole, to: place)
        guard decimals > 0 else { return point }
        point.pointee = UInt8(ascii: ".")
        write(rest, width: decimals, to: point + 1)
        return point + 1 + decimals
    }

    @inline(__always)
    public static func write(_ number: UInt64, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        var width = 1
        while width < 20, number >= powersOfTen[width] { width += 1 }
        write(number, width: width, to: place)
        return place + width
    }

    /// With zeros in front where the number has fewer digits.
    @inline(__always)
    public static func write(_ number: UInt64, width: Int, to place: UnsafeMutablePointer<UInt8>) {
        var rest = number
        var index = width
        while index >= 2 {
            let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
            rest = quotient
            index -= 2
            let (tens, ones) = UInt8(truncatingIfNeeded: pair).quotientAndRemainder(dividingBy: 10)
            place[index] = UInt8(ascii: "0") + tens
            place[index + 1] = UInt8(ascii: "0") + ones
        }
        if index == 1 { place[0] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10) }
    }

    private static func writeDescription(_ value: Double, to place: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        var text = Int64(exactly: value).map { String($0) } ?? value.description
        return text.withUTF8 { bytes in
            for (index, byte) in bytes.enumerated() { place[index] = byte }
            return place + bytes.count
        }
    }

    /// 1 to 10¹⁹.
    static let powersOfTen: [UInt64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000,
        1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000,
        100_000_000_000_000_000, 1_000_000_000_000_000_000, 10_000_000_000_000_000_000,
    ]
}

/// The decimal with the fewest digits that lies nearer to a number than to its neighbours, and among those the nearest to it.
///
/// In exact arithmetic of 128 bits, for numbers from 10⁻³ to 10¹⁵ that are not whole: a number is m·2⁻ˢ, its neighbours lie a half of 2⁻ˢ
/// beyond the ends of its interval, and all of it times 10ᵏ, so that it has 17 digits, still fits.
/// Source of the criterion: Steele and White, "How to Print Floating-Point Numbers Accurately", 1990.
private struct ShortestDecimal {
    let digits: UInt64
    let decimals: Int

    /// Nil for the few that are left to others: powers of two, whose interval is lopsided, and those at the edge of a power of ten.
    init?(_ value: Double) {
        let significand = value.significandBitPattern | 1 << 52
        guard significand != 1 << 52 else { return nil }
        let shift = 52 - Int(value.exponent)
        // Of the first digit: 10^exponent <= value.
        var exponent = -3
        while exponent < 14, value >= ShortestDecimal.bounds[exponent + 3] { exponent += 1 }
        let decimals = 16 - exponent
        guard (1...62).contains(shift), (0...19).contains(decimals) else { return nil }
        let scale = NumberText.powersOfTen[decimals]
        let exact = Wide(significand, times: scale)
        let digits = exact.shifted(right: shift)
        guard digits >= 10_000_000_000_000_000, digits < 99_999_999_999_999_900 else { return nil }

        // The ends of the interval, in halves of a unit of 2⁻ˢ; they belong to it if the significand is even.
        let twice = exact.doubled
        let isClosed = significand & 1 == 0
        let low = twice.subtracting(scale).ceiling(shiftedRight: shift + 1, isStrict: !isClosed)
        let high = twice.adding(scale).floor(shiftedRight: shift + 1, isStrict: !isClosed)
        let rest = exact.remainder(below: shift)
        let half = UInt64(1) << UInt64(shift - 1)
        // Of the numbers in the interval that end in zeros, the nearest: an interval is at most 23 wide.
        for step: UInt64 in [100, 10] where high / step * step >= low {
            let below = digits / step * step
            let over = digits - below
            let isUpper = over * 2 > step || (over * 2 == step && (rest > 0 || below / step & 1 == 1))
            let nearest = isUpper ? below + step : below
            self.digits = nearest >= low && nearest <= high ? nearest : high / step * step
            self.decimals = decimals
            return
        }
        let isUpper = rest > half || (rest == half && digits & 1 == 1)
        self.digits = isUpper ? digits + 1 : digits
        self.decimals = decimals
    }

    /// 10⁻² to 10¹⁴.
    private static let bounds: [Double] = [
        1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
    ]
}

/// 128 bits without a sign.
private struct Wide {
    let high: UInt64
    let low: UInt64

    @inline(__always)
    init(_ a: UInt64, times b: UInt64) { (high, low) = a.multipliedFullWidth(by: b) }

    @inline(__always)
    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    @inline(__always)
    var doubled: Wide { Wide(high: high << 1 | low >> 63, low: low << 1) }

    @inline(__always)
    func adding(_ other: UInt64) -> Wide {
        let (sum, overflow) = low.addingReportingOverflow(other)
        return Wide(high: high &+ (overflow ? 1 : 0), low: sum)
    }

    @inline(__always)
    func subtracting(_ other: UInt64) -> Wide {
        let (difference, overflow) = low.subtractingReportingOverflow(other)
        return Wide(high: high &- (overflow ? 1 : 0), low: difference)
    }

    /// - Parameter bits: 1…63, so many that the result fits.
    @inline(__always)
    func shifted(right bits: Int) -> UInt64 { high &<< UInt64(64 - bits) | low &>> UInt64(bits) }

    /// What a shift loses.
    @inline(__always)
    func remainder(below bits: Int) -> UInt64 { low & (1 &<< UInt64(bits) &- 1) }

    @inline(__always)
    func floor(shiftedRight bits: Int, isStrict: Bool) -> UInt64 {
        let floor = shifted(right: bits)
        return isStrict && remainder(below: bits) == 0 ? floor - 1 : floor
    }

    @inline(__always)
    func ceiling(shiftedRight bits: Int, isStrict: Bool) -> UInt64 {
        let floor = shifted(right: bits)
        return remainder(below: bits) > 0 || isStrict ? floor + 1 : floor
    }
}
