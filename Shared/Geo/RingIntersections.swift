/// Finds where a ring touches or crosses itself, and where rings cross each other.
///
/// Edges are sorted by their western end and compared only with those whose span of longitude they meet, so that an
/// ordinary outline of n positions costs about n log n and a hostile one no more than n².
enum RingIntersections {
    /// The first two edges found that meet anywhere but at the end they share; edge i runs from position i to i + 1.
    static func first(in ring: [Position]) -> (Int, Int)? {
        let count = ring.count - 1
        let order = (0..<count).sorted { west(ring, $0) < west(ring, $1) }
        var open: [Int] = []
        for edge in order {
            let start = west(ring, edge)
            open.removeAll { max(ring[$0].longitude, ring[$0 + 1].longitude) < start }
            for other in open where meet(ring, edge, other, count) {
                return (min(edge, other), max(edge, other))
            }
            open.append(edge)
        }
        return nil
    }

    /// - Throws: ``GeometryError`` that names, counted from 1, two rings that cross or are the same.
    static func refuseCrossings(of rings: [[Position]]) throws(GeometryError) {
        guard rings.count > 1 else { return }
        // By the even-odd rule the same ring twice is none.
        var known: [Set<Position>: Int] = [:]
        for (index, ring) in rings.enumerated() {
            if let first = known.updateValue(index, forKey: Set(ring)) {
                throw GeometryError(reason: "rings \(first + 1) and \(index + 1) are the same")
            }
        }
        if let (first, second) = firstCrossing(of: rings) { throw GeometryError(reason: "rings \(first + 1) and \(second + 1) cross") }
    }

    private static func firstCrossing(of rings: [[Position]]) -> (Int, Int)? {
        var edges: [(ring: Int, west: Double, east: Double, from: Position, to: Position)] = []
        for (index, ring) in rings.enumerated() {
            for (from, to) in zip(ring, ring.dropFirst()) {
                edges.append((index, min(from.longitude, to.longitude), max(from.longitude, to.longitude), from, to))
            }
        }
        edges.sort { $0.west < $1.west }
        var open: [Int] = []
        for (place, edge) in edges.enumerated() {
            open.removeAll { edges[$0].east < edge.west }
            for other in open where edges[other].ring != edge.ring {
                let (a, b, c, d) = (edge.from, edge.to, edges[other].from, edges[other].to)
                if side(a, b, c) * side(a, b, d) < 0, side(c, d, a) * side(c, d, b) < 0 {
                    return (min(edge.ring, edges[other].ring), max(edge.ring, edges[other].ring))
                }
            }
            open.append(place)
        }
        return nil
    }

    static func isOnEdge(_ position: Position, of ring: [Position]) -> Bool {
        zip(ring, ring.dropFirst()).contains { side($0, $1, position) == 0 && within($0, $1, position) }
    }

    private static func west(_ ring: [Position], _ edge: Int) -> Double {
        min(ring[edge].longitude, ring[edge + 1].longitude)
    }

    private static func meet(_ ring: [Position], _ first: Int, _ second: Int, _ count: Int) -> Bool {
        let (a, b, c, d) = (ring[first], ring[first + 1], ring[second], ring[second + 1])
        // Neighbours share one end; they are at fault only when one folds back over the other.
        if (first + 1) % count == second { return foldsBack(a, b, d) }
        if (second + 1) % count == first { return foldsBack(c, d, b) }
        let abc = side(a, b, c), abd = side(a, b, d), cda = side(c, d, a), cdb = side(c, d, b)
        if abc != abd && cda != cdb { return true }
        return (abc == 0 && within(a, b, c)) || (abd == 0 && within(a, b, d))
            || (cda == 0 && within(c, d, a)) || (cdb == 0 && within(c, d, b))
    }

    /// Whether the edge from `corner` to `to` runs back along the edge that came `from`.
    private static func foldsBack(_ from: Position, _ corner: Position, _ to: Position) -> Bool {
        guard side(from, corner, to) == 0 else { return false }
        return (from.longitude - corner.longitude) * (to.longitude - corner.longitude)
            + (from.latitude - corner.latitude) * (to.latitude - corner.latitude) > 0
    }

    /// −1, 0 or 1: on which side of the line through `a` and `b` the position lies.
    private static func side(_ a: Position, _ b: Position, _ p: Position) -> Int {
        let cross = (b.longitude - a.longitude) * (p.latitude - a.latitude) - (b.latitude - a.latitude) * (p.longitude - a.longitude)
        return cross > 0 ? 1 : cross < 0 ? -1 : 0
    }

    private static func within(_ a: Position, _ b: Position, _ p: Position) -> Bool {
        (min(a.longitude, b.longitude)...max(a.longitude, b.longitude)).contains(p.longitude)
            && (min(a.latitude, b.latitude)...max(a.latitude, b.latitude)).contains(p.latitude)
    }
}
