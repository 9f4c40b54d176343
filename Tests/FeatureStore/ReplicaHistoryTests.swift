import Contracts
import EventLog
import Features
import RecordCoding
import Records
import ServiceRuntime
import Simulation
import TestSupport
import Testing

@testable import FeatureStore

/// What was observed while calls crossed one another: payments come in one order at their customers and in another at their terminals.
@Suite struct ReplicaHistoryTests {
    private static let another = FeatureSet.payments(labelDelay: .days(3), utcOffsetSeconds: 19_800)
    private static let names = ["east", "north", "west"]
    private static let world = World(
        WorldConfiguration(start: Timestamp(CivilTime(year: 2026, month: 1, day: 5)), days: 14, customers: 40))

    /// Some of them are transfers, which are whole at once, between the halves of their customers' others.
    private static let payments = world.transactions.sorted { $0.eventTime < $1.eventTime }.enumerated().map { place, payment in
        var payment = payment
        if place % 4 == 0 { payment.terminalID = nil }
        return payment
    }

    /// So many payments are under way at once, in two calls, of which the second is done first.
    private static let stride = 120

    private static func feed(_ rig: ReplicaRig, _ part: ArraySlice<Transaction>) async throws {
        var labels = world.labels.filter { $0.knownAt > part[part.startIndex].eventTime }.sorted { $0.knownAt < $1.knownAt }[...]
        for start in Swift.stride(from: part.startIndex, to: part.endIndex, by: stride) {
            let due = labels.prefix { $0.knownAt <= part[start].eventTime }
            labels = labels.dropFirst(due.count)
            rig.accept(due.map { .label($0) })
            try await rig.follow()
            let end = min(start + stride, part.endIndex)
            let middle = (start + end) / 2
            _ = try await rig.observe(Array(part[start..<middle])) { _ = try await rig.observe(Array(part[middle..<end])) }
        }
    }

    private static func rows(_ rig: ReplicaRig) async throws -> [TransactionKey: [UInt64]] {
        var rows: [TransactionKey: [UInt64]] = [:]
        try await FeatureHistory(database: rig.database, featureSet: another).forEachBatch { batch in
            for row in batch {
                let observation = try #require(row.observation)
                rows[TransactionKey(try #require(observation.key))] = observation.values.map(\.bitPattern)
            }
        }
        return rows
    }

    private static func values(_ rig: ReplicaRig) async throws -> [[UInt64]?] {
        let end = try #require(payments.last).eventTime + .seconds(1)
        var values: [[UInt64]?] = []
        for customer in world.customers { values.append(try await rig.values(of: .customer(customer.customerID), at: end)) }
        for terminal in world.terminals { values.append(try await rig.values(of: .terminal(terminal.terminalID), at: end)) }
        return values
    }

    @Test func whatIsComputedAnewIsWhatThoseFeaturesWouldHaveBeen() async throws {
        let places = Self.world.terminals.map { FeatureChange.terminal($0) } + Self.world.customers.map { .customer($0) }
        let half = Self.payments.count / 2
        var (expected, known): ([TransactionKey: [UInt64]], [[UInt64]?]) = ([:], [])
        try await ReplicaRig.run(Self.names, serving: Self.another) { rig in
            rig.accept(places)
            for part in [Self.payments[..<half], Self.payments[half...]] { try await Self.feed(rig, part) }
            (expected, known) = (try await Self.rows(rig), try await Self.values(rig))
        }
        try await ReplicaRig.run(Self.names) { rig in
            rig.accept(places)
            try await Self.feed(rig, Self.payments[..<half])
            // Replicas compute all anew, and go on from that.
            try await rig.serve(Self.another)
            try await Self.feed(rig, Self.payments[half...])
            let rows = try await Self.rows(rig)
            #expect(rows.count == Self.payments.count)
            let others = rows.filter { $0.value != expected[$0.key] }
            #expect(others.isEmpty, "\(others.count) of \(rows.count) are others")
            #expect(try await Self.values(rig) == known)
        }
    }

    @Test func whatOtherFeaturesHadBegunBeginsAgainAndCountsOnce() async throws {
        let first = Array(Self.payments[..<60])
        try await ReplicaRig.run(Self.names) { rig in
            await #expect(throws: (any Error).self) { _ = try await rig.observe(first) { try await rig.serve(Self.another) } }
            let observed = try await rig.observe(first)
            #expect(observed.count == first.count)
            try await rig.serve(Self.another)
            let count = try #require(Self.another.names.firstIndex(of: "customer_count_30d"))
            for (customer, payments) in Dictionary(grouping: first, by: \.customerID) {
                let values = try #require(try await rig.values(of: .customer(customer), at: first[59].eventTime + .seconds(1)))
                #expect(Double(bitPattern: values[count]) == Double(payments.count))
            }
        }
    }
}
