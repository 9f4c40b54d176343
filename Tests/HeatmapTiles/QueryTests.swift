import Geo
import Testing

@testable import HeatmapTiles

@Suite struct QueryTests {
    static let state: MapState = {
        var state = MapState()
        let areas = ["north", "south"].enumerated().map { index, id in
            let south = Sample.centre.latitude + (index == 0 ? 0 : -1)
            let box = BoundingBox(west: Sample.centre.longitude - 1, south: south, east: Sample.centre.longitude + 1, north: south + 1)
            return MapEvent.area(Area(id: id, name: id, outline: try? MultiPolygon([Polygon(box: box)])))
        }
        let events = Sample.events(2000, seed: 41).compactMap { event -> MapEvent? in
            let time = Int64(event.hour) * CubeHour.microsecondsPerHour
            switch event.kind.signal {
            case .complaint: return .complaint(.init(eventMicroseconds: time, position: event.position, crimeType: event.kind.type))
            case .transaction:
                return .decision(.init(
                    eventMicroseconds: time, position: event.position, terminalID: "", channel: event.kind.type, risk: event.risk,
                    isFraud: event.risk > 0.5, alert: nil))
            case .fraud, .alert, .forecast: return nil
            }
        }
        state.apply(state.change(for: areas + events))
        return state
    }()

    static func filter(_ pairs: [(String, String)], layer: Layer = .complaints, permitted: Set<String>? = nil) throws -> CubeFilter {
        try QueryParameters(pairs.map { (name: $0.0, value: $0.1) }, allowed: QueryParameters.filterNames)
            .filter(layer: layer, for: MapQueries(state: state, renderer: TileRenderer(), permitted: permitted))
    }

    @Test("A whole filter is read")
    func filters() throws {
        let filter = try Self.filter([
            ("from", "2026-01-05T01:30:00Z"), ("to", "2026-01-06T01:30:00+05:30"), ("types", "robbery,upi_fraud"), ("min_risk", "0.5"),
            ("hours_of_day", "22-5"), ("days_of_week", "6-7"), ("utc_offset_minutes", "330"), ("jurisdiction", "north"),
        ])
        #expect(filter.hours == (Sample.firstHour + 1)..<(Sample.firstHour + 20))
        #expect(filter.types == ["robbery", "upi_fraud"])
        #expect(filter.hoursOfDay == [22, 23, 0, 1, 2, 3, 4, 5] && filter.daysOfWeek == [6, 7])
        #expect(filter.offsetMinutes == 330 && filter.jurisdictions == ["north"])
    }

    @Test("Figures of all layers follow a channel or a crime type where they have it, and are whole where they have not")
    func typesOfAllLayers() throws {
        func counts(_ types: String?) throws -> [String: Int] {
            let parameters = try QueryParameters(types.map { [(name: "types", value: $0)] } ?? [], allowed: QueryParameters.filterNames)
            let summary = try MapQueries(state: Self.state, renderer: TileRenderer(), permitted: nil).summary(parameters)
            return Dictionary(uniqueKeysWithValues: summary.layers.map { ($0.name, $0.count) })
        }
        let all = try counts(nil), atm = try counts("atm"), robbery = try counts("robbery"), both = try counts("atm,robbery")
        #expect(atm["transactions"] == (try Self.count(.transactions, ["atm"])) && atm["complaints"] == all["complaints"])
        #expect(robbery["complaints"] == (try Self.count(.complaints, ["robbery"])) && robbery["transactions"] == all["transactions"])
        #expect(both["transactions"] == atm["transactions"] && both["complaints"] == robbery["complaints"])
        #expect(try #require(atm["fraud"]) < (try #require(all["fraud"])))
        #expect(throws: BadQuery.self) { try counts("atm,murder") }
    }

    private static func count(_ layer: Layer, _ types: Set<String>) throws -> Int {
        var filter = CubeFilter(layer: layer)
        filter.types = types
        return state.cube.total(in: nil, filter.prepared(kinds: state.cube.kinds, cells: nil)).count
    }

