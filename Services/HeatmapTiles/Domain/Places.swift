import Geo

/// An area that an agency answers for.
struct Area: Sendable, Hashable {
    var id: String
    var name: String
    /// Nil when the outline that was registered is no polygon: then nothing lies inside.
    var outline: MultiPolygon?

    func contains(_ position: Position) -> Bool { outline?.contains(position) ?? false }
}

/// A terminal with a place.
struct Site: Sendable, Hashable {
    enum Sort: String, Sendable, Hashable {
        case pos
        case atm
        case online
    }

    var terminalID: String
    var sort: Sort
    var position: Position
    /// The bank's name; empty when unknown.
    var institution: String
}

/// All terminals, so that those inside a tile are one range.
struct SiteIndex: Sendable {
    private var sites: [String: Site] = [:]
    /// In the order of the code of the cell they stand in, then of their names.
    private(set) var sorted: [(code: UInt64, site: Site)] = []

    var count: Int { sites.count }

    subscript(terminalID: String) -> Site? { sites[terminalID] }

    /// Adds terminals, or moves those that are known.
    mutating func update(_ changed: [Site]) {
        guard !changed.isEmpty else { return }
        for site in changed { sites[site.terminalID] = site }
        sorted = sites.values.map { (code: Tile(containing: $0.position, zoom: Cube.cellZoom).code, site: $0) }
            .sorted { ($0.code, $0.site.terminalID) < ($1.code, $1.site.terminalID) }
    }

    /// The terminals inside a tile, at most `limit`.
    func sites(in tile: Tile, limit: Int) -> ArraySlice<(code: UInt64, site: Site)> {
        let codes = tile.codes(atZoom: Cube.cellZoom)
        return sorted[lowerBound(codes.lowerBound)..<lowerBound(codes.upperBound)].prefix(limit)
    }

    private func lowerBound(_ code: UInt64) -> Int {
        var low = 0, high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle].code < code { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension ComplaintNote {
    /// Where a complaint stands in the list: the last reported comes first.
    struct Place: Comparable {
        var reportedMicroseconds: Int64
        var version: Version

        static func < (place: Place, other: Place) -> Bool {
            (place.reportedMicroseconds, place.version.transactionID, place.version.sequence)
                > (other.reportedMicroseconds, other.version.transactionID, other.version.sequence)
        }
    }

    var place: Place { Place(reportedMicroseconds: reportedMicroseconds, version: version) }

    /// What of the stored ones is looked through.
    struct Search: Sendable {
        /// When they happened; nil for any time.
        var hours: Range<Int>?
        /// Where; nil for anywhere, and for those without a place.
        var box: BoundingBox?
        /// Behind which in the list.
        var after: Place
    }
}

/// A decision above the alert threshold, as the dashboard lists it. No customer, account or card is named.
struct AlertNote: Sendable, Hashable {
    /// Where an alert stands in the list: the last decided comes first.
    struct Place: Sendable, Hashable, Comparable {
        var decidedMicroseconds: Int64
        var decisionID: String

        static func < (place: Place, other: Place) -> Bool {
            guard place.decidedMicroseconds == other.decidedMicroseconds else { return place.decidedMicroseconds > other.decidedMicroseconds }
            // By their bytes, as the store compares them.
            return other.decisionID.utf8.lexicographicallyPrecedes(place.decisionID.utf8)
        }
    }

    var place: Place { Place(decidedMicroseconds: decidedMicroseconds, decisionID: decisionID) }

    var decisionID: String
    /// When the transaction was made, in microseconds since 1970.
    var eventMicroseconds: Int64
    /// When it was decided.
    var decidedMicroseconds: Int64
    var position: Position?
    var terminalID: String
    var channel: String
    /// In minor units of `currency`; nil when unknown.
    var amountMinorUnits: Int64?
    var currency: String
    var risk: Double
    /// Strongest first.
    var reasons: [Reason]
    /// The bank that sent the payment, and the bank's own identifier of it; empty when unknown.
    var bankID = ""
    var transactionID = ""

    /// Why a model finds a payment risky.
    struct Reason: Sendable, Hashable {
        /// The feature that it is about, by the model's name for it; empty when unknown. With its value another language has words for it.
        var feature = ""
        /// Nil when unknown.
        var value: Double?
        /// In the model's own words.
        var text: String
    }
}
