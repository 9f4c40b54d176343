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
        case found(HTTPRoute, parameters: [String: String])
        /// The path exists, but not with this method; with these.
        case otherMethods([String])
        case none
    }

    /// - Parameter path: still percent-encoded, so that an encoded slash stays within its segment.
    func route(_ method: String, _ path: String) -> RouteMatch {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { PercentEncoding.decode($0) }
        var otherMethods: [String] = []
        for candidate in routes {
            guard let parameters = candidate.match(segments) else { continue }
            let offered = candidate.route.method
            if offered == method || (method == "HEAD" && offered == "GET") { return .found(candidate.route, parameters: parameters) }
            otherMethods.append(offered)
        }
        return otherMethods.isEmpty ? .none : .otherMethods(otherMethods)
    }
}

/// A route's pattern, cut into what must match.
private struct CompiledRoute: Sendable {
    private enum Part: Sendable {
        case literal(String)
        /// `{name}` with literals around it, as in `{y}.{format}`: alternating literal, name, literal …
        case pattern(literals: [String], names: [String])
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

    init(_ route: HTTPRoute) {
        self.route = route
        parts = route.pattern.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { Self.part($0) }
    }

    private static func part(_ text: Substring) -> Part {
        guard text.contains("{") else { return .literal(String(text)) }
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
        return .pattern(literals: literals, names: names)
    }

    func isMoreSpecific(than other: CompiledRoute) -> Bool {
        for (mine, theirs) in zip(parts, other.parts) where mine.rank != theirs.rank { return mine.rank < theirs.rank }
        return parts.count > other.parts.count
    }

    func match(_ segments: [String]) -> [String: String]? {
        var parameters: [String: String] = [:]
        for (index, part) in parts.enumerated() {
            if case .rest(let name) = part {
                guard index < segments.count else { return nil }
                parameters[name] = segments[index...].joined(separator: "/")
                return parameters
            }
            guard index < segments.count else { return nil }
            switch part {
            case .literal(let text):
                guard segments[index] == text else { return nil }
            case .pattern(let literals, let names):
                guard Self.match(segments[index], literals, names, into: &parameters) else { return nil }
            case .rest:
                return nil
            }
        }
        return parts.count == segments.count ? parameters : nil
    }

    /// Each name takes as little as it can, but at least one character; the last one the rest.
    private static func match(_ segment: String, _ literals: [String], _ names: [String], into parameters: inout [String: String]) -> Bool {
        guard segment.hasPrefix(literals[0]) else { return false }
        var rest = segment.dropFirst(literals[0].count)
        for (index, name) in names.enumerated() {
            let literal = literals[index + 1]
            var value = rest
            if index == names.count - 1 {
                guard rest.hasSuffix(literal) else { return false }
                value = rest.dropLast(literal.count)
                rest = rest.suffix(literal.count)
            } else if !literal.isEmpty {
                guard let next = rest.dropFirst().indices.first(where: { rest[$0...].hasPrefix(literal) }) else { return false }
                value = rest[..<next]
                rest = rest[next...].dropFirst(literal.count)
            }
            guard !value.isEmpty else { return false }
            parameters[name] = String(value)
        }
        return true
    }
}
