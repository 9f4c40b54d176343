import Records

/// Reads the times of one column.
struct TimeReader {
    private enum Format {
        case iso8601
        case unix(ticksPerSecond: Int64)
        case pattern(TimePattern)
    }

    private let format: Format
    private let zone: ZoneClock
    private let hasRowZones: Bool
    /// Added to what is read.
    let plus: TimeSpan

    /// Nil, with what is wrong, for a pattern or a zone that does not exist.
    init(_ mapping: FieldMapping) throws(TimeReaderFault) {
        switch mapping.timeFormat {
        case .iso8601: format = .iso8601
        case .unix(let ticks): format = .unix(ticksPerSecond: ticks)
        case .pattern(let text): format = .pattern(try TimePattern(text))
        }
        guard let zone = ZoneClock(mapping.zone) else { throw TimeReaderFault(reason: "there is no time zone `\(mapping.zone ?? "")`") }
        self.zone = zone
        hasRowZones = mapping.zoneColumn != nil
        plus = TimeSpan(microseconds: mapping.plusMicroseconds)
    }

    /// How far the clock was from UTC, where times are in ISO 8601 and it never changed from row to row; nil else.
    var offsetOfISO8601: Int? {
        if case .iso8601 = format, !hasRowZones { zone.fixedOffsetSeconds } else { nil }
    }

    /// How values must look, for the reason of a refusal.
    var expectation: String {
        switch format {
        case .iso8601: "is not a date and time in ISO 8601"
        case .unix: "is not a number of seconds since 1970, without an exponent"
        case .pattern(let pattern): "is not a date and time in the form \(pattern.text)"
        }
    }

    /// - Parameter clock: the row's own, for a value that states no offset; nil for the mapping's.
    func read(_ bytes: UnsafeBufferPointer<UInt8>, on clock: ZoneClock? = nil) -> Timestamp? {
        let clock = clock ?? zone
        switch format {
        case .iso8601:
            if let fixed = clock.fixedOffsetSeconds {
                return Timestamp.parse(iso8601: bytes, assumingOffsetSeconds: fixed).map { $0 + plus }
            }
        case .unix(let ticksPerSecond): return readUnix(bytes, ticksPerSecond: ticksPerSecond).map { $0 + plus }
        case .pattern: break
        }
        guard let (civil, stated) = parts(bytes) else { return nil }
        return Timestamp(civil, offsetSeconds: stated ?? clock.offsetSeconds(at: civil)) + plus
    }

    /// The clock's hands and the offset as written; nil for what is no such time, and for numbers of seconds, which have no clock.
    private func parts(_ bytes: UnsafeBufferPointer<UInt8>) -> (civil: CivilTime, offsetSeconds: Int?)? {
        switch format {
        case .iso8601: Timestamp.parseParts(iso8601: bytes)
        case .unix: nil
        case .pattern(let pattern): pattern.parse(bytes)
        }
    }

    /// Whether a value needs no clock to be told by.
    func statesOffset(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        if case .unix = format { true } else { parts(bytes)?.offsetSeconds != nil }
    }

    /// The offset that a value states, as a zone: `+05:30`. Nil where it states none, and for UTC, which says where a computer's clock was
    /// set and not where somebody paid.
    func statedZone(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        switch format {
        // Shorter ones have no room for an offset, and most are.
        case .iso8601: guard bytes.count > 19, bytes.last != UInt8(ascii: "Z") else { return nil }
        case .unix: return nil
        case .pattern(let pattern): guard pattern.statesOffset else { return nil }
        }
        guard let offset = parts(bytes)?.offsetSeconds, offset != 0 else { return nil }
        let minutes = abs(offset) / 60
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(offset < 0 ? "-" : "+")\(two(minutes / 60)):\(two(minutes % 60))"
    }

