import Datasets
import Foundation
import Records
import Simulation
import Testing

@testable import Vigil

@Suite struct WorldFilesTests {
    private static let start = Timestamp(CivilTime(year: 2026, month: 1, day: 1))
    private static let world = World(WorldConfiguration(start: start, seed: 3, days: 15, customers: 120, shops: 60, atms: 20))

    private func withFiles(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "world-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try WorldFiles(world: Self.world, directory: folder).write { _ in }
        try body(folder)
    }

    private func refuse(_ row: RejectedRow) { Issue.record("row \(row.position.row) was refused: \(row.rejections)") }

    @Test func theHandbooksMappingsReadTheFilesWithoutARefusal() throws {
        try withFiles { folder in
            let rows = try Dataset.transactions(
                file: "\(folder)/transactions.csv", mapping: .load("handbook-transactions"), rejected: refuse)
            #expect(rows.count == Self.world.transactions.count)
            #expect(rows.count { $0.label?.isFraud == true } == Self.world.labels.count { $0.isFraud })
            let terminals = try Dataset.terminals(file: "\(folder)/terminals.csv", mapping: .load("handbook-terminals"), rejected: refuse)
            #expect(terminals.map(\.location) == Self.world.terminals.filter { $0.kind == .pos }.map(\.location))
            let customers = try Dataset.customers(file: "\(folder)/customers.csv", mapping: .load("handbook-customers"), rejected: refuse)
            #expect(customers == Self.world.customers)
        }
    }

    @Test func theOwnMappingsBringEveryFieldBack() throws {
        try withFiles { folder in
            let rows = try Dataset.transactions(
                file: "\(folder)/transactions.csv", mapping: .load("simulated-transactions"), rejected: refuse)
            for (read, made) in zip(rows.map(\.transaction), Self.world.transactions) {
                var expected = made
                expected.key.bankID = read.key.bankID
                expected.eventTime = Timestamp(seconds: made.eventTime.seconds)
                #expect(read == expected)
            }
            let atms = try Dataset.terminals(file: "\(folder)/atms.csv", mapping: .load("simulated-atms"), rejected: refuse)
            #expect(atms == Self.world.terminals.filter { $0.kind == .atm })
            let complaints = try Dataset.complaints(
                file: "\(folder)/complaints.csv", mapping: .load("simulated-complaints"), rejected: refuse)
            #expect(complaints.map(\.suspectAccountIDs) == Self.world.complaints.map(\.suspectAccountIDs))
            #expect(complaints.map(\.amount) == Self.world.complaints.map(\.amount))
            let labels = try Dataset.labels(file: "\(folder)/transactions.csv", mapping: .load("simulated-labels"), rejected: refuse)
            #expect(labels.count == Self.world.labels.count)
        }
    }

    @Test func noFileOutsideOfTruthSaysHowAFraudWasMade() throws {
        try withFiles { folder in
            for name in ["transactions.csv", "atms.csv", "terminals.csv", "customers.csv"] {
                let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
                for pattern in FraudPattern.allCases {
                    #expect(!text.contains(pattern.rawValue), "\(name) names \(pattern.rawValue)")
                }
            }
            let truth = try String(contentsOfFile: "\(folder)/truth/fraud.csv", encoding: .utf8)
            #expect(truth.split(separator: "\n").count == Self.world.truth.count + 1)
        }
    }
}
