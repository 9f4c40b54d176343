import Geo
import Testing

@testable import HeatmapTiles

@Suite struct MapStateTests {
    static func decision(_ number: Int, terminal: String = "", position: Position? = Sample.centre, risk: Double = 0.25) -> MapEvent {
        let time = Int64(Sample.firstHour) * CubeHour.microsecondsPerHour + Int64(number)
        let alert = risk < 0.9 ? nil : AlertNote(
            decisionID: "d\(number)", eventMicroseconds: time, decidedMicroseconds: time, position: position, terminalID: terminal,
            channel: "atm", amountMinorUnits: 1200, currency: "INR", risk: risk, reasons: [.init(text: "far from home")])
        return .decision(ScoredTransaction(
            eventMicroseconds: time, position: position, terminalID: terminal, channel: "atm", risk: risk, isFraud: risk > 0.5,
            alert: alert))
    }

    static func count(_ state: MapState, _ layer: Layer) -> Int {
        state.cube.total(in: nil, CubeFilter(layer: layer).prepared(kinds: state.cube.kinds, cells: nil)).count
    }

    static let site = Site(terminalID: "T1", sort: .atm, position: Sample.centre, institution: "First")

    @Test("A decision counts as transaction, as fraud and as alert, as far as it is each")
    func signals() {
        var state = MapState()
        state.apply(state.change(for: [Self.decision(1, risk: 0.1), Self.decision(2, risk: 0.6), Self.decision(3, risk: 0.95)]))
        #expect(Self.count(state, .transactions) == 3)
        #expect(Self.count(state, .fraud) == 2)
        #expect(Self.count(state, .alerts) == 1)
        #expect(state.alerts.map(\.decisionID) == ["d3"])
    }

    @Test("A decision at a terminal not known yet finds its cell when the terminal is registered, in whichever order they come")
    func lateTerminals() {
        let decision = Self.decision(1, terminal: "T1", position: nil)
        var late = MapState()
        late.apply(late.change(for: [decision, decision]))
        #expect(Self.count(late, .transactions) == 0 && late.unplaced.count == 1)
        late.apply(late.change(for: [.site(Self.site)]))
        var early = MapState()
        early.apply(early.change(for: [.site(Self.site)]))
        early.apply(early.change(for: [decision, decision]))
        var together = MapState()
        together.apply(together.change(for: [.site(Self.site), decision, decision]))
        for state in [late, early, together] {
            #expect(Self.count(state, .transactions) == 2 && state.unplaced.isEmpty)
            #expect(state.cube.codes == [MapState.cell(Sample.centre)])
        }
    }

    @Test("A change worked out before the terminal was known is placed when it is applied after")
    func overtaken() {
        var state = MapState()
        let change = state.change(for: [Self.decision(1, terminal: "T1", position: nil)])
        state.apply(state.change(for: [.site(Self.site)]))
        state.apply(change)
        #expect(Self.count(state, .transactions) == 1 && state.unplaced.isEmpty)
    }

    @Test("What has no time that a map can show, and a complaint without a place, is passed over")
    func unusable() {
        let state = MapState()
        let old = ComplaintNote(eventMicroseconds: -1, position: Sample.centre, crimeType: "robbery")
        let far = ComplaintNote(eventMicroseconds: .max, position: Sample.centre, crimeType: "robbery")
        #expect(state.change(for: [.complaint(old), .complaint(far)]).isEmpty)
    }

    @Test("What has no place is counted beside the map, at a terminal only until this has one; the map and the rest together are all that there is")
    func withoutPlace() {
        var state = MapState()
        let events = [
            Self.decision(1), Self.decision(2, position: nil), Self.decision(3, position: nil, risk: 0.95),
            Self.decision(4, terminal: "T1", position: nil, risk: 0.95), Self.decision(5, terminal: String(repeating: "T", count: 200), position: nil),
        ]
        state.apply(state.change(for: events))
        func withoutPlace(_ layer: Layer, _ change: (inout CubeFilter) -> Void = { _ in }) -> Int? {
            var filter = CubeFilter(layer: layer)
            change(&filter)
            return state.countWithoutPlace(filter)
        }
        #expect(Self.count(state, .transactions) == 1 && withoutPlace(.transactions) == 4)
        #expect(withoutPlace(.alerts) == 2 && withoutPlace(.fraud) == 2 && withoutPlace(.complaints) == 0)
        #expect(state.nowhereHours == Sample.firstHour...Sample.firstHour)
        // The sample begins at midnight of a Monday.
        #expect(withoutPlace(.alerts) { $0.types = ["atm"] } == 2 && withoutPlace(.alerts) { $0.types = ["pos"] } == 0)
        #expect(withoutPlace(.alerts) { $0.hours = 0..<Sample.firstHour } == 0)
        #expect(withoutPlace(.alerts) { $0.hoursOfDay = [0] } == 2 && withoutPlace(.alerts) { $0.daysOfWeek = [2] } == 0)
        // Nothing is told of it where it cannot be said where, when or how risky it is.
        #expect(withoutPlace(.alerts) { $0.jurisdictions = ["north"] } == nil && withoutPlace(.alerts) { $0.minimumRisk = 0.1 } == nil)
        #expect(withoutPlace(.alerts) { $0.knownBefore = Sample.firstHour } == nil)
        state.apply(state.change(for: [.site(Self.site)]))
        #expect(Self.count(state, .transactions) == 2 && withoutPlace(.transactions) == 3 && withoutPlace(.alerts) == 1)
        // The alert is where its terminal is.
        #expect(state.alerts.first { $0.decisionID == "d4" }.flatMap(state.position) == Self.site.position)
    }

    @Test("Only the newest alerts are kept")
    func manyAlerts() {
        var state = MapState()
        for batch in 0..<12 {
            state.apply(state.change(for: (0..<100).map { Self.decision(batch * 100 + $0, risk: 0.99) }))
        }
        #expect(state.alerts.count == MapState.maxAlerts)
        #expect(state.alerts.first?.decisionID == "d1199")
    }

    @Test("Every change raises the revision, and an empty one does not")
    func revisions() {
        var state = MapState(revision: 7)
        state.apply(state.change(for: []))
        #expect(state.revision == 7)
        state.apply(state.change(for: [.site(Self.site)]))
        #expect(state.revision == 8)
    }

    @Test("Listeners hear of changes, those that come in a rush once, and nobody beyond the limit listens")
    func listeners() async throws {
        let map = LiveMap(MapState())
        let subscription = try #require(map.subscribe("asha", limit: 2, limitOfCaller: 1))
        #expect(map.subscribe("asha", limit: 2, limitOfCaller: 1) == nil)
        #expect(map.subscribe("ravi", limit: 1) == nil)
        for number in 0..<5 { map.apply(map.current.change(for: [Self.decision(number)])) }
        var iterator = subscription.wakes.makeAsyncIterator()
        #expect(await iterator.next() != nil)
        subscription.nudge()
        #expect(await iterator.next() != nil)
        #expect(Self.count(map.current, .transactions) == 5)
    }
}
