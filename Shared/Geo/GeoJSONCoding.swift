// How GeoJSON's types are written and read. Positions are [longitude, latitude]; a third number (height) is read past.

extension GeoJSON.FeatureCollection {
    private enum Keys: String, CodingKey { case type, features }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        self.init(features: try container.decode([GeoJSON.Feature].self, forKey: .features))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode("FeatureCollection", forKey: .type)
        try container.encode(features, forKey: .features)
    }
}

extension GeoJSON.Feature {
    private enum Keys: String, CodingKey { case type, id, geometry, properties }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let type = try container.decode(String.self, forKey: .type)
        guard type == "Feature" else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "expected \"Feature\", found \"\(type)\"")
        }
        var id: String?
        if let text = try? container.decodeIfPresent(String.self, forKey: .id) {
            id = text
        } else if let number = try? container.decodeIfPresent(Double.self, forKey: .id) {
            id = Int64(exactly: number).map(String.init) ?? String(number)
        }
        self.init(
            id: id,
            geometry: try container.decodeIfPresent(GeoJSON.Geometry.self, forKey: .geometry),
            properties: try container.decodeIfPresent([String: GeoJSON.Value].self, forKey: .properties) ?? [:])
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode("Feature", forKey: .type)
        try container.encodeIfPresent(id, forKey: .id)
        // RFC 7946 asks for both members, null when there is nothing.
        try container.encode(geometry, forKey: .geometry)
        try container.encode(properties, forKey: .properties)
    }
}

/// A position as GeoJSON's array of numbers.
private struct CodedPosition: Codable {
    let position: Position

    init(_ position: Position) {
        self.position = position
    }

    init(from decoder: any Decoder) throws {
        do {
            var container = try decoder.unkeyedContainer()
            let longitude = try container.decode(Double.self)
            position = Position(latitude: try container.decode(Double.self), longitude: longitude)
        } catch is DecodingError {
            throw GeometryError(reason: Self.place(decoder.codingPath) + "is not a longitude and a latitude in numbers")
        }
        guard position.isOnGlobe else {
            let (first, second) = (position.longitude, position.latitude)
            let isSwapped = Position(latitude: first, longitude: second).isOnGlobe
            let hint = isSwapped ? "; they look swapped, the longitude comes first" : ""
            throw GeometryError(
                reason: Self.place(decoder.codingPath) + "[\(first), \(second)] is not a longitude and latitude on the globe" + hint)
        }
    }

    /// Where a position is, in words: `feature 2, ring 1, position 3: `.
    private static func place(_ path: [any CodingKey]) -> String {
        var words: [String] = []
        if let features = path.firstIndex(where: { $0.stringValue == "features" }), path.indices.contains(features + 1),
            let feature = path[features + 1].intValue
        {
            words.append("feature \(feature + 1)")
        }
        let numbers = path.reversed().prefix { $0.intValue != nil }.compactMap(\.intValue)
        words += zip(["position", "ring", "polygon"], numbers).map { "\($0) \($1 + 1)" }.reversed()
        return words.isEmpty ? "" : words.joined(separator: ", ") + ": "
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(position.longitude)
        try container.encode(position.latitude)
    }
}

extension GeoJSON.Geometry {
    private enum Keys: String, CodingKey { case type, coordinates }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        let type = try container.decode(String.self, forKey: .type)
        func line() throws -> [Position] {
            try container.decode([CodedPosition].self, forKey: .coordinates).map(\.position)
        }
        func lines() throws -> [[Position]] {
            try container.decode([[CodedPosition]].self, forKey: .coordinates).map { $0.map(\.position) }
        }
        func checked<T>(_ make: () throws -> T) throws -> T {
            do { return try make() } catch let error as GeometryError {
                throw DecodingError.dataCorruptedError(forKey: .coordinates, in: container, debugDescription: error.reason)
            }
        }
        switch type {
        case "Point": self = .point(try container.decode(CodedPosition.self, forKey: .coordinates).position)
        case "MultiPoint": self = .multiPoint(try line())
        case "LineString": self = .lineString(try line())
        case "MultiLineString": self = .multiLineString(try lines())
        case "Polygon":
            // Outside of `checked`: a position says itself where it is.
            let rings = try lines()
            self = .polygon(try checked { try Polygon(rings: rings) })
        case "MultiPolygon":
            let coded = try container.decode([[[CodedPosition]]].self, forKey: .coordinates)
            self = .multiPolygon(try checked {
                try MultiPolygon(try coded.map { try Polygon(rings: $0.map { $0.map(\.position) }) })
            })
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "\"\(type)\" is not a geometry read here")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        func coded(_ lines: [[Position]]) -> [[CodedPosition]] { lines.map { $0.map(CodedPosition.init) } }
        switch self {
        case .point(let position):
            try container.encode("Point", forKey: .type)
            try container.encode(CodedPosition(position), forKey: .coordinates)
        case .multiPoint(let positions):
            try container.encode("MultiPoint", forKey: .type)
            try container.encode(positions.map(CodedPosition.init), forKey: .coordinates)
        case .lineString(let positions):
            try container.encode("LineString", forKey: .type)
            try container.encode(positions.map(CodedPosition.init), forKey: .coordinates)
        case .multiLineString(let lines):
            try container.encode("MultiLineString", forKey: .type)
            try container.encode(coded(lines), forKey: .coordinates)
        case .polygon(let polygon):
            try container.encode("Polygon", forKey: .type)
            try container.encode(coded(polygon.rings), forKey: .coordinates)
        case .multiPolygon(let area):
            try container.encode("MultiPolygon", forKey: .type)
            try container.encode(area.polygons.map { coded($0.rings) }, forKey: .coordinates)
        }
    }
}

extension GeoJSON.Value {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([GeoJSON.Value].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: GeoJSON.Value].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
