import Foundation

/// GeoJSON (RFC 7946): features with geometry and properties, read with every ring and position checked.
public enum GeoJSON {
    /// The most bytes a document may have.
    public static let maxDocumentBytes = 64 << 20

    /// Reads a FeatureCollection, a single Feature or a bare geometry.
    ///
    /// - Throws: ``GeometryError`` saying what is wrong: not JSON, not GeoJSON, or which ring is at fault.
    public static func read(_ bytes: [UInt8]) throws -> FeatureCollection {
        guard bytes.count <= maxDocumentBytes else {
            throw GeometryError(reason: "the document has \(bytes.count) bytes; the most is \(maxDocumentBytes)")
        }
        do {
            return try JSONDecoder().decode(Document.self, from: Data(bytes)).collection
        } catch let error as DecodingError {
            throw GeometryError(reason: error.geoJSONReason)
        }
    }

    /// Writes a FeatureCollection as UTF-8 JSON with keys in a fixed order.
    public static func write(_ collection: FeatureCollection) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(collection))
    }

    public struct FeatureCollection: Sendable, Hashable, Codable {
        public var features: [Feature]

        public init(features: [Feature]) {
            self.features = features
        }
    }

    public struct Feature: Sendable, Hashable, Codable {
        /// A string; numbers are read as their decimal digits.
        public var id: String?
        public var geometry: Geometry?
        public var properties: [String: Value]

        public init(id: String? = nil, geometry: Geometry?, properties: [String: Value] = [:]) {
            self.id = id
            self.geometry = geometry
            self.properties = properties
        }
    }

    public enum Geometry: Sendable, Hashable, Codable {
        case point(Position)
        case multiPoint([Position])
        case lineString([Position])
        case multiLineString([[Position]])
        case polygon(Polygon)
        case multiPolygon(MultiPolygon)

        /// The area, when the geometry is one.
        public var area: MultiPolygon? {
            switch self {
            case .polygon(let polygon): try? MultiPolygon([polygon])
            case .multiPolygon(let area): area
            case .point, .multiPoint, .lineString, .multiLineString: nil
            }
        }
    }

    /// A property's value.
    public enum Value: Sendable, Hashable, Codable {
        case null
        case bool(Bool)
        case number(Double)
        case string(String)
        case array([Value])
        case object([String: Value])
    }
}

/// Any of the three kinds of document, as a collection.
private struct Document: Decodable {
    let collection: GeoJSON.FeatureCollection

    private enum Keys: String, CodingKey { case type }

    init(from decoder: any Decoder) throws {
        let type = try decoder.container(keyedBy: Keys.self).decode(String.self, forKey: .type)
        switch type {
        case "FeatureCollection": collection = try GeoJSON.FeatureCollection(from: decoder)
        case "Feature": collection = .init(features: [try GeoJSON.Feature(from: decoder)])
        default: collection = .init(features: [.init(geometry: try GeoJSON.Geometry(from: decoder))])
        }
    }
}

extension DecodingError {
    fileprivate var geoJSONReason: String {
        let (context, what): (Context, String)
        switch self {
        case .dataCorrupted(let found): (context, what) = (found, found.debugDescription)
        case .keyNotFound(let key, let found): (context, what) = (found, "\"\(key.stringValue)\" is missing")
        case .typeMismatch(_, let found): (context, what) = (found, "holds a value of a kind that GeoJSON has not there")
        case .valueNotFound(_, let found): (context, what) = (found, "holds null, which GeoJSON has not there")
        @unknown default: return "not GeoJSON"
        }
        // What lies within coordinates depends on the geometry, which a path does not say.
        let path = context.codingPath
        let end = path.firstIndex { $0.stringValue == "coordinates" }.map { $0 + 1 } ?? path.count
        let place = path[..<end].map { $0.intValue.map { "\($0 + 1)" } ?? $0.stringValue }.joined(separator: " ")
        return place.isEmpty ? what : "\(place): \(what)"
    }
}
