import RPC
import Records

/// The map as it was known at past moments, made from the store when asked for. What was known in the past does not change, so a few of
/// them are kept.
actor PastMaps {
    private static let maxMaps = 2

    private let map: LiveMap
    private let load: @Sendable (_ before: Int) async throws -> Cube
    /// The newest use last.
    private var cubes: [(hour: Int, cube: Cube)] = []
    /// Who waits for the one that is being made.
    private var waiting: [Int: [CheckedContinuation<Cube, any Error>]] = [:]

    /// - Parameter load: gives the cube as it was known before an hour.
    init(map: LiveMap, load: @escaping @Sendable (_ before: Int) async throws -> Cube) {
        self.map = map
        self.load = load
    }

    /// The map without what happened or became known from `hour` on. Places and alerts are today's.
    /// - Throws: `RESOURCE_EXHAUSTED` while another past map is being made.
    func map(knownBefore hour: Int) async throws -> MapState {
        let cube = try await cube(before: hour)
        return map.current.with(cube)
    }

    private func cube(before hour: Int) async throws -> Cube {
        if let index = cubes.firstIndex(where: { $0.hour == hour }) {
            cubes.append(cubes.remove(at: index))
            return cubes[cubes.count - 1].cube
        }
        if waiting[hour] != nil {
            return try await withCheckedThrowingContinuation { waiting[hour, default: []].append($0) }
        }
        // One at a time: each is as large as the map itself.
        guard waiting.isEmpty else {
            throw RPCError.resourceExhausted("another past map is being made", retryAfter: .seconds(2))
        }
        waiting[hour] = []
        let result: Result<Cube, any Error>
        do {
            result = .success(try await load(hour))
        } catch {
            result = .failure(error)
        }
        for continuation in waiting.removeValue(forKey: hour) ?? [] { continuation.resume(with: result) }
        let cube = try result.get()
        cubes.append((hour, cube))
        if cubes.count > Self.maxMaps { cubes.removeFirst() }
        return cube
    }
}
