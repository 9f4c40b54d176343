import Testing

@testable import Features

@Suite struct EventListTests {
    /// Times and amounts of each kind that a list packs, and the form they end up in.
    private static let kinds: [(unit: Int64, ticks: Int64, form: EventList.Form)] = [
        (1_000_000, 100, .seconds), (1_000, 100, .milliseconds), (1, 100, .microseconds), (1_000_000, 1, .wide), (1, -100, .wide),
        (1_000_000, 1 << 50, .wide),
    ]

    /// An empty list, and room for it.
    private static func lists() -> (EventList, WordLists) {
        var lists = WordLists()
        lists.append()
        return (EventList(), lists)
    }

    @Test(arguments: kinds.indices) func whatIsReadIsWhatWasWritten(_ kind: Int) {
        let kind = Self.kinds[kind]
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var (list, lists) = Self.lists()
            var model: [(event: Event, ticks: Int64)] = []
            var base: Int64 = 0
            var newest: Int64 = 1_760_000_000_123_456
            for number in 0..<120 {
                newest += Int64.random(in: 1...40, using: &random) * kind.unit
                let late = number % 7 == 3 ? Int64.random(in: 0...50, using: &random) * kind.unit : 0
                let event = Event(
                    time: newest - late, counterpart: UInt32(number), label: .unknown,
                    toUsual: number % 5 == 0 ? .nan : Float(number))
                let ticks = Int64.random(in: 1...900, using: &random) &* kind.ticks
                let index = model.firstIndex { $0.event.time > event.time } ?? model.count
                list.insert(event, ticks: ticks, at: index, 0, in: &lists)
                model.insert((event, ticks), at: index)
                if number % 3 == 0 {
                    let label = EventLabel(bits: UInt32(number) | 0x8000_0000)
                    list.setLabel(label, at: index, 0, in: &lists)
                    model[index].event.label = label
                }
                if number % 50 == 49 {
                    list.removeFirst(20, 0, in: &lists)
                    for gone in model.prefix(20) { base &+= gone.ticks }
                    model.removeFirst(20)
                }
            }
            #expect(list.form == kind.form && list.count == model.count && list.baseTicks == base)
            var sum = base
            for (index, (event, ticks)) in model.enumerated() {
                sum &+= ticks
                let read = list.view(0, in: lists)[index]
                #expect(read.time == event.time && read.cumulativeTicks == sum && read.counterpart == event.counterpart)
                #expect(read.label == event.label && read.toUsual.bitPattern == event.toUsual.bitPattern)
            }
        }
    }

    @Test func aListThatNeededMoreRoomPacksAgain() {
        var (list, lists) = Self.lists()
        list.insert(Event(time: 0, counterpart: 1, label: .unknown, toUsual: 1), ticks: 100, at: 0, 0, in: &lists)
        #expect(list.form == .seconds)
        list.insert(Event(time: 5_000_000, counterpart: 1, label: .unknown, toUsual: 1), ticks: 100, at: 1, 0, in: &lists)
        list.insert(Event(time: 2_500_000, counterpart: 2, label: .unknown, toUsual: 1), ticks: 300, at: 1, 0, in: &lists)
        #expect(list.form == .milliseconds && (0..<3).map { list.view(0, in: lists)[$0].cumulativeTicks } == [100, 400, 500])
        // Longer than milliseconds in a word reach.
        list.insert(Event(time: 1 << 52, counterpart: 3, label: .unknown, toUsual: 1), ticks: 1, at: 3, 0, in: &lists)
        #expect(list.form == .wide && list.view(0, in: lists)[1].counterpart == 2
                && list.view(0, in: lists)[3].cumulativeTicks == 501)
    }
}
