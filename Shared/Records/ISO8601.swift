/// ISO 8601 text of a `Timestamp`, in the forms that data carries: `2018-04-01`, `2018-04-01T00:00:31Z`,
/// `2018-04-01 00:00:31.250+05:30`, with `T`, `t` or one space between date and time and up to nine digits of a fraction.
extension Timestamp {
    /// Nil when `text` is no such form, or the calendar has no such day. Digits after the sixth of the fraction are cut.
    ///
    /// - Parameter offsetSeconds: how far east of UTC the clock was, for a text that does not say.
    public init?(iso8601 text: String, assumingOffsetSeconds offsetSeconds: Int = 0) {
        var text = text
        guard let time = text.withUTF8({ Timestamp.parse(iso8601: $0, assumingOffsetSeconds: offsetSeconds) }) else { return nil }
        self = time
    }

    /// As `init(iso8601:)`, from bytes, without making a `String`.
    public static func parse(iso8601 bytes: UnsafeBufferPointer<UInt8>, assumingOffsetSeconds offsetSeconds: Int = 0) -> Timestamp? {
        var scanner = ISO8601Scanner(bytes: bytes)
        guard let (civil, offset) = scanner.scan() else { return nil }
        return Timestamp(civil, offsetSeconds: offset ?? offsetSeconds)
    }

    /// The clock parts as written, and the offset from UTC in seconds if the text states one (`Z` states 0). Nil when it is no such form.
    public static func parseParts(iso8601 bytes: UnsafeBufferPointer<UInt8>) -> (civil: CivilTime, offsetSeconds: Int?)? {
        var scanner = ISO8601Scanner(bytes: bytes)
        return scanner.scan()
    }

    /// `2018-04-01T00:00:31Z`, with as many digits of a fraction as it needs, in groups of three.
    public var iso8601: String {
        let civil = civil()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(27)
        appendDigits(civil.year, width: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(civil.month, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(civil.day, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        appendDigits(civil.hour, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(civil.minute, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(civil.second, width: 2, to: &bytes)
        if civil.microsecond % 1_000 != 0 {
            bytes.append(UInt8(ascii: "."))
            appendDigits(civil.microsecond, width: 6, to: &bytes)
        } else if civil.microsecond != 0 {
            bytes.append(UInt8(ascii: "."))
            appendDigits(civil.microsecond / 1_000, width: 3, to: &bytes)
        }
        bytes.append(UInt8(ascii: "Z"))
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String { iso8601 }
}

private func appendDigits(_ value: Int, width: Int, to bytes: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<width { divisor *= 10 }
    var rest = value < 0 ? -value : value
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    while rest / divisor >= 10 { divisor *= 10 }  // a year past 9999 keeps all its digits
    while divisor > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(rest / divisor))
        rest %= divisor
        divisor /= 10
    }
}

private struct ISO8601Scanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var index = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func scan() -> (civil: CivilTime, offsetSeconds: Int?)? {
        guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2) else { return nil }
        var civil = CivilTime(year: year, month: month, day: day)
        var offset: Int?
        if index < bytes.count {
            guard take("T") || take("t") || take(" "), let hour = digits(2), take(":"), let minute = digits(2) else { return nil }
            civil.hour = hour
            civil.minute = minute
            if take(":") {
                guard let second = digits(2) else { return nil }
                civil.second = second
                if take(".") || take(",") {
                    guard let microsecond = fraction() else { return nil }
                    civil.microsecond = microsecond
                }
            }
            if index < bytes.count {
                guard let stated = zone() else { return nil }
                offset = stated
            }
        }
        guard index == bytes.count, civil.isValid else { return nil }
        return (civil, offset)
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func digits(_ count: Int) -> Int? {
        guard index + count <= bytes.count else { return nil }
        var value = 0
        for i in index..<index + count {
            let digit = bytes[i] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int(digit)
        }
        index += count
        return value
    }

    /// One to nine digits, as microseconds.
    private mutating func fraction() -> Int? {
        var value = 0
        var count = 0
        while index < bytes.count {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            if count < 6 { value = value * 10 + Int(digit) }
            count += 1
            index += 1
        }
        guard (1...9).contains(count) else { return nil }
        for _ in 0..<max(0, 6 - count) { value *= 10 }
        return value
    }

    /// `Z`, `+05:30`, `+0530`, `+05`, with or without one space before.
    private mutating func zone() -> Int? {
        _ = take(" ")
        if take("Z") || take("z") { return 0 }
        let sign: Int
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = digits(2) else { return nil }
        var minutes = 0
        if index < bytes.count {
            _ = take(":")
            guard let stated = digits(2) else { return nil }
            minutes = stated
        }
        // The widest offsets in use are -12:00 and +14:00; a little room costs nothing, a wild value is a fault in the data.
        guard hours <= 15, minutes < 60 else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }
}
