public import Records

/// Something that happened somewhere: a crime, a complaint, a withdrawal with a stolen card.
public struct Incident: Sendable, Hashable {
    public var time: Timestamp
    public var place: Coordinate
    /// In the source's own terms: `robbery`.
    public var type: String

    public init(time: Timestamp, place: Coordinate, type: String) {
        self.time = time
        self.place = place
        self.type = type
    }
}

/// Which incidents are forecast.
public enum IncidentKind: Sendable, Hashable {
    case all
    case type(String)
}

/// What was known at a moment, in columns: nothing that happened at or after it is in here, so nothing made from this can look ahead.
public struct Incidents: Sendable {
    /// The moment.
    public let asOf: Timestamp
    /// The types' names, the most frequent first, equals by name.
    public let types: [String]
    /// In days before `asOf`, falling: the last incident comes last. All are above zero.
    public let ages: [Double]
    public let places: [Coordinate]
    /// For each incident an index into `types`.
    public let typeIndices: [Int]

    public var count: Int { ages.count }
    /// Days from the first incident to `asOf`; 0 without any.
    public var days: Double { ages.first ?? 0 }

    /// Keeps what happened before a moment at a place on the globe.
    ///
    /// The order of `incidents` does not matter, except between those of the same time, place and type, which are all alike.
    public init(_ incidents: some Sequence<Incident>, before asOf: Timestamp) {
        self.asOf = asOf
        let known = incidents.filter { $0.time < asOf && $0.place.isOnGlobe }.sorted {
            ($0.time, $0.place.latitude, $0.place.longitude, $0.type) < ($1.time, $1.place.latitude, $1.place.longitude, $1.type)
        }
        var counts: [String: Int] = [:]
        for incident in known { counts[incident.type, default: 0] += 1 }
        let types = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
        let indices = Dictionary(uniqueKeysWithValues: types.enumerated().map { ($1, $0) })
        self.types = types
        ages = known.map { (asOf - $0.time).days }
        places = known.map(\.place)
        typeIndices = known.map { indices[$0.type] ?? 0 }
    }

    /// The index of a kind's type; nil for all of them.
    ///
    /// - Throws: `SpatialError` with the known types when there is none of that name.
    public func index(of kind: IncidentKind) throws(SpatialError) -> Int? {
        guard case .type(let name) = kind else { return nil }
        if let index = types.firstIndex(of: name) { return index }
        let lowered = name.lowercased()
        if let index = types.firstIndex(where: { $0.lowercased() == lowered }) { return index }
        throw .unknownType(name, known: types)
    }

    /// A kind with its type as the incidents spell it, where they know it.
    public func spelled(_ kind: IncidentKind) -> IncidentKind {
        guard let index = try? index(of: kind) else { return kind }
        return .type(types[index])
    }

    /// The first incident that happened less than so many days before `asOf`.
    func firstIndex(youngerThan days: Double) -> Int {
        var low = 0, high = ages.count
        while low < high {
            let middle = (low + high) / 2
            if ages[middle] >= days { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Why there is no forecast.
public enum SpatialError: Error, Sendable, Hashable, CustomStringConvertible {
    case unknownType(String, known: [String])
    /// No cells were given, or none can be made because there is no incident.
    case noCells
    /// More memory than a forecast may take.
    case tooManyCells(count: Int, limit: Int)

    public var description: String {
        switch self {
        case .unknownType(let name, let known):
            known.isEmpty
                ? "there is no incident before the forecast, so none of the type `\(name)`"
                : "there is no incident of the type `\(name)` before the forecast; known are "
                    + known.prefix(40).map { "`\($0)`" }.joined(separator: ", ") + (known.count > 40 ? ", …" : "") + ", or all"
        case .noCells: "there is no cell to forecast: no incident lies before the forecast, and no cells are given"
        case .tooManyCells(let count, let limit):
            "the area has \(count) cells, more than \(limit): take larger cells, or give the cells that matter"
        }
    }
}