    @Test("A bad parameter is refused by its name, with the reason", arguments: [
        ("form", "2026-01-05", "unknown parameter; known are at, days_of_week"), ("from", "yesterday", "must be a time in ISO 8601"),
        ("from", "2026-01-05T00:00:00 05:30", "must be a time in ISO 8601, for example 2026-01-31T18:00:00Z; a plus sign is written %2B here"),
        ("from", "1969-12-31T23:00:00Z", "must lie in the years 1970 to 2089"), ("to", "2200-01-01T00:00:00Z", "must lie in the years"),
        ("types", "murder", "\"murder\" is not a type of layer complaints; known are robbery, upi_fraud"),
        ("types", Array(repeating: "robbery", count: 10_000).joined(separator: ","), "must name at most 64 types"),
        ("min_risk", "2", "must be a number from 0 to 1"), ("min_risk", "nan", "must be a number from 0 to 1"),
        ("types", "", "must not be empty"), ("jurisdiction", "", "must not be empty"), ("types", "robbery,", "\"\" is not a type of"),
        ("types", "robbery,upi_fraud,robbery", "\"robbery\" is named more than once"), ("min_risk", "0x1p-1", "must be a number from 0 to 1"),
        ("utc_offset_minutes", "01", "must be a whole number"), ("hours_of_day", "05", "must be numbers"),
        ("hours_of_day", "24", "must be numbers from 0 to 23"), ("hours_of_day", "5-24", "must be numbers"),
        ("hours_of_day", "1,,2", "must be"),
        ("days_of_week", "0", "must be numbers from 1 to 7"), ("utc_offset_minutes", "1000", "must be a whole number from -840 to 840"),
        ("jurisdiction", "east", "unknown, or not among those you may see"),
    ])
    func faults(name: String, value: String, reason: String) {
        let error = #expect(throws: BadQuery.self) { try Self.filter([(name, value)]) }
        #expect(error?.field == name && error?.reason.hasPrefix(reason) == true, "\(String(describing: error))")
    }

    @Test("A span that runs backwards or over more than ten years is refused")
    func spans() {
        #expect(throws: BadQuery.self) { try Self.filter([("from", "2026-01-05T00:00:00Z"), ("to", "2026-01-04T00:00:00Z")]) }
        #expect(throws: BadQuery.self) { try Self.filter([("from", "2000-01-05T00:00:00Z"), ("to", "2026-01-04T00:00:00Z")]) }
        #expect(throws: BadQuery.self) { try Self.filter([("from", "2026-01-05T00:00:00Z"), ("from", "2026-01-05T00:00:00Z")]) }
    }

    @Test("Channels are known types of transactions before the first of them comes")
    func channels() throws {
        #expect(try Self.filter([("types", "branch")], layer: .risk).types == ["branch"])
    }

    @Test("A caller limited to a jurisdiction sees its cells only, and cannot ask for another's")
    func jurisdictions() throws {
        let renderer = TileRenderer()
        func count(_ permitted: Set<String>?, _ pairs: [(String, String)] = []) throws -> Int {
            let filter = try Self.filter(pairs, layer: .transactions, permitted: permitted)
            return Self.state.cube.total(in: nil, renderer.prepare(filter, for: Self.state)).count
        }
        let all = try count(nil), north = try count(["north"]), south = try count(["south"])
        #expect(north > 0 && south > 0 && north + south == all)
        #expect(try count(nil, [("jurisdiction", "south")]) == south)
        #expect(try count(["nowhere"]) == 0)
        #expect(throws: BadQuery.self) { try count(["north"], [("jurisdiction", "south")]) }
        let queries = MapQueries(state: Self.state, renderer: renderer, permitted: ["north"])
        #expect(queries.areas().features.map(\.id) == ["north"])
        let summary = try queries.summary(QueryParameters([], allowed: []))
        #expect(summary.layers.first { $0.name == "transactions" }?.count == north)
        #expect(try #require(queries.bounds()).south >= Sample.centre.latitude)
    }

