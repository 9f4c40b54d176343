import Contracts
import Datasets
import EventLog
import Features
import Foundation
import Postgres
import RecordCoding
import Records
import Simulation
import TestSupport
import Testing

@testable import FeatureStore

/// What is served is what is trained on, to the bit.
@Suite struct ParityTests {
    private enum Step {
        case payment(Transaction)
        case label(Label)
        var time: Timestamp {
            switch self {
            case .payment(let payment): payment.eventTime
            case .label(let label): label.knownAt
            }
        }
    }

    @Test func aReplayOnLineEqualsTheTableOffLine() async throws {
        let world = World(
            WorldConfiguration(start: Timestamp(CivilTime(year: 2026, month: 1, day: 5)), days: 20, customers: 60))
        try await Self.check(
            History(transactions: world.transactions, labels: world.labels, terminals: world.terminals, customers: world.customers))
    }

    /// Skipped where the public data are absent. `VIGIL_PARITY_ROWS` says how many rows; all of them take a while.
    @Test(.enabled(if: ParityTests.publicData("transactions.csv.gz") != nil, "the public data are not beside the repository"))
    func aReplayOfTheRealFileOnLineEqualsTheTableOffLine() async throws {
        let file = try #require(Self.publicData("transactions.csv.gz"))
        let limit = ProcessInfo.processInfo.environment["VIGIL_PARITY_ROWS"].flatMap { Int($0) } ?? 5_000
        let rows = try Dataset.transactions(file: file, mapping: .load("handbook-transactions"), limit: limit)
        try await Self.check(History(transactions: rows.map(\.transaction), labels: rows.compactMap(\.label), terminals: [], customers: []))
    }

    private struct History {
        let transactions: [Transaction]
        let labels: [Label]
        let terminals: [Terminal]
        let customers: [Customer]
    }

    private static func check(_ world: History) async throws {
        var replay = FeatureReplay(set: .payments)
        for terminal in world.terminals { replay.engine.place(terminal: terminal.terminalID, at: terminal.location) }
        for customer in world.customers { replay.engine.place(customer: customer.customerID, at: customer.home) }
        var offline: [TransactionKey: [UInt64]] = [:]
        replay.run(world.transactions, labels: world.labels) { index, values in
            offline[world.transactions[index].key] = values.map(\.bitPattern)
        }

        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            try await Self.take(
                world.terminals.map { .terminal($0) } + world.customers.map { .customer($0) }, into: writer)
            // By time, a label before the payments that it is known at; both in the order they are given in.
            let steps =
                (world.labels.map(Step.label) + world.transactions.map(Step.payment)).enumerated()
                .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
            var waiting: [Transaction] = []
            var known: [FeatureChange] = []
            for (index, step) in steps.enumerated() {
                // Batches of any size, since that must not matter.
                switch step {
                case .payment(let payment):
                    if !known.isEmpty { try await Self.take(known, into: writer) }
                    known = []
                    waiting.append(payment)
                    if waiting.count <= index % 97 { continue }
                case .label(let label): known.append(.label(label))
                }
                if !waiting.isEmpty { _ = try await writer.observe(waiting) }
                waiting = []
            }
            if !waiting.isEmpty { _ = try await writer.observe(waiting) }
            if !known.isEmpty { try await Self.take(known, into: writer) }
            var count = 0
            try await database.forEachHistoricalBatch(from: nil, to: nil, knownBy: nil, batchRows: 500) { batch in
                for item in batch {
                    let observation = try FeaturesV1.Observation(entry: item.payload)
                    let key = try TransactionKey(#require(observation.key))
                    #expect(observation.values.map(\.bitPattern) == offline[key], "\(key)")
                    count += 1
                }
            }
            #expect(count == world.transactions.count)
        }
    }

    private static func publicData(_ name: String) -> String? {
        let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = root.deletingLastPathComponent().appendingPathComponent("shared/data/\(name)").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    private static func take(_ changes: [FeatureChange], into writer: ObservationWriter) async throws {
        let batch = LogConsumer.Batch<FeatureChange?>(following: .start, events: [])
        try await writer.take(batch) { _ in changes }
    }
}
