/// Finds what answers a path: a method of a service, a route, or nothing. Immutable once made.
struct Router: Sendable {
    private let methods: [String: RPCMethod]
    private let routes: [CompiledRoute]

    init(services: [any RPCService], routes: [HTTPRoute]) throws {
        var methods: [String: RPCMethod] = [:]
        for service in services {
            for method in service.methods {
                guard methods.updateValue(method, forKey: method.descriptor.path) == nil else {
                    throw RPCSetupError(.duplicatePath, "two services claim \(method.descriptor.path)")
                }
            }
        }
        self.methods = methods
        var patterns: Set<String> = []
        for route in routes {
            guard patterns.insert(route.method + " " + route.pattern).inserted else {
                throw RPCSetupError(.duplicatePath, "two routes claim \(route.method) \(route.pattern)")
            }
        }
        self.routes = routes.map { CompiledRoute($0) }.sorted { $0.isMoreSpecific(than: $1) }
    }

    func method(_ path: String) -> RPCMethod? { methods[path] }

    enum RouteMatch {
        case found(HTTPRoute, parameters: PathParameters)
        /// The path exists, but not with this method; with these.
        case otherMethods([String])
        case none
    }

    /// - Parameter path: still percent-encoded, so that an encoded slash stays within its segment.
    func route(_ method: String, _ path: String) -> RouteMatch {
        var path = path
        return path.withUTF8 { bytes in
            guard bytes.contains(UInt8(ascii: "%")) else { return route(method, PathSegments(bytes)) }
            let parts = bytes.split(separator: PathSegments.slash, omittingEmptySubsequences: false).dropFirst()
                .map { Array(PercentEncoding.decode(String(decoding: $0, as: UTF8.self)).utf8) }
            let decoded = Array(parts.map { [PathSegments.slash] + $0 }.joined())
            return decoded.withUnsafeBufferPointer { route(method, PathSegments($0, byteCounts: parts.map(\.count))) }
        }
    }

    private func route(_ method: String, _ path: PathSegments) -> RouteMatch {
        var otherMethods: [String] = []
        for candidate in routes where candidate.mayMatch(path) {
            guard let parameters = candidate.match(path) else { continue }
            let offered = candidate.route.method
            if offered == method || (method == "HEAD" && offered == "GET") { return .found(candidate.route, parameters: parameters) }
            otherMethods.append(offered)
        }
        return otherMethods.isEmpty ? .none : .otherMethods(otherMethods)
    }
}

/// A path's bytes, decoded, and where its segments begin and end, without their slashes. Valid as long as the bytes are.
private struct PathSegments {
    static let slash = UInt8(ascii: "/")

    let bytes: UnsafeBufferPointer<UInt8>
    private(set) var ranges: [Range<Int>] = []

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        ranges.reserveCapacity(8)
        guard var start = bytes.firstIndex(of: Self.slash) else { return }
        while start < bytes.count {
            start += 1
            let end = bytes[start...].firstIndex(of: Self.slash) ?? bytes.count
            ranges.append(start..<end)
            start = end
        }
    }

    /// - Parameter byteCounts: of the segments, each of which comes after a slash: there may be slashes in them.
    init(_ bytes: UnsafeBufferPointer<UInt8>, byteCounts: [Int]) {
        self.bytes = bytes
        var end = 0
        for count in byteCounts {
            ranges.append(end + 1..<end + 1 + count)
            end += 1 + count
        }
    }

    func text(_ range: Range<Int>) -> String { String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) }

    func holds(_ literal: [UInt8], at start: Int) -> Bool {
        guard start >= 0, start + literal.count <= bytes.count else { return false }
        for index in literal.indices where bytes[start + index] != literal[index] { return false }
        return true
    }
}

/// A route's pattern, cut into what must match.
private struct CompiledRoute: Sendable {
    private enum Part: Sendable {
        case literal([UInt8])
        /// `{name}` with literals around it, as in `{y}.{format}`: alternating literal, name, literal …
        case pattern(literals: [[UInt8]], names: [String])
        /// `{name*}`: the rest.
        case rest(String)

        /// Lower is more specific.
        var rank: Int {
            switch self {
            case .literal: 0
            case .pattern(let literals, _): literals.allSatisfy(\.isEmpty) ? 2 : 1
            case .rest: 3
            }
        }
    }

    let route: HTTPRoute
    private let parts: [Part]
    private let takesRest: Bool
    private let parameterCount: Int

    init(_ route: HTTPRoute) {
        self.route = route
        parts = route.pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { Self.part($0) }
        takesRest = if case .rest = parts.last { true } else { false }
        parameterCount = parts.reduce(0) { count, part in
            switch part {
            case .literal: count
            case .pattern(_, let names): count + names.count
            case .rest: count + 1
            }
        }
    }

    private static func part(_ text: Substring) -> Part {
        guard text.contains("{") else { return .literal(Array(text.utf8)) }
        if text.hasPrefix("{"), text.hasSuffix("*}") { return .rest(String(text.dropFirst().dropLast(2))) }
        var literals = [""]
        var names: [String] = []
        var name: String?
        for character in text {
            switch (character, name) {
            case ("{", nil): name = ""
            case ("}", let finished?):
                names.append(finished)
                literals.append("")
                name = nil
            case (_, .some): name?.append(character)
            default: literals[literals.count - 1].append(character)
            }
        }
        return .pattern(literals: literals.map { Array($0.utf8) }, names: names)
    }

    func isMoreSpecific(than other: CompiledRoute) -> Bool {
        for (mine, theirs) in zip(parts, other.parts) where mine.rank != theirs.rank { return mine.rank < theirs.rank }
        return parts.count > other.parts.count
    }

    /// Whether the path has as many segments as it takes; most routes are told apart by this alone.
    func mayMatch(_ path: PathSegments) -> Bool { takesRest ? path.ranges.count >= parts.count : path.ranges.count == parts.count }

    /// What the names match in a path that ``mayMatch(_:)``; nil where it does not.
    func match(_ path: PathSegments) -> PathParameters? {
        for (index, part) in parts.enumerated() {
            guard case .literal(let text) = part else { continue }
            guard path.ranges[index].count == text.count, path.holds(text, at: path.ranges[index].lowerBound) else { return nil }
        }
        guard parameterCount > 0 else { return [:] }
        var parameters = PathParameters(capacity: parameterCount)
        for (index, part) in parts.enumerated() {
            switch part {
            case .literal: break
            case .pattern(let literals, let names):
                guard Self.match(path, path.ranges[index], literals, names, into: &parameters) else { return nil }
            case .rest(let name): parameters.append(name, path.text(path.ranges[index].lowerBound..<path.bytes.count))
            }
        }
        return parameters
    }

    /// Each name takes as little as it can, but at least one character; the last one the rest.
    private static func match(
        _ path: PathSegments, _ segment: Range<Int>, _ literals: [[UInt8]], _ names: [String], into parameters: inout PathParameters
    ) -> Bool {
        var start = segment.lowerBound + literals[0].count
        guard start < segment.upperBound, path.holds(literals[0], at: segment.lowerBound) else { return false }
        for (index, name) in names.enumerated() {
            let literal = literals[index + 1]
            var end = segment.upperBound - literal.count
            if index == names.count - 1 {
                guard end > start, path.holds(literal, at: end) else { return false }
            } else if !literal.isEmpty {
                guard start < end, let next = (start + 1...end).first(where: { path.holds(literal, at: $0) }) else { return false }
                end = next
            }
            guard end > start else { return false }
            parameters.append(name, path.text(start..<end))
            start = end + literal.count
        }
        return true
    }
}
