#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
import Records

/// The made-up city of Sagarpur: 24 km square, six police districts, a few dense quarters.
struct City: Sendable {
    static let centre = (latitude: 17.20, longitude: 75.35)
    static let halfSideKilometres = 12.0
    static let kilometresPerDegree = 111.32

    let jurisdictions: [Jurisdiction]
    /// Where people live and trade: east and north of the centre in kilometres, spread, and share of the people.
    let quarters: [(x: Double, y: Double, spread: Double, share: Double)]
    private let quarterTotals: [Double]

    init(random: RandomSource) {
        var random = random
        let quarters = (0..<9).map { index in
            (
                x: random.uniform(-9..<9), y: random.uniform(-9..<9), spread: random.uniform(0.8..<2.2),
                share: index == 0 ? 3.0 : random.uniform(0.4..<1.4)
            )
        }
        self.quarters = quarters
        quarterTotals = runningTotals(quarters.map(\.share))
        jurisdictions = City.districts(&random)
    }

    /// Kilometres east and north of the centre, as a place.
    static func place(_ x: Double, _ y: Double) -> Coordinate {
        let latitude = centre.latitude + y / kilometresPerDegree
        let longitude = centre.longitude + x / (kilometresPerDegree * cos(centre.latitude * .pi / 180))
        return Coordinate(latitude: rounded(latitude), longitude: rounded(longitude))
    }

    /// A place as kilometres east and north of the centre.
    static func offset(_ place: Coordinate) -> (x: Double, y: Double) {
        (
            (place.longitude - centre.longitude) * kilometresPerDegree * cos(centre.latitude * .pi / 180),
            (place.latitude - centre.latitude) * kilometresPerDegree
        )
    }

    static func kilometres(_ a: Coordinate, _ b: Coordinate) -> Double {
        let (p, q) = (offset(a), offset(b))
        return hypot(p.x - q.x, p.y - q.y)
    }

    /// Somewhere that people live, or trade.
    func settledPlace(_ random: inout RandomSource, looseness: Double = 1) -> Coordinate {
        let quarter = quarters[random.index(cumulative: quarterTotals)]
        let side = City.halfSideKilometres
        let x = min(max(random.normal(mean: quarter.x, deviation: quarter.spread * looseness), -side), side)
        let y = min(max(random.normal(mean: quarter.y, deviation: quarter.spread * looseness), -side), side)
        return City.place(x, y)
    }

    /// Six districts, three by two, that share their inner corners and leave no gap.
    private static func districts(_ random: inout RandomSource) -> [Jurisdiction] {
        let names = ["Harbour", "Old Fort", "Mill Gate", "Lakeside", "Cantonment", "University"]
        let side = halfSideKilometres + 1
        let columns = [-side, -side / 3, side / 3, side]
        let rows = [-side, 0, side]
        var corners: [[Coordinate]] = []
        for (row, y) in rows.enumerated() {
            corners.append(columns.enumerated().map { column, x in
                let isEdgeX = column == 0 || column == columns.count - 1
                let isEdgeY = row == 0 || row == rows.count - 1
                return place(x + (isEdgeX ? 0 : random.uniform(-1.5..<1.5)), y + (isEdgeY ? 0 : random.uniform(-2..<2)))
            })
        }
        return names.enumerated().map { index, name in
            let (row, column) = (index / 3, index % 3)
            let ring = [
                corners[row][column], corners[row][column + 1], corners[row + 1][column + 1], corners[row + 1][column],
                corners[row][column],
            ]
            return Jurisdiction(id: "sagarpur-\(index + 1)", name: "\(name) district", rings: [ring])
        }
    }

    /// To about 10 cm, so that files and databases carry no meaningless digits.
    private static func rounded(_ degrees: Double) -> Double { (degrees * 1e6).rounded() / 1e6 }
}
