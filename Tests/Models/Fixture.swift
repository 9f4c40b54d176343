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

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
