import Geo
import Records

/// What is wrong with a request, in words for whoever sent it.
struct BadQuery: Error, Sendable, Hashable {
    /// The parameter or the part of the path.
    var field: String
    var reason: String
}

/// A request's parameters, read strictly: an unknown name, a second value or a value out of range is refused, so that a typing error
/// never shows a map of something else.
struct QueryParameters: Sendable {
    private var values: [String: String] = [:]

    static let maxTypes = 64
    static let maxSpanDays = 3660
    static let maxOffsetMinutes = 14 * 60

    /// - Parameter allowed: the names that this resource knows.
    init(_ pairs: [(name: String, value: String)], allowed: Set<String>) throws {
        for (name, value) in pairs {
            guard allowed.contains(name) else {
                let known = allowed.isEmpty ? "this takes none" : "known are \(allowed.sorted().joined(separator: ", "))"
                throw BadQuery(field: String(name.prefix(64)), reason: "unknown parameter; \(known)")
            }
            // Whether everything or nothing is meant cannot be told.
            guard !value.isEmpty else { throw BadQuery(field: name, reason: "must not be empty; leave it out for what holds without it") }
            guard values.updateValue(value, forKey: name) == nil else { throw BadQuery(field: name, reason: "given more than once") }
        }
    }

    /// The names that make up a filter.
    static let filterNames: Set<String> = [
        "from", "to", "at", "types", "min_risk", "hours_of_day", "days_of_week", "utc_offset_minutes", "jurisdiction",
    ]

