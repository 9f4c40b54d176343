internal import NIOCore

/// What a balancer must know of a connection.
protocol Balanced: AnyObject {
    /// Calls in flight.
    var openCalls: Int { get }
}

/// The addresses of a channel, how each stands, and which of them a call goes to. Pure: time is told.
struct Balancer<Connection: Balanced> {
    struct Endpoint {
        enum Status {
            case idle
            case connecting
            /// Connected, but its health is not known yet.
            case checking(Connection)
            case ready(Connection)
            case waiting
        }

        let address: SocketAddress
        let hostName: String
        var status = Status.idle
        /// Attempts to connect that failed, one after another.
        var failures = 0
        /// What its health service told; true where it is not asked.
        var isServing = true
        /// Calls that failed as calls to a sick server do, one after another.
        var callFailures = 0
        var ejections = 0
        var ejectedUntil: NIODeadline?

        var connection: Connection? {
            switch status {
            case .ready(let connection), .checking(let connection): connection
            case .idle, .connecting, .waiting: nil
            }
        }
    }

    let policy: BalancingPolicy
    let outliers: OutlierEjection
    private(set) var endpoints: [Endpoint] = []
    private var turn = 0
    /// Points on the circle of hashes, sorted, each with its endpoint's index; for the ring hash.
    private var ring: [(point: UInt64, index: Int)] = []

    init(policy: BalancingPolicy, outliers: OutlierEjection) {
        self.policy = policy
        self.outliers = outliers
    }

    // MARK: picking

    /// The connection for a call; nil where none is up.
    ///
    /// - Parameters:
    ///   - key: what calls that belong together have in common; for the ring hash.
    ///   - other: a connection to leave out where there is another, because the call has been tried there.
    mutating func pick(key: String?, now: NIODeadline, other: Connection? = nil) -> Connection? {
        if endpoints.count == 1 {
            // Nothing to choose.
            guard case .ready(let connection) = endpoints[0].status, endpoints[0].isServing else { return nil }
            return connection
        }
        for index in endpoints.indices {
            if let until = endpoints[index].ejectedUntil, until <= now { endpoints[index].ejectedUntil = nil }
        }
        // Health and ejection are hints: where they leave nothing, what is connected and not known to be sick must do.
        let picked = pick(key) { $0.isServing && $0.ejectedUntil == nil && $0.connection !== other }
        return picked ?? pick(key) { $0.isServing && $0.ejectedUntil == nil } ?? pick(key) { $0.isServing }
    }

    private mutating func pick(_ key: String?, _ isFit: (Endpoint) -> Bool) -> Connection? {
        func ready(_ index: Int) -> Connection? {
            guard case .ready(let connection) = endpoints[index].status, isFit(endpoints[index]) else { return nil }
            return connection
        }
        if policy == .ringHash, let key, !ring.isEmpty {
            var position = ring.partitioningIndex(at: HashRing.point(key))
            for _ in ring.indices {
                if let connection = ready(ring[position % ring.count].index) { return connection }
                position += 1
            }
            return nil
        }
        let count = endpoints.count
        var best: (connection: Connection, index: Int)?
        for step in 0..<count {
            let index = (turn + step) % count
            guard let connection = ready(index) else { continue }
            if policy == .leastRequests, let current = best, current.connection.openCalls <= connection.openCalls { continue }
            best = (connection, index)
            if policy != .leastRequests { break }
        }
        guard let best else { return nil }
        turn = (best.index + 1) % count
        return best.connection
    }

    /// Whether a call waits in vain: every address has failed and waits, or says that it cannot work.
    var isHopeless: Bool {
        !endpoints.isEmpty
            && endpoints.allSatisfy { endpoint in
                switch endpoint.status {
                case .waiting: true
                case .ready: !endpoint.isServing
                case .idle, .connecting, .checking: false
                }
            }
    }

    var hasIdle: Bool { endpoints.contains { if case .idle = $0.status { true } else { false } } }

    // MARK: what happens

    /// The name resolves to these addresses now. Gives back the connections to those that are gone.
    mutating func resolved(_ found: [(SocketAddress, String)]) -> [Connection] {
        let gone = endpoints.filter { endpoint in !found.contains { $0.0 == endpoint.address } }.compactMap(\.connection)
        endpoints.removeAll { endpoint in !found.contains { $0.0 == endpoint.address } }
        for (address, name) in found where !endpoints.contains(where: { $0.address == address }) {
            endpoints.append(Endpoint(address: address, hostName: name))
        }
        ring = policy == .ringHash ? HashRing.points(of: endpoints.map { "\($0.address)" }) : []
        return gone
    }

    /// The idle ones, which are to be connected from now on.
    mutating func startConnecting() -> [Endpoint] {
        var idle: [Endpoint] = []
        for index in endpoints.indices {
            guard case .idle = endpoints[index].status else { continue }
            endpoints[index].status = .connecting
            idle.append(endpoints[index])
        }
        return idle
    }

    /// Changes the endpoint of an address, if it is still one.
    mutating func update<R>(_ address: SocketAddress, _ change: (inout Endpoint) -> R) -> R? {
        guard let index = endpoints.firstIndex(where: { $0.address == address }) else { return nil }
        return change(&endpoints[index])
    }

    /// Whether it matters how calls end: where there is a choice of addresses.
    var countsFailures: Bool { outliers.consecutiveFailures > 0 && endpoints.count > 1 }

    /// A call over the connection ended; `failed` where it ended as calls to a sick server do.
    ///
    /// - Returns: the address, where it is ejected for that.
    mutating func callEnded(on connection: Connection, failed: Bool, now: NIODeadline) -> SocketAddress? {
        guard countsFailures, let index = endpoints.firstIndex(where: { $0.connection === connection })
        else { return nil }
        guard failed else {
            endpoints[index].callFailures = 0
            return nil
        }
        endpoints[index].callFailures += 1
        guard endpoints[index].callFailures >= outliers.consecutiveFailures, endpoints[index].ejectedUntil == nil else { return nil }
        let ejected = endpoints.count { $0.ejectedUntil.map { $0 > now } ?? false }
        guard Double(ejected + 1) <= outliers.maxEjectedShare * Double(endpoints.count) else { return nil }
        endpoints[index].callFailures = 0
        endpoints[index].ejections += 1
        let seconds = min(outliers.ejectionSeconds * endpoints[index].ejections, outliers.maxEjectionSeconds)
        endpoints[index].ejectedUntil = now + .seconds(Int64(seconds))
        return endpoints[index].address
    }
}

/// Consistent hashing (Karger et al., 1997): each address has many points on a circle, and a key belongs to the next
/// point. An address that goes moves only the keys that it had.
enum HashRing {
    private static let pointsPerAddress = 128

    static func points(of addresses: [String]) -> [(point: UInt64, index: Int)] {
        var points: [(point: UInt64, index: Int)] = []
        for (index, address) in addresses.enumerated() {
            for replica in 0..<pointsPerAddress { points.append((point("\(address)#\(replica)"), index)) }
        }
        return points.sorted { ($0.point, $0.index) < ($1.point, $1.index) }
    }

    /// FNV-1a, mixed so that similar keys lie far apart; the same in every process.
    static func point(_ key: String) -> UInt64 {
        var value = key.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        value = (value ^ (value >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        value = (value ^ (value >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return value ^ (value >> 33)
    }
}

extension [(point: UInt64, index: Int)] {
    /// The first place whose point is not below `point`.
    fileprivate func partitioningIndex(at point: UInt64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].point < point { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