    @Test("A series covers the span asked for in whole buckets, and adds up to the total")
    func series() throws {
        let queries = MapQueries(state: Self.state, renderer: TileRenderer(), permitted: nil)
        let filter = try Self.filter([], layer: .transactions)
        let total = Self.state.cube.total(in: nil, queries.renderer.prepare(filter, for: Self.state)).count
        for hours in [nil, 1, 6, 24] {
            let series = try queries.series(filter, in: nil, bucketHours: hours)
            #expect(series.counts.reduce(0, +) == total && series.counts.count == series.expected.count)
            #expect(series.counts.count <= 600)
        }
        let hours = [("from", "2026-01-05T22:00:00Z"), ("to", "2026-01-06T04:00:00Z")]
        let night = try queries.series(Self.filter(hours), in: nil, bucketHours: 1)
        #expect(night.from == "2026-01-05T22:00:00Z" && night.counts.count == 6)
        let never = try queries.series(Self.filter([("from", "2027-01-01T00:00:00Z")]), in: nil, bucketHours: 1)
        #expect(never.counts.isEmpty)
    }

    @Test("A hotspot is named after the cash machine of its hottest square, and after none where that has none")
    func namesOfHotspots() throws {
        let square = Tile(containing: Sample.centre, zoom: Cube.cellZoom)
        let area = Tile(containing: Sample.centre, zoom: 15)
        let other = try #require(
            area.codes(atZoom: Cube.cellZoom).compactMap { Tile(zoom: Cube.cellZoom, code: $0) }.first { $0.code != square.code })
        for (here, there, name) in [(3, 1, "T1"), (1, 3, nil)] as [(Int, Int, String?)] {
            var state = MapState()
            let events = (0..<here).map { MapStateTests.decision($0) } + (0..<there).map { MapStateTests.decision(9 + $0, position: other.centre) }
            state.apply(state.change(for: [.site(MapStateTests.site)] + events))
            let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
            let hotspots = queries.hotspots(CubeFilter(layer: .transactions), limit: 5, zoom: 15, in: nil)
            #expect(hotspots.map(\.atm) == [name])
        }
    }

    @Test("A crime whose name has commas can be asked for, alone and beside others")
    func commas() throws {
        var state = Self.state
        for name in ["fraud, by phone", "loan", "loan,fake"] {
            state.apply(state.change(for: [.complaint(.init(
                eventMicroseconds: Int64(Sample.firstHour) * CubeHour.microsecondsPerHour, position: Sample.centre, crimeType: name))]))
        }
        func types(_ text: String) throws -> Set<String>? {
            try QueryParameters([("types", text)], allowed: QueryParameters.filterNames)
                .filter(layer: .complaints, for: MapQueries(state: state, renderer: TileRenderer())).types
        }
        #expect(try types("fraud, by phone") == ["fraud, by phone"])
        #expect(try types("robbery,fraud, by phone,loan") == ["robbery", "fraud, by phone", "loan"])
        #expect(try types("loan,fake,loan") == ["loan,fake", "loan"])
        #expect(throws: BadQuery.self) { try types("fraud") }
        #expect(throws: BadQuery.self) { try types("loan,fake,loan,fake") }
    }

    @Test("The least risk leaves complaints, which have none, as they are")
    func leastRisk() throws {
        let filter = try Self.filter([("min_risk", "0.9")])
        #expect(filter.layer == .complaints && filter.minimumRisk == 0)
        #expect(try Self.filter([("min_risk", "0.9")], layer: .risk).minimumRisk == 0.9)
        #expect(throws: BadQuery.self) { try Self.filter([("min_risk", "9")]) }
    }

    @Test("A payment with a date far off stretches no span; who names it sees it")
    func strays() throws {
        var state = Self.state
        let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
        let before = try queries.summary(QueryParameters([], allowed: []))
        guard case .decision(var stray) = MapStateTests.decision(1) else { return }
        for year in [915_148_800, 2_871_763_200] {
            stray.eventMicroseconds = Int64(year) * 1_000_000
            state.apply(state.change(for: [.decision(stray)]))
        }
        stray.position = nil
        stray.terminalID = ""
        state.apply(state.change(for: [.decision(stray)]))
        for permitted in [nil, Set(state.areas.keys)] {
            let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: permitted)
            let summary = try queries.summary(QueryParameters([], allowed: []))
            if permitted == nil { #expect(summary.from == before.from && summary.to == before.to) }
            #expect(before.strays == 0 && summary.strays == (permitted == nil ? 3 : 2))
            #expect(try #require(summary.from) > "2026" && #require(summary.to) < "2027")
            #expect(try queries.series(Self.filter([], layer: .risk), in: nil, bucketHours: 1).counts.count <= 21 * 24)
        }
        let all = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
        let old = try all.series(
            Self.filter([("from", "1998-12-31T00:00:00Z"), ("to", "1999-01-02T00:00:00Z")], layer: .transactions), in: nil, bucketHours: 1)
        #expect(old.from == "1999-01-01T00:00:00Z" && old.counts.reduce(0, +) == 1)
        // Few events, and the span is too long: the fullest part of it.
        let few = TimeExtent(10...200_000) { $0.map { [10, 199_000, 200_000].contains($0) ? 1 : 0 } }
        #expect(few.usual == 199_000...200_000 && few.all == 10...200_000 && few.strays == 1)
        // A gap within what is usual is none.
        #expect(TimeExtent(0...20_000) { $0.map { $0 % 20_000 == 0 ? 1 : 0 } }.usual == 0...20_000)
    }

    @Test("A cell's reason has the currency of its alerts, unless they differ")
    func currencies() throws {
        for (currencies, told) in [(["INR", "INR"], "INR"), (["INR", "EUR"], nil), ([""], nil)] as [([String], String?)] {
            var state = MapState()
            for (number, currency) in currencies.enumerated() {
                guard case .decision(var payment) = MapStateTests.decision(number, risk: 0.95) else { continue }
                payment.alert?.currency = currency
                state.apply(state.change(for: [.decision(payment)]))
            }
            let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
            let reasons = try queries.detail(of: Tile(containing: Sample.centre, zoom: 17), QueryParameters([], allowed: [])).reasons
            #expect(reasons.map(\.currency) == [told] && reasons.map(\.alerts) == [currencies.count])
        }
    }

    @Test("A cell's alerts are those of the filter")
    func alertsOfCell() throws {
        var state = Self.state
        state.apply(state.change(for: [MapStateTests.decision(1, risk: 0.95), MapStateTests.decision(2, risk: 0.5)]))
        let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
        let cell = Tile(containing: Sample.centre, zoom: 17)
        func count(_ pairs: [(String, String)]) throws -> [Int] {
            let parameters = try QueryParameters(pairs.map { (name: $0.0, value: $0.1) }, allowed: QueryParameters.filterNames)
            let detail = try queries.detail(of: cell, parameters)
            return [detail.alerts.count, detail.reasons.count]
        }
        // It is of the first hour of a Monday.
        for kept in [
            [], [("types", "atm")], [("from", "2026-01-05"), ("to", "2026-01-06")], [("hours_of_day", "0"), ("days_of_week", "1")],
            [("at", "2026-01-05T00:30:00Z")],
        ] {
            #expect(try count(kept) == [1, 1], "\(kept)")
        }
        for other in [
            [("types", "pos")], [("from", "2026-01-06")], [("to", "2026-01-05")], [("hours_of_day", "1-23")], [("days_of_week", "2-7")],
            [("at", "2026-01-05T00:00:00Z")],
        ] {
            #expect(try count(other) == [0, 0], "\(other)")
        }
    }
}
