#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A self-exciting point process with a background surface: each incident makes others likelier near it for a while.
///
/// The rate at a place x and time t is `μ(x) + Σ θ ω exp(−ω (t − tᵢ)) φ(x − xᵢ; σ)` over the incidents before t, φ being the normal
/// density in the plane. Parameters and background are found by expectation–maximisation, each incident being a child of each earlier one, or of
/// the background, with the probability that the rates give it (stochastic declustering).
///
/// Sources: Zhuang, Ogata, Vere-Jones, "Stochastic Declustering of Space-Time Earthquake Occurrences" (2002); Mohler et al.,
/// "Self-Exciting Point Process Modeling of Crime" (2011).
public struct SelfExcitingProcess: Sendable {
    public struct Parameters: Sendable, Hashable {
        /// θ: incidents that one incident triggers itself, on average; below 1.
        public var productivity: Double
        /// ω, a day: half of the triggered come within `halfLifeDays`.
        public var decayPerDay: Double
        /// σ of the way from an incident to one that it triggers, along each axis.
        public var spreadMetres: Double

        public init(productivity: Double, decayPerDay: Double, spreadMetres: Double) {
            self.productivity = productivity
            self.decayPerDay = decayPerDay
            self.spreadMetres = spreadMetres
        }

        public var halfLifeDays: Double { log(2) / decayPerDay }
    }

    public struct Options: Sendable, Hashable {
        /// How far the background surface is smoothed.
        public var backgroundMetres = 1_000.0
        /// Children further off, in days and metres, are not looked for.
        public var maxDays = 60.0
        public var maxMetres = 1_000.0
        /// Only so many incidents are fitted, the newest; fewer where they lie so near each other that there would be more pairs.
        public var maxIncidents = 10_000
        public var maxPairs = 200_000
        public var iterations = 60

        public init() {}
    }

    public let parameters: Parameters
    /// The share of incidents that nothing triggered.
    public let backgroundShare: Double

    /// A pair of incidents of which the earlier may have triggered the later.
    private struct Pair {
        var later: Int
        var days: Double
        /// The distance's square, in m².
        var square: Double
    }

    /// Fits to incidents of a kind. With fewer than two there is no triggering.
    public init(fitting incidents: Incidents, kind: IncidentKind = .all, options: Options = Options()) throws(SpatialError) {
        let type = try incidents.index(of: kind)
        var chosen = Array(incidents.ages.indices.filter { type == nil || incidents.typeIndices[$0] == type }.suffix(options.maxIncidents))
        guard chosen.count > 1 else {
            parameters = Parameters(productivity: 0, decayPerDay: 0.1, spreadMetres: 250)
            backgroundShare = 1
            return
        }
        let plane = LocalPlane(around: incidents.places)
        var near: [Pair]?
        while near == nil {
            near = SelfExcitingProcess.pairs(
                points: chosen.map { plane.point(incidents.places[$0]) }, ages: chosen.map { incidents.ages[$0] }, options: options)
            if near == nil { chosen = Array(chosen.suffix(max(1, chosen.count / 2))) }
        }
        let pairs = near ?? []
        let ages = chosen.map { incidents.ages[$0] }
        let pitch = options.backgroundMetres / 2
        let lattice = try CellLattice(around: incidents, cellMetres: pitch)
        let nodes = chosen.map { lattice.node(of: incidents.places[$0]) ?? 0 }
        var fit = Fit(
            ages: ages, nodes: nodes, pairs: pairs, span: max(1e-6, ages.first ?? 0), pitch: pitch, lattice: lattice,
            background: [Double](repeating: 0.7, count: ages.count),
            parameters: Parameters(productivity: 0.3, decayPerDay: 0.1, spreadMetres: options.maxMetres / 4))
        for _ in 0..<options.iterations { fit.step() }
        parameters = fit.parameters
        backgroundShare = fit.background.reduce(0, +) / Double(ages.count)
    }

    /// All pairs near each other in place and time, found through boxes as wide as the longest way; nil when they are too many.
    private static func pairs(points: [SIMD2<Double>], ages: [Double], options: Options) -> [Pair]? {
        var boxes: [SIMD2<Int>: [Int]] = [:]
        var pairs: [Pair] = []
        let limit = options.maxMetres * options.maxMetres
        for (later, point) in points.enumerated() {
            let box = SIMD2(Int((point.x / options.maxMetres).rounded(.down)), Int((point.y / options.maxMetres).rounded(.down)))
            for across in -1...1 {
                for up in -1...1 {
                    for earlier in (boxes[SIMD2(box.x + across, box.y + up)] ?? []).reversed() {
                        let days = ages[earlier] - ages[later]
                        if days > options.maxDays { break }
                        let way = points[later] - points[earlier]
                        let square = (way * way).sum()
                        if days > 0, square <= limit { pairs.append(Pair(later: later, days: days, square: square)) }
                    }
                }
            }
            guard pairs.count <= options.maxPairs || points.count <= 2 else { return nil }
            boxes[box, default: []].append(later)
        }
        return pairs
    }

    /// The state of the iteration.
    private struct Fit {
        let ages: [Double]
        let nodes: [Int]
        let pairs: [Pair]
        let span: Double
        let pitch: Double
        let lattice: CellLattice
        /// For each incident the probability that nothing triggered it.
        var background: [Double]
        var parameters: Parameters

        /// Smoothing of the background, in nodes of its lattice.
        private static let sigma = 2.0

        mutating func step() {
            let (theta, omega, sigma) = (parameters.productivity, parameters.decayPerDay, parameters.spreadMetres)
            let scale = theta * omega / (2 * .pi * sigma * sigma)
            let base = backgroundRates()
            var triggered = [Double](repeating: 0, count: ages.count)
            let rates = pairs.map { scale * exp(-omega * $0.days - $0.square / (2 * sigma * sigma)) }
            for (pair, rate) in zip(pairs, rates) { triggered[pair.later] += rate }
            var children = 1e-12, days = 1e-12, squares = 1e-12
            for (pair, rate) in zip(pairs, rates) {
                let probability = rate / (base[pair.later] + triggered[pair.later])
                children += probability
                days += probability * pair.days
                squares += probability * pair.square
            }
            for index in background.indices { background[index] = base[index] / (base[index] + triggered[index]) }
            // Children that are still to come are expected, not seen.
            var seen = 1e-12, waiting = 0.0
            for age in ages {
                seen += 1 - exp(-omega * age)
                waiting += theta * age * exp(-omega * age)
            }
            parameters.productivity = min(0.99, children / seen)
            parameters.decayPerDay = min(50, max(1e-4, children / (days + waiting)))
            parameters.spreadMetres = max(1, (squares / (2 * children)).squareRoot())
        }

        /// Incidents a day and m² at each incident's place, without its own part; a hundredth is spread evenly, so that none is zero.
        private func backgroundRates() -> [Double] {
            var values = [Float](repeating: 0, count: lattice.nodeCount)
            for (node, weight) in zip(nodes, background) { values[node] += Float(weight) }
            let surface = Surface(values: values, width: lattice.width, height: lattice.height).smoothed(sigma: Self.sigma)
            let total = background.reduce(0, +)
            let own = 1 / (2 * Double.pi * Self.sigma * Self.sigma)
            let area = pitch * pitch
            let even = 0.01 * total / (Double(lattice.centres.count) * area * span)
            return zip(nodes, background).map { node, weight in
                even + 0.99 * max(0, Double(surface.values[node]) - weight * own) / (area * span)
            }
        }
    }
}