    private func readUnix(_ bytes: UnsafeBufferPointer<UInt8>, ticksPerSecond: Int64) -> Timestamp? {
        if let ticks = Int64(String(decoding: bytes, as: UTF8.self)) {
            let (micros, overflow) = ticks.multipliedReportingOverflow(by: 1_000_000 / ticksPerSecond)
            return overflow ? nil : Timestamp(microseconds: micros)
        }
        // A spreadsheet that writes an exponent has rounded to hours.
        guard !bytes.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }), let ticks = readDouble(bytes), abs(ticks) < 1e15 else { return nil }
        return Timestamp(microseconds: Int64((ticks * Double(1_000_000 / ticksPerSecond)).rounded()))
    }
}

struct TimeReaderFault: Error { var reason: String }

/// A date and time in the letters of Unicode Technical Standard 35: y M d H h m s S a X, quotes around plain words.
struct TimePattern {
    let text: String
    private var tokens: [Token] = []

    private enum Token {
        case literal([UInt8])
        case digits(Part, atLeast: Int, atMost: Int)
        case monthName
        case halfDay
        case fraction
        case offset
    }

    private enum Part { case year, shortYear, month, day, hour, hourOfHalf, minute, second }

    init(_ text: String) throws(TimeReaderFault) {
        self.text = text
        var characters = Array(text)[...]
        var letters: [Character] = []
        while let letter = characters.first {
            let run = characters.prefix { $0 == letter }.count
            if letter == "'" {
                let rest = characters.dropFirst()
                guard let close = rest.firstIndex(of: "'") else {
                    throw Self.fault(text, "has a quote that is not closed")
                }
                let word = String(rest[..<close])
                tokens.append(.literal(Array((word.isEmpty ? "'" : word).utf8)))
                characters = rest[(close + 1)...]
                continue
            }
            characters = characters.dropFirst(run)
            switch (letter, run) {
            case ("y", 2): tokens.append(.digits(.shortYear, atLeast: 2, atMost: 2))
            case ("y", _): tokens.append(.digits(.year, atLeast: 4, atMost: 4))
            case ("M", 3): tokens.append(.monthName)
            case ("M", 1...2): tokens.append(.digits(.month, atLeast: run, atMost: 2))
            case ("d", 1...2): tokens.append(.digits(.day, atLeast: run, atMost: 2))
            case ("H", 1...2): tokens.append(.digits(.hour, atLeast: run, atMost: 2))
            case ("h", 1...2): tokens.append(.digits(.hourOfHalf, atLeast: run, atMost: 2))
            case ("m", 1...2): tokens.append(.digits(.minute, atLeast: run, atMost: 2))
            case ("s", 1...2): tokens.append(.digits(.second, atLeast: run, atMost: 2))
            case ("S", _): tokens.append(.fraction)
            case ("a", _): tokens.append(.halfDay)
            case ("X", _), ("x", _), ("Z", _): tokens.append(.offset)
            default:
                guard !letter.isLetter else {
                    throw Self.fault(text, "has the letters `\(String(repeating: letter, count: run))`, which mean nothing here")
                }
                tokens.append(.literal(Array(String(repeating: letter, count: run).utf8)))
            }
            if letter.isLetter { letters.append(letter) }
        }
        try Self.check(letters, of: text)
    }

    private static func fault(_ text: String, _ reason: String) -> TimeReaderFault {
        TimeReaderFault(reason: "the time format `\(text)` \(reason)")
    }

