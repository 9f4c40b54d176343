/// Which replica of a service keeps what: a consistent hash over the replicas' names, known alike to callers and replicas.
///
/// Each name stands at ``pointsAReplica`` places of a ring of 64-bit numbers; a key belongs to the first name at or after its own number.
/// So a replica that is added takes its slice from the others, and one that goes leaves its slice to them; nothing else moves.
///
/// ```swift
/// let ring = ReplicaRing(generation: 1, replicas: ["east": "https://east:8442", "west": "https://west:8442"])
/// let name = ring.owner(of: "customer", "C1")
/// ```
public struct ReplicaRing: Sendable, Hashable {
    /// With 128, shares of three replicas differ by some 9 % (one standard deviation).
    public static let pointsAReplica = 128
    public static let maxReplicas = 64

    /// Of two rings the one with the higher number counts.
    public let generation: Int64
    /// Addresses by name.
    public let replicas: [String: String]
    private let points: [Point]

    private struct Point: Sendable, Hashable {
        let place: UInt64
        let name: String
    }

    /// - Precondition: there is a replica.
    public init(generation: Int64, replicas: [String: String]) {
        precondition(!replicas.isEmpty, "a ring has replicas")
        self.generation = generation
        self.replicas = replicas
        points = replicas.keys.flatMap { name in
            (0..<Self.pointsAReplica).map { Point(place: Self.place(of: "\(name)#\($0)"), name: name) }
        }.sorted { ($0.place, $0.name) < ($1.place, $1.name) }
    }

    public var names: [String] { replicas.keys.sorted() }

    /// The name of the replica that keeps an entity.
    /// - Parameter kind: tells apart entities of different kinds with the same id.
    public func owner(of kind: String, _ id: String) -> String {
        let place = Self.place(of: "\(kind)/\(id)")
        var low = 0
        var high = points.count
        while low < high {
            let middle = (low + high) / 2
            if points[middle].place < place { low = middle + 1 } else { high = middle }
        }
        return points[low == points.count ? 0 : low].name
    }

    /// The replica of the feature store that observes a customer's payments.
    public func owner(ofCustomer id: String) -> String { owner(of: "customer", id) }
    /// The replica of the feature store that keeps a terminal.
    public func owner(ofTerminal id: String) -> String { owner(of: "terminal", id) }

    /// FNV-1a, whose high bits depend too little on the last characters, mixed by MurmurHash3's finaliser. It must be the same in every
    /// process and version; ids are tokens, which nobody can choose.
    private static func place(of text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 33
    }
}

extension ReplicaRing {
    /// The feature store's ring, which its callers and its replicas read alike; nil where there is one store that keeps everything.
    public static func featureStore(from reader: ConfigurationReader) -> ReplicaRing? {
        let replicas = reader.value(
            "VIGIL_FEATURES_REPLICAS", default: [:], defaultText: "",
            "replicas of the feature store, name=address separated by commas; empty for one that keeps everything"
        ) { try parse($0) }
        let generation = reader.int(
            "VIGIL_FEATURES_RING_GENERATION", default: 0, in: 0...Int(Int32.max),
            "raised whenever VIGIL_FEATURES_REPLICAS changes, from 1 on")
        if replicas.isEmpty { return nil }
        if generation == 0 { reader.fail("VIGIL_FEATURES_RING_GENERATION", "is required with VIGIL_FEATURES_REPLICAS, from 1 on") }
        return ReplicaRing(generation: Int64(generation), replicas: replicas)
    }

    private static func parse(_ text: String) throws -> [String: String] {
        var replicas: [String: String] = [:]
        for item in text.split(separator: ",").map({ $0.trimmingPrefix(while: \.isWhitespace) }) where !item.isEmpty {
            let parts = item.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[1].hasPrefix("https://") || parts[1].hasPrefix("http://") else {
                throw ServiceError("\"\(item)\" is not name=https://host:port")
            }
            guard !parts[0].isEmpty, parts[0].utf8.allSatisfy({ isNameByte($0) }), parts[0].utf8.count <= 63 else {
                throw ServiceError("\"\(parts[0])\" is no name: up to 63 lower-case letters, digits and hyphens")
            }
            guard replicas.updateValue(parts[1], forKey: parts[0]) == nil else { throw ServiceError("\(parts[0]) is there twice") }
        }
        guard replicas.count <= maxReplicas else { throw ServiceError("has more than \(maxReplicas) replicas") }
        return replicas
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "-")
    }
}