    /// All parameters as a query with its question mark, in a fixed order; empty when there are none.
    var encoded: String {
        guard !values.isEmpty else { return "" }
        func escaped(_ text: String) -> String {
            text.utf8.map { byte -> String in
                let isLetter = (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                let isPlain = isLetter || (0x30...0x39).contains(byte) || "-._~,:".utf8.contains(byte)
                return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }.joined()
        }
        return "?" + values.sorted { $0.key < $1.key }.map { "\(escaped($0.key))=\(escaped($0.value))" }.joined(separator: "&")
    }

    subscript(name: String) -> String? { values[name] }

    /// A whole number within a range.
    func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = self[name] else { return nil }
        guard let number = Int(plain: text), range.contains(number) else {
            throw BadQuery(field: name, reason: "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// One of an enumeration's names.
    func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, _ type: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        guard let text = self[name] else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw BadQuery(field: name, reason: "must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    /// `west,south,east,north` in degrees.
    func boundingBox(_ name: String) throws -> BoundingBox? {
        guard let text = self[name] else { return nil }
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).compactMap { Double(plain: $0) }
        guard numbers.count == 4, text.utf8.filter({ $0 == UInt8(ascii: ",") }).count == 3 else {
            throw BadQuery(field: name, reason: "must be west,south,east,north in degrees")
        }
        let box = BoundingBox(west: numbers[0], south: numbers[1], east: numbers[2], north: numbers[3])
        guard box.isOnGlobe else { throw BadQuery(field: name, reason: "must lie on the globe with west ≤ east and south ≤ north") }
        return box
    }

    /// The filter that the parameters spell, limited to what the caller may see.
    ///
    /// - Parameters:
    ///   - queries: of the caller, who knows the types and jurisdictions that it may see.
    ///   - isOneOfMany: whether the figures of all layers are asked for at once. Types are then those of any layer, and a layer that has none
    ///     of them is counted whole.
    func filter(layer: Layer, for queries: MapQueries, isOneOfMany: Bool = false) throws -> CubeFilter {
        let state = queries.state, permitted = queries.permitted
        var filter = CubeFilter(layer: layer)
        filter.hours = try hours()
        if layer == .forecast {
            if let field = ["at", "min_risk"].first(where: { self[$0] != nil }) {
                throw BadQuery(field: field, reason: "the forecast has none; it is of now, and all its cells count")
            }
        } else {
            filter.knownBefore = try knownBefore()
            filter.minimumRisk = try number("min_risk", in: 0...1) ?? 0
            // Complaints have no risks: all of them count.
            if !layer.isOfPayments { filter.minimumRisk = 0 }
        }
        if values["types"] != nil { filter.types = try types(of: layer, for: queries, knownBefore: filter.knownBefore, isOneOfMany) }
        filter.hoursOfDay = try numbers("hours_of_day", in: 0...23)
        filter.daysOfWeek = try numbers("days_of_week", in: 1...7)
        filter.offsetMinutes = try integer("utc_offset_minutes", in: -Self.maxOffsetMinutes...Self.maxOffsetMinutes) ?? 0
        filter.jurisdictions = permitted
        if let id = self["jurisdiction"] {
            // An area outside the caller's own is unknown to them.
            guard state.areas[id] != nil, permitted?.contains(id) != false else {
                throw BadQuery(field: "jurisdiction", reason: "unknown, or not among those you may see")
            }
            filter.jurisdictions = [id]
        }
        return filter
    }

    private func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let text = self[name] else { return nil }
        guard let number = Double(plain: text), range.contains(number) else {
            throw BadQuery(field: name, reason: "must be a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))")
        }
        return number
    }

    private func instant(_ name: String) throws -> Timestamp? {
        guard let text = self[name] else { return nil }
        guard text.utf8.count <= 40, let time = Timestamp(iso8601: text) else {
            // In a query, a plus sign is a space.
            let isPlus = Timestamp(iso8601: text.replacing(" ", with: "+")) != nil
            throw BadQuery(
                field: name,
                reason: "must be a time in ISO 8601, for example 2026-01-31T18:00:00Z" + (isPlus ? "; a plus sign is written %2B here" : ""))
        }
        guard time.microseconds >= 0, CubeHour.containing(microsecondsSince1970: time.microseconds) != nil else {
            throw BadQuery(field: name, reason: "must lie in the years 1970 to 2089")
        }
        return time
    }

    /// The end of the hour in which `at` lies: what became known from then on is left out. Nil without `at`.
    func knownBefore() throws -> Int? {
        try instant("at").map { Int(($0.microseconds + CubeHour.microsecondsPerHour - 1) / CubeHour.microsecondsPerHour) }
    }

    /// The same, refused where it lies after `now`: nobody knows yet what will be known then.
    func knownBefore(asOf now: Timestamp) throws -> Int? {
        guard try instant("at").map({ $0 <= now }) != false else {
            throw BadQuery(field: "at", reason: "must not lie in the future: it is \(now.iso8601)")
        }
        return try knownBefore()
    }

    /// `from` is rounded down and `to` up to whole UTC hours; without them the span is open.
    private func hours() throws -> Range<Int> {
        let from = try instant("from"), to = try instant("to")
        let first = from.map { Int($0.microseconds / CubeHour.microsecondsPerHour) } ?? CubeHour.range.lowerBound
        let roundUp = CubeHour.microsecondsPerHour - 1
        let end = to.map { Int(($0.microseconds + roundUp) / CubeHour.microsecondsPerHour) } ?? CubeHour.range.upperBound
        guard first <= end else { throw BadQuery(field: "to", reason: "must not be before from") }
        if from != nil, to != nil, end - first > Self.maxSpanDays * 24 {
            throw BadQuery(field: "to", reason: "must be at most \(Self.maxSpanDays) days after from")
        }
        return first..<end
    }

    private func types(of layer: Layer, for queries: MapQueries, knownBefore: Int?, _ isOneOfMany: Bool) throws -> Set<String>? {
        let kinds = queries.knownKinds(knownBefore: knownBefore), known = layer.types(among: kinds)
        guard isOneOfMany else { return try types(of: "layer \(layer.rawValue)", known: known) }
        let ofAny = Set(Layer.recorded.flatMap { $0.types(among: kinds) }).sorted()
        let own = try types(of: "any layer", known: ofAny).intersection(known)
        return own.isEmpty ? nil : own
    }

    private func types(of owner: String, known: [String]) throws -> Set<String> {
        let text = values["types"] ?? ""
        let types = try names(in: text, known: Set(known))
        if let unknown = types.first(where: { !known.contains($0) }) {
            let list = known.prefix(20).joined(separator: ", ") + (known.count > 20 ? ", …" : "")
            let hint = known.isEmpty ? ", which has none yet" : "; known are \(list)"
            throw BadQuery(
                field: "types", reason: "\"\(unknown.prefix(Kind.maxTypeBytes))\" is not a type of \(owner)\(hint)")
        }
        if let repeated = Dictionary(grouping: types, by: \.self).first(where: { $1.count > 1 })?.key {
            throw BadQuery(field: "types", reason: "\"\(repeated)\" is named more than once")
        }
        return Set(types)
    }

    /// The parts between commas, where those that only together are a known name are one: crimes are named as their reporters like, with
    /// commas too.
    private func names(in text: String, known: Set<String>) throws -> [String] {
        let mostCommas = known.lazy.map { $0.utf8.count { $0 == UInt8(ascii: ",") } }.max() ?? 0
        let tooMany = BadQuery(field: "types", reason: "must name at most \(Self.maxTypes) types")
        let maxParts = Self.maxTypes * (mostCommas + 1)
        let parts = text.split(separator: ",", maxSplits: maxParts, omittingEmptySubsequences: false)
        guard parts.count <= maxParts else { throw tooMany }
        var names: [String] = []
        var rest = parts[...]
        while let first = rest.first {
            guard names.count < Self.maxTypes else { throw tooMany }
            let longest = (1...min(rest.count, mostCommas + 1)).reversed().first { known.contains(rest.prefix($0).joined(separator: ",")) }
            names.append(longest.map { rest.prefix($0).joined(separator: ",") } ?? String(first))
            rest = rest.dropFirst(longest ?? 1)
        }
        return names
    }

    /// Numbers and ranges of them, which may go over the end: `1,2,5-7`, `22-5`.
    private func numbers(_ name: String, in range: ClosedRange<Int>) throws -> Set<Int>? {
        guard let text = self[name] else { return nil }
        let fault = BadQuery(
            field: name, reason: "must be numbers from \(range.lowerBound) to \(range.upperBound), for example 1,2,5-7")
        guard text.utf8.count <= 256 else { throw fault }
        var numbers = Set<Int>()
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { Int(plain: $0) }
            guard let first = ends[0], let last = ends[ends.count - 1], range.contains(first), range.contains(last) else { throw fault }
            numbers.formUnion(first <= last ? Array(first...last) : Array(first...range.upperBound) + Array(range.lowerBound...last))
        }
        return numbers
    }
}

extension Layer {
    /// Its types among kinds; where types are channels, which are the same for all layers of payments, every channel.
    func types(among kinds: [Kind]) -> [String] {
        switch self {
        case .risk, .transactions, .fraud, .alerts: Set(kinds.types(of: .transaction)).union(Channel.allCases.map(\.rawValue)).sorted()
        case .complaints: kinds.types(of: .complaint)
        case .forecast: kinds.types(of: .forecast).filter { $0 != Forecast.allTypes }
        }
    }
}

extension Int {
    /// As numbers are written: without signs or zeros that are not needed.
    init?(plain text: some StringProtocol) {
        guard let number = Int(text), String(number) == text else { return nil }
        self = number
    }
}

extension Double {
    /// A decimal number.
    init?(plain text: some StringProtocol) {
        guard text.utf8.allSatisfy("0123456789.eE+-".utf8.contains), let number = Double(text) else { return nil }
        self = number
    }
}
