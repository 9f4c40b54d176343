import Contracts
import EventLog
import Features
import Postgres
import RPC
import RecordCoding
import Records
import SeededRandom
import ServiceRuntime
import Simulation
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct ReplicaTests {
    private static let world = World(
        WorldConfiguration(start: Timestamp(CivilTime(year: 2026, month: 1, day: 5)), days: 16, customers: 50))

    private static var payments: [Transaction] { world.transactions.sorted { $0.eventTime < $1.eventTime } }
    private static var places: [FeatureChange] { world.terminals.map { .terminal($0) } + world.customers.map { .customer($0) } }

    /// The payments in batches, each with the labels that became known before it.
    private static func batches(of size: Int) -> [(labels: [FeatureChange], payments: [Transaction])] {
        var labels = world.labels.sorted { $0.knownAt < $1.knownAt }[...]
        let payments = payments
        var batches: [(labels: [FeatureChange], payments: [Transaction])] = []
        var start = 0
        while start < payments.count {
            let due = labels.prefix { $0.knownAt <= payments[start].eventTime }
            labels = labels.dropFirst(due.count)
            // A label counts from the next payment on, so a batch ends before the next label.
            let next = labels.first.flatMap { label in payments[start...].firstIndex { $0.eventTime >= label.knownAt } } ?? payments.count
            let end = min(start + size, max(next, start + 1))
            batches.append((due.map { .label($0) }, Array(payments[start..<end])))
            start = end
        }
        return batches
    }

    @Test(arguments: [1, 2, 3]) func severalGiveWhatOneGivesToTheBit(count: Int) async throws {
        var replay = FeatureReplay(set: .payments)
        for terminal in Self.world.terminals { replay.engine.place(terminal: terminal.terminalID, at: terminal.location) }
        for customer in Self.world.customers { replay.engine.place(customer: customer.customerID, at: customer.home) }
        let payments = Self.payments
        var expected: [TransactionKey: [UInt64]] = [:]
        let terminals = Dictionary(uniqueKeysWithValues: Self.world.terminals.map { ($0.terminalID, $0.location) })
        let places = Dictionary(
            uniqueKeysWithValues: payments.map { ($0.key, $0.location ?? $0.terminalID.flatMap { terminals[$0] ?? nil }) })
        replay.run(payments, labels: Self.world.labels) { index, values in expected[payments[index].key] = values.map(\.bitPattern) }

        try await ReplicaRig.run((1...count).map { "store-\($0)" }) { rig in
            rig.accept(Self.places)
            try await rig.follow()
            var observed = 0
            for batch in Self.batches(of: 60) {
                rig.accept(batch.labels)
                try await rig.follow()
                let observations = try await rig.observe(batch.payments)
                for observation in observations {
                    let key = try TransactionKey(#require(observation.key))
                    #expect(observation.values.map(\.bitPattern) == expected[key], "\(key)")
                    #expect(observation.location.map(Coordinate.init) == places[key] ?? nil, "the terminal's place, whoever keeps it")
                }
                observed += observations.count
            }
            #expect(observed == payments.count)
        }
    }

    /// Replicas are killed and started, from snapshots and without, between the halves of observations too, and rings change, while payments
    /// come in. What is answered is whole and what is stored; in the end each payment is observed once, and memory is a replay of the log.
    @Test(arguments: [UInt64(1), 2, 3]) func killedAddedAndRemovedTheyAreNeverPartial(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        try await ReplicaRig.run(["a", "b"]) { rig in
            rig.accept(Self.places)
            try await rig.follow()
            var answered: [TransactionKey: [UInt64]] = [:]
            for batch in Self.batches(of: 200) {
                rig.accept(batch.payments.map { .transaction($0) })
                rig.accept(batch.labels)
                let killed = try #require(rig.names.randomElement(using: &random))
                let moment = Int.random(in: 0..<5, using: &random)
                if moment == 0 { rig.kill(killed) }
                let observations = try await rig.observe(batch.payments) { if moment == 1 { rig.kill(killed) } }
                for observation in observations {
                    answered[try TransactionKey(#require(observation.key))] = observation.values.map(\.bitPattern)
                }
                for name in rig.names where Int.random(in: 0..<6, using: &random) == 0 { try await rig.snapshot(name) }
                if moment == 2 {
                    let names = ["a", "b", "c"].filter { _ in Bool.random(using: &random) }
                    try await rig.change(to: names.isEmpty ? ["c"] : names)
                }
                for name in rig.currentRing.names where rig.replica(name) == nil { try await rig.start(name) }
                try await rig.follow()
            }
            try await Self.check(rig, answered)
        }
    }

    @Test(arguments: [1, 2, 3]) func aLabelThatComesBeforeItsPaymentFindsItWhoeverKeepsIt(count: Int) async throws {
        let payments = Self.payments.filter { $0.terminalID != nil }.prefix(40)
        let names = (1...count).map { "store-\($0)" }
        let end = try #require(payments.last).eventTime + .days(2)
        let early = payments.map { FeatureChange.label(Label(key: $0.key, isFraud: true, knownAt: $0.eventTime + .days(1), source: "test")) }
        let position = try #require(FeatureSet.payments.names.firstIndex(of: "customer_frauds_30d"))
        let ofTerminal = try #require(FeatureSet.payments.names.firstIndex(of: "terminal_frauds_30d"))
        func frauds(_ rig: ReplicaRig) async throws -> (customers: Double, terminals: Double) {
            var (customers, terminals) = (0.0, 0.0)
            for id in Set(payments.map(\.customerID)) {
                customers += try await rig.values(of: .customer(id), at: end).map { Double(bitPattern: $0[position]) } ?? .nan
            }
            for id in Set(payments.compactMap(\.terminalID)) {
                terminals += try await rig.values(of: .terminal(id), at: end).map { Double(bitPattern: $0[ofTerminal]) } ?? .nan
            }
            return (customers, terminals)
        }
        try await ReplicaRig.run(names) { rig in
            rig.accept(Array(early[..<30]))
            try await rig.follow()
            // Waiting labels come back from a snapshot and from the log.
            try await rig.snapshot(names[0])
            rig.kill(names[0])
            try await rig.start(names[0])
            _ = try await rig.observe(Array(payments[..<20]))
            // The others come between the halves of their payments.
            _ = try await rig.observe(Array(payments[20...])) {
                rig.accept(Array(early[30...]))
                try await rig.follow()
            }
            var found = try await frauds(rig)
            #expect(found == (40, 40), "\(found)")
            try await rig.change(to: names.reversed() + ["new"])
            found = try await frauds(rig)
            #expect(found == (40, 40), "after a change of the ring: \(found)")
        }
    }

    private static func check(_ rig: ReplicaRig, _ answered: [TransactionKey: [UInt64]]) async throws {
        var stored: [TransactionKey: [UInt64]] = [:]
        var engine = FeatureEngine(set: .payments)
        try await rig.database.forEachEntry { entries in
            for entry in entries {
                switch try FeaturesV1.FeatureEvent.Event(entry: entry) {
                case .observed(let message):
                    let transaction = try Transaction(observation: message)
                    #expect(stored.updateValue(message.values.map(\.bitPattern), forKey: transaction.key) == nil, "observed twice")
                    engine.remember(transaction, values: message.values)
                case .labelled(let message), .labelledEarly(let message): engine.learnOrAwait(try Label(message))
                case .terminalPlaced(let message): engine.place(terminal: message.terminalID, at: message.location.map(Coordinate.init))
                case .customerPlaced(let message): engine.place(customer: message.customerID, at: message.home.map(Coordinate.init))
                case .customerObserved, nil: break
                }
            }
        }
        #expect(stored.count == payments.count)
        for (key, values) in answered { #expect(stored[key] == values) }
        let end = try #require(payments.last).eventTime + .seconds(1)
        for customer in world.customers {
            let expected = engine.features(ofCustomer: customer.customerID, at: end)?.map(\.bitPattern)
            #expect(try await rig.values(of: .customer(customer.customerID), at: end) == expected ?? [])
        }
        for terminal in world.terminals {
            let expected = engine.features(terminal: terminal.terminalID, at: end)?.map(\.bitPattern)
            #expect(try await rig.values(of: .terminal(terminal.terminalID), at: end) == expected ?? [])
        }
    }

    @Test func aReplicaOfAnEarlierRingOrAnEarlierProcessOfTheNameWritesNothingMore() async throws {
        let payments = Self.payments
        try await ReplicaRig.run(["a"]) { rig in
            let first = try #require(rig.replica("a"))
            _ = try await first.observe(Array(payments[0..<5]))
            try await rig.start("a")
            await #expect(throws: (any Error).self) { try await first.observe(Array(payments[5..<10])) }
            await #expect(throws: (any Error).self) { try await first.writer.waitForBreakage() }
            let second = try #require(rig.replica("a"))
            _ = try await second.observe(Array(payments[5..<10]))
            try await rig.change(to: ["a", "b"])
            await #expect(throws: (any Error).self) { try await second.observe(Array(payments[10..<15])) }
            let stored = try await rig.database.pool.query("SELECT count(*) FROM observations")[0].decode(Int64.self)
            #expect(stored == 10)
        }
    }

    @Test func aNameThatIsUsedAgainLongAfterCountsOnce() async throws {
        try await ReplicaRig.run(["a", "b"]) { rig in
            let first = Array(Self.payments[0..<20])
            let observed = try await rig.observe(first)
            let later = first.map { payment in
                var payment = payment
                payment.eventTime = payment.eventTime + .days(300)
                return payment
            }
            // As many under names of their own, after which nobody remembers the first.
            _ = try await rig.observe(
                later.map { payment in
                    var payment = payment
                    payment.key.transactionID += "-new"
                    return payment
                })
            let again = try await rig.observe(later)
            #expect(Set(again.map { $0.values.map(\.bitPattern) }) == Set(observed.map { $0.values.map(\.bitPattern) }))
            let index = try #require(FeatureSet.payments.names.firstIndex(of: "customer_count_30d"))
            for customer in Set(first.map(\.customerID)) {
                let count = try #require(try await rig.values(of: .customer(customer), at: later[19].eventTime + .days(1)))[index]
                #expect(Double(bitPattern: count) == Double(first.filter { $0.customerID == customer }.count))
            }
        }
    }

    @Test func whatAnotherReplicaKeepsIsRefused() async throws {
        let payments = Self.payments
        try await ReplicaRig.run(["a", "b"]) { rig in
            let half = try #require(try await rig.replica("a")?.observeAtCustomers(
                payments.filter { rig.currentRing.owner(ofCustomer: $0.customerID) == "a" }).halves.first)
            let owner = rig.currentRing.owner(ofTerminal: try #require(half.observation).terminalID)
            let other = try #require(rig.replica(owner == "a" ? "b" : "a"))
            await #expect { try await other.completeHere(.init(observations: [half], ringGeneration: 1)) } throws: { error in
                (error as? RPCError)?.code == .failedPrecondition && (error as? RPCError)?.message.contains(owner) == true
            }
            await #expect { try await other.completeHere(.init(observations: [half], ringGeneration: 2)) } throws: { error in
                (error as? RPCError)?.code == .failedPrecondition
            }
        }
    }

    @Test func onlyANewerRingTakesTheStoreOver() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let two = ReplicaRing(generation: 2, replicas: ["a": "https://a", "b": "https://b"])
            _ = try await database.join(two, as: "a", outsider: "nobody")
            #expect(try await database.join(two, as: "a", outsider: "nobody").incarnation == 2)
            let older = ReplicaRing(generation: 1, replicas: two.replicas)
            await #expect(throws: MembershipError.self) { try await database.join(older, as: "a", outsider: "nobody") }
            let different = ReplicaRing(generation: 2, replicas: ["a": "https://a"])
            await #expect(throws: MembershipError.self) { try await database.join(different, as: "a", outsider: "nobody") }
            #expect(try await database.ring()?.names == ["a", "b"])
            let alone = ReplicaRing(generation: 3, replicas: ["a": "https://a"])
            #expect(try await database.join(alone, as: "a", outsider: "nobody").incarnation == 1)
        }
    }

    @Test func aRingDoesNotBeginBesideAStoreThatKeepsEverything() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let name = try await pool.query("SELECT current_setting('application_name')")[0].decode(String.self)
            let ring = ReplicaRing(generation: 1, replicas: ["a": "https://a"])
            await #expect(throws: MembershipError.self) { try await database.join(ring, as: "a", outsider: name) }
            #expect(try await database.ring() == nil)
        }
    }
}
