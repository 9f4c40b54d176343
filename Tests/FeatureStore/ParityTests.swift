import Contracts
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
            for (index, step) in steps.enumerated() {
                if case .payment(let payment) = step { waiting.append(payment) }
                let isLast = index == steps.count - 1
                // Batches of any size, since that must not matter.
                if case .label(let label) = step {
                    _ = try await writer.observe(waiting)
                    waiting = []
                    try await Self.take([.label(label)], into: writer)
                } else if waiting.count >= 1 + index % 97 || isLast {
                    _ = try await writer.observe(waiting)
                    waiting = []
                }
            }
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

    private static func take(_ changes: [FeatureChange], into writer: ObservationWriter) async throws {
        let batch = LogConsumer.Batch<FeatureChange?>(following: .start, events: [])
        try await writer.take(batch) { _ in changes }
    }
}
