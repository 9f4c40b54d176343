import Foundation

/// A file that `Fixtures/make.py` wrote with XGBoost and scikit-learn.
enum Fixture {
    static func bytes(_ name: String) throws -> [UInt8] {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures").appendingPathComponent(name)
        return [UInt8](try Data(contentsOf: url))
    }

    static func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
        try JSONDecoder().decode(type, from: Data(try bytes(name)))
    }

    struct Expected: Decodable {
        var rows: [[Float?]]
        var margins: [Float]
        var predictions: [Float]
        /// The last of each row is the expected margin.
        var contributions: [[Double]]

        var values: [[Float]] { rows.map { row in row.map { $0 ?? .nan } } }
    }
}
