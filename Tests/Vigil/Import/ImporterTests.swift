import Datasets
import Foundation
import RPC
import Records
import Testing

@testable import Vigil

/// Whole imports into a gateway that breaks.
@Suite("Import")
struct ImporterTests {
    private final class Folder {
        let path: String

        init() throws {
            path = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-import-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data("secret\n".utf8).write(to: URL(fileURLWithPath: "\(path)/secret"))
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func file(_ text: String) throws -> String {
            let file = "\(path)/rows.csv"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            return file
        }
    }

    private static let mapping = try? Mapping(
        parsing: """
            record: transactions
            fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: EUR}}
            """, name: "test")

    private let folder: Folder

    init() throws { folder = try Folder() }

    private func transactions(_ rows: Range<Int>) -> String {
        "id,at,who,sum\n" + rows.map { "t\($0),2018-04-01 00:00:00,c\($0 % 7),\($0).50\n" }.joined()
    }

    /// What a rejects file shows of a row as it stands in the file.
    private static func content(_ id: String, _ time: String, _ amount: String) -> String {
        cell([
            ("key.transaction_id", id), ("event_time", time), ("customer_id", "****"), ("amount.minor_units", amount),
        ])
    }

    /// And of the row c as it was sent.
    private static let sentContent = cell([
        ("key.bank_id", "local"), ("key.transaction_id", "c"), ("event_time", "2018-04-01T00:00:00Z"), ("customer_id", "****"),
        ("channel", "other"), ("amount.minor_units", "100"), ("amount.currency", "EUR"),
    ])

    private static func cell(_ values: [(String, String)]) -> String {
        "\"{" + values.map { "\"\"transaction.\($0)\"\":\"\"\($1)\"\"" }.joined(separator: ",") + "}\""
    }

    private func session(
        _ file: String, mapping: Mapping? = mapping, gateway: String, maxInFlight: Int = 50, limit: Int? = nil
    ) throws -> ImportSession {
        let mapping = try #require(mapping)
        var files = ImportFiles.place(file: file, kind: mapping.kind, rejects: nil)
        files.source = .init(kind: mapping.kind, file: file, mapping: mapping, gateway: gateway)
        return try ImportSession(
            file: file, mapping: mapping, options: ReadOptions(), namesBank: mapping.maps("bank_id"), limit: limit, files: files,
            maxInFlight: maxInFlight, resume: true)
    }

    private func importer(_ session: ImportSession, _ channel: ChannelConfiguration, kind: RecordKind = .transactions) -> Importer {
        let client = SuiteDescription.Client(subject: "bank", secretFile: "\(folder.path)/secret", bankID: "bank")
        let tokens = TokenSource(client: client, gateway: channel)
        return Importer(session: session, kind: kind, channel: channel, tokens: tokens, patience: .seconds(20))
    }

    @Test func everyRowIsAcknowledgedOnceAndTheSecondRunIsAllDuplicates() async throws {
        let file = try folder.file(transactions(0..<500))
        let gateway = FakeGateway()
        try await FakeGateway.with(gateway) { channel in
            let first = try session(file, gateway: channel.target)
            #expect(try await importer(first, channel).run() == .done)
            #expect(try first.finish() == nil)
            #expect(first.counts == ImportCounts(rows: 500, acknowledged: 500, pending: 250, decided: 250))
            #expect(gateway.stored.count == 500)
            #expect(gateway.streams == 1)
            let second = try session(file, gateway: channel.target)
            #expect(try await importer(second, channel).run() == .done)
            #expect(second.counts.duplicates == 500)
            #expect(second.counts.acknowledged == 500)
        }
    }

    @Test func aGatewayThatDiesAgainAndAgainLosesAndDoublesNothing() async throws {
        let file = try folder.file(transactions(0..<500))
        let gateway = FakeGateway(breaksAfter: [1, 120, 77, 301])
        try await FakeGateway.with(gateway) { channel in
            let session = try session(file, gateway: channel.target)
            #expect(try await importer(session, channel).run() == .done)
            _ = try session.finish()
            #expect(session.counts.rows == 500)
            #expect(session.counts.acknowledged == 500)
            #expect(session.counts.duplicates == 0)
            #expect(session.counts.resent > 0)
            #expect(gateway.stored.count == 500)
            #expect(gateway.streams >= 4)
        }
    }

    @Test func aRefusedTokenIsRenewedOnce() async throws {
        let file = try folder.file(transactions(0..<10))
        let gateway = FakeGateway(refusesTokens: 1)
        try await FakeGateway.with(gateway) { channel in
            let session = try session(file, gateway: channel.target)
            #expect(try await importer(session, channel).run() == .done)
            #expect(gateway.tokens == 2)
        }
        let strict = FakeGateway(refusesTokens: 100)
        try await FakeGateway.with(strict) { channel in
            let session = try session(file, gateway: channel.target)
            await #expect(throws: Importer.Failure.self) { try await importer(session, channel).run() }
            #expect(strict.tokens == 2)
        }
    }

