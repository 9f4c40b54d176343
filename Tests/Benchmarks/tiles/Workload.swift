import BenchmarkSupport
import Foundation
import Geo

/// Payments of 90 days in a city of some 20,000 cells, a few of them busy: as rows for PostGIS, and counted as the tile service stores them.
struct Workload {
    let events: Int

    static let centre = Position(latitude: 28.6139, longitude: 77.2090)
    static let days = 90
    /// 2026-01-05 00:00 UTC, a Monday.
    static let firstHour = 490_992
    static let hours = firstHour..<(firstHour + days * 24)
    static let cellZoom = 17
    static let channels = ["pos", "atm", "ecommerce", "upi", "netbanking"]
    /// Cells along a side of the city.
    private static let side = 142

    /// A part of the city's time and payments.
    struct Filter {
        var hours: Range<Int>
        /// Numbers of ``channels``.
        var channels: [Int]
        /// In UTC.
        var hoursOfDay: [Int]
        /// 1 is Monday.
        var daysOfWeek: [Int]

        /// 30 days, two of five channels, nights and evenings, not on Sundays.
        init(firstDay: Int) {
            let first = Workload.firstHour + (30 + firstDay) * 24
            hours = first..<(first + 30 * 24)
            channels = [1, 3]
            hoursOfDay = Array(18...23) + Array(0...5)
            daysOfWeek = Array(1...6)
        }

        var query: [(name: String, value: String)] {
            func time(_ hour: Int) -> String {
                ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: Double(hour) * 3600))
            }
            return [
                ("from", time(hours.lowerBound)), ("to", time(hours.upperBound)),
                ("types", channels.map { Workload.channels[$0] }.joined(separator: ",")),
                ("hours_of_day", hoursOfDay.map(String.init).joined(separator: ",")),
                ("days_of_week", daysOfWeek.map(String.init).joined(separator: ",")),
            ]
        }
    }

    /// Tiles that show something, as many of each zoom: from the whole city in one tile to a few streets.
    static func tiles(ofEachZoom count: Int) -> [Tile] {
        (9...14).flatMap { zoom in
            (0..<count).compactMap { number in
                // Around the middle, further out one after another.
                let angle = Double(number) * 137.5, distance = 15_000 * (Double(number) / Double(count)).squareRoot()
                return Tile(containing: centre.moved(metres: distance, bearingDegrees: angle), zoom: zoom)
            }
        }
    }

    /// Makes the rows, with the indexes that a tile server on PostGIS would have, and better ones.
    func makeEvents(_ server: DatabaseServer) throws {
        let middle = Tile(containing: Self.centre, zoom: Self.cellZoom), side = Self.side
        _ = try server.psql(
            """
            CREATE EXTENSION postgis;
            CREATE SCHEMA bench;
            SET search_path = bench, public;
            CREATE FUNCTION spread(v bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
                SELECT sum(((v >> bit) & 1) << (2 * bit))::bigint FROM generate_series(0, 16) bit
            $$;
            SELECT setseed(.5);
            CREATE UNLOGGED TABLE places AS
                SELECT (row_number() OVER (ORDER BY random()) - 1)::integer AS number, x, y, spread(x) | (spread(y) << 1) AS code
                FROM generate_series(\(middle.x - side / 2), \(middle.x + side / 2 - 1)) x,
                    generate_series(\(middle.y - side / 2), \(middle.y + side / 2 - 1)) y;
            CREATE UNLOGGED TABLE events AS
                SELECT ST_SetSRID(ST_MakePoint(
                        ((p.x + dx) / 131072 - .5) * 40075016.6855784, (.5 - (p.y + dy) / 131072) * 40075016.6855784), 3857) AS geom,
                    p.code, p.x, p.y, e.hour, ((e.hour + 72) % 168)::smallint AS hour_of_week, e.channel, e.risk
                FROM (
                    SELECT floor(\(side * side) * random() * random())::integer AS number, random() AS dx, random() AS dy,
                        \(Self.firstHour) + floor(\(Self.days * 24) * random())::integer AS hour,
                        floor(\(Self.channels.count) * random())::smallint AS channel, (random() ^ 4)::real AS risk
                    FROM generate_series(1, \(events))
                ) e JOIN places p USING (number)
                ORDER BY p.code, e.hour;
            """)
    }

    /// The usual index on the geometry, and one that answers a tile's query by itself. Each in a session of its own, at once.
    func index(_ server: DatabaseServer) throws {
        let settings = "SET search_path = bench, public; SET maintenance_work_mem = '1GB';"
        _ = try server.psql(
            "\(settings) CREATE INDEX ON events (code, hour) INCLUDE (x, y, channel, hour_of_week, risk); CREATE INDEX ON events USING gist (geom)")
        _ = try server.psql("VACUUM ANALYZE bench.events")
    }

    /// Puts the same events into the tile service's own tables, as its log follower would have.
    func count(_ server: DatabaseServer) throws -> Int {
        let kinds = Self.channels.enumerated().map { "('transaction', '\($1)', \($0))" }.joined(separator: ", ")
        _ = try server.psql(
            """
            SET work_mem = '1GB';
            INSERT INTO tiles.kinds (signal, type) SELECT signal, type FROM (VALUES \(kinds)) k (signal, type, channel) ORDER BY channel;
            INSERT INTO tiles.cells (cell, kind, hour, count, risk_sum)
                SELECT e.code, k.kind, e.hour, count(*), sum(e.risk)
                FROM bench.events e
                JOIN (VALUES \(kinds)) c (signal, type, channel) USING (channel) JOIN tiles.kinds k USING (signal, type)
                GROUP BY e.code, k.kind, e.hour ORDER BY random();
            """)
        _ = try server.psql("VACUUM ANALYZE tiles.cells")
        guard let count = Int(try server.psql("SELECT count(*) FROM tiles.cells").trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw BenchmarkProblem("the entries cannot be counted")
        }
        return count
    }
}