    /// A format that leaves something out would read one time for another: `dd/mm/yyyy`, every date as one in January.
    private static func check(_ letters: [Character], of text: String) throws(TimeReaderFault) {
        if let twice = letters.first(where: { letter in letters.count { $0 == letter } > 1 }) {
            throw fault(text, "has `\(twice)` twice" + (twice == "m" || twice == "M" ? ": months are `M`, minutes `m`" : ""))
        }
        let hasHour = letters.contains("H") || letters.contains("h")
        if !letters.contains("y") { throw fault(text, "has no year, `yyyy`") }
        if !letters.contains("M") { throw fault(text, "has no month" + (letters.contains("m") ? ": that is `M`, and `m` are minutes" : ", `MM`")) }
        if !letters.contains("d") { throw fault(text, "has no day, `dd`" + (letters.contains("D") ? ": `D` is the day of the year" : "")) }
        if letters.contains("m"), !hasHour { throw fault(text, "has minutes and no hour, `HH`") }
        if letters.contains("s"), !letters.contains("m") {
            throw fault(text, "has seconds and no minutes" + (letters.contains("M") ? ": months are `M`, minutes `m`" : ""))
        }
        if letters.contains("h"), !letters.contains("a") { throw fault(text, "has `h`, the hours of half a day, without `a`: of a whole day they are `H`") }
    }

    var statesOffset: Bool { tokens.contains { if case .offset = $0 { true } else { false } } }

    func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> (civil: CivilTime, offsetSeconds: Int?)? {
        var civil = CivilTime(year: 1, month: 1, day: 1)
        var offset: Int?
        var half: Int?
        var index = 0
        for token in tokens {
            switch token {
            case .literal(let literal):
                let start = index
                guard start + literal.count <= bytes.count, literal.indices.allSatisfy({ bytes[start + $0] == literal[$0] }) else {
                    return nil
                }
                index += literal.count
            case .digits(let part, let least, let most):
                guard let value = Self.digits(bytes, &index, least, most) else { return nil }
                Self.set(part, value, in: &civil)
            case .monthName:
                guard let month = Self.month(bytes, &index) else { return nil }
                civil.month = month
            case .halfDay:
                guard index + 2 <= bytes.count, bytes[index + 1] | 0x20 == UInt8(ascii: "m") else { return nil }
                let letter = bytes[index] | 0x20
                guard letter == UInt8(ascii: "a") || letter == UInt8(ascii: "p") else { return nil }
                half = letter == UInt8(ascii: "p") ? 12 : 0
                index += 2
            case .fraction:
                let start = index
                guard let value = Self.digits(bytes, &index, 1, 9) else { return nil }
                var micros = Double(value)
                for _ in 0..<index - start { micros /= 10 }
                civil.microsecond = min(999_999, Int(micros * 1_000_000 + 0.000_1))
            case .offset:
                // What ISO 8601 accepts as an offset is read by its reader, behind a date that does not matter.
                var text = "2000-01-01T00:00:00" + String(decoding: bytes[index...], as: UTF8.self)
                guard let parts = text.withUTF8({ Timestamp.parseParts(iso8601: $0) }), let stated = parts.offsetSeconds else { return nil }
                offset = stated
                index = bytes.count
            }
        }
        if let half {
            guard (1...12).contains(civil.hour) else { return nil }
            civil.hour = civil.hour % 12 + half
        }
        guard index == bytes.count, civil.isValid else { return nil }
        return (civil, offset)
    }

    private static func set(_ part: Part, _ value: Int, in civil: inout CivilTime) {
        switch part {
        case .year: civil.year = value
        case .shortYear: civil.year = value + (value < 70 ? 2_000 : 1_900)
        case .month: civil.month = value
        case .day: civil.day = value
        case .hour, .hourOfHalf: civil.hour = value
        case .minute: civil.minute = value
        case .second: civil.second = value
        }
    }

    private static func digits(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ least: Int, _ most: Int) -> Int? {
        var value = 0
        var count = 0
        while count < most, index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) {
            value = value * 10 + Int(bytes[index] - UInt8(ascii: "0"))
            index += 1
            count += 1
        }
        return count >= least ? value : nil
    }

    private static func month(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Int? {
        guard index + 3 <= bytes.count else { return nil }
        let name = String(decoding: bytes[index..<index + 3], as: UTF8.self).lowercased()
        let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        guard let month = names.firstIndex(of: name) else { return nil }
        index += 3
        return month + 1
    }
}