    @Test func badRowsGoToTheRejectsFileInTheFilesOrder() async throws {
        let rows = [
            "a,2018-04-01,c1,1.00", "b,yesterday,c1,1.00", "c,2018-04-01,refused,1.00", "d,2018-04-01,c1,-1", "e,2018-04-01,c1",
            "f,2018-04-01,c1,2.00",
        ]
        let file = try folder.file("id,at,who,sum\n" + rows.joined(separator: "\n"))
        let gateway = FakeGateway()
        try await FakeGateway.with(gateway) { channel in
            let session = try session(file, gateway: channel.target)
            #expect(try await importer(session, channel).run() == .done)
            let rejects = try #require(try session.finish())
            #expect(session.counts == ImportCounts(rows: 6, acknowledged: 2, rejected: 4, pending: 0, decided: 2))
            #expect(
                try String(contentsOfFile: rejects, encoding: .utf8) == """
                    row,line,id,field,column,value,reason,content
                    2,3,b,transaction.event_time,at,****ay,is not a date and time in ISO 8601,\(Self.content("b", "****ay", "1.00"))
                    3,4,c,transaction.customer_id,who,****,is on a list,\(Self.sentContent)
                    4,5,d,transaction.amount.minor_units,sum,-1,is negative,\(Self.content("d", "2018-04-01", "-1"))
                    5,6,,transaction.amount.minor_units,sum,,has 3 values where the header has 4 columns,

                    """)
        }
    }

    @Test func anInterruptedImportGoesOnWhereItStopped() async throws {
        let file = try folder.file(transactions(0..<400).replacingOccurrences(of: "t9,2018", with: "t9,x"))
        let gateway = FakeGateway(breaksAfter: [200])
        try await FakeGateway.with(gateway) { channel in
            let first = try session(file, gateway: channel.target, maxInFlight: 20, limit: nil)
            // The first run ends when its connection breaks, as if it had been killed then.
            var impatient = importer(first, channel)
            impatient = Importer(session: first, kind: .transactions, channel: channel, tokens: impatient.tokens, patience: .zero)
            await #expect(throws: Importer.Failure.self) { try await impatient.run() }
            _ = try first.finish()
            #expect(first.counts.rows > 100 && first.counts.rows < 400)
            let second = try session(file, gateway: channel.target)
            #expect(second.rowsBefore == first.counts.rows)
            #expect(try await importer(second, channel).run() == .done)
            let rejects = try #require(try second.finish())
            #expect(second.counts.rows == 400)
            #expect(second.counts.acknowledged == 399)
            #expect(second.counts.duplicates == 0)
            #expect(gateway.stored.count == 399)
            #expect(try String(contentsOfFile: rejects, encoding: .utf8).split(separator: "\n").count == 2)
            #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/rows.csv.transactions.import.json"))
        }
    }

    @Test func aKilledImportCountsWhatItHadSentAsItsOwn() async throws {
        let file = try folder.file(transactions(0..<400))
        let gateway = FakeGateway(breaksAfter: [200])
        try await FakeGateway.with(gateway) { channel in
            let first = try session(file, gateway: channel.target, maxInFlight: 20)
            let tokens = importer(first, channel).tokens
            let impatient = Importer(session: first, kind: .transactions, channel: channel, tokens: tokens, patience: .zero)
            await #expect(throws: Importer.Failure.self) { try await impatient.run() }
            // Nothing is written after this: the process is gone, and its lock with it.
            first.lock.release()
            let second = try session(file, gateway: channel.target)
            #expect(try await importer(second, channel).run() == .done)
            #expect(second.counts.rows == 400)
            #expect(second.counts.acknowledged == 400)
            #expect(gateway.stored.count == 400)
            #expect(second.counts.duplicates == 0)
        }
    }

    @Test func aChangedFileBeginsAnew() async throws {
        let file = try folder.file(transactions(0..<400))
        let gateway = FakeGateway(breaksAfter: [200])
        try await FakeGateway.with(gateway) { channel in
            let first = try session(file, gateway: channel.target, maxInFlight: 20)
            let importer = importer(first, channel)
            let impatient = Importer(session: first, kind: .transactions, channel: channel, tokens: importer.tokens, patience: .zero)
            await #expect(throws: Importer.Failure.self) { try await impatient.run() }
            _ = try first.finish()
            _ = try folder.file(transactions(0..<401))
            #expect(try session(file, gateway: channel.target).rowsBefore == 0)
        }
    }

    @Test func registryRecordsGoThroughTheirOwnCall() async throws {
        let file = try folder.file("id\n1\n2\n\n2\n")
        let mapping = try Mapping(parsing: "record: customers\nfields: {customer_id: id}", name: "c")
        let gateway = FakeGateway()
        try await FakeGateway.with(gateway) { channel in
            let session = try session(file, mapping: mapping, gateway: channel.target)
            #expect(try await importer(session, channel, kind: .customers).run() == .done)
            #expect(session.counts == ImportCounts(rows: 3, acknowledged: 3, duplicates: 1))
        }
    }

    @Test func aStoppedImportSendsNothingMore() async throws {
        let file = try folder.file(transactions(0..<400))
        let gateway = FakeGateway()
        try await FakeGateway.with(gateway) { channel in
            let session = try session(file, gateway: channel.target)
            session.stop()
            #expect(try await importer(session, channel).run() == .interrupted)
            #expect(gateway.stored.isEmpty)
        }
    }
}
