import Contracts
import Crypto
import Foundation
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

@Suite(.serialized) struct FileImportTests {
    private static let mapping = """
        record: transactions
        fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: INR}}
        """

    private static func file(rows: Int) -> [UInt8] {
        var text = "id,at,who,sum\n"
        for row in 1...rows { text += "f-\(row),2026-02-0\(row % 9 + 1)T10:00:00Z,customer \(row % 7),\(row % 10 == 0 ? "much" : "12.50")\n" }
        return Array(text.utf8)
    }

    private static func header(_ file: [UInt8], offset: Int = 0, mapping: String = mapping) -> IngestionV1.FileHeader {
        .init(
            contentSha256: Array(SHA256.hash(data: file)), sizeBytes: UInt64(file.count), offsetBytes: UInt64(offset), mapping: mapping,
            fileName: "payments.csv")
    }

    private func send(
        _ client: IngestionV1.IngestionService.Client, _ options: CallOptions, _ header: IngestionV1.FileHeader, _ pieces: [[UInt8]]
    ) async throws -> IngestionV1.ImportFileResponse {
        try await client.importFile(options: options) { writer in
            try await writer.write(.init(part: .header(header)))
            for piece in pieces { try await writer.write(.init(part: .chunk(piece))) }
        }
    }

    private static let quick = ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]

    @Test func aFileThatBrokeOffGoesOnWhereItStoppedAndItsCountsAddUp() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Self.file(rows: 200)
                let half = file.count / 2
                let first = try await send(client, options, Self.header(file), [Array(file[..<100]), Array(file[100..<half])])
                #expect(first.state == .receiving && first.receivedBytes == UInt64(half))
                let hash = Self.header(file).contentSha256
                let state = try await client.getFileImport(.init(contentSha256: hash), options: options)
                #expect(state.receivedBytes == UInt64(half))
                // Pieces that wait for the rest say nothing to whoever reads the database.
                let readable = try await withPostgresPool(path.gateway.runtime.configuration.database, logger: testLogger) { pool in
                    let rows = try await pool.query(
                        "SELECT count(*), count(*) FILTER (WHERE position('customer'::bytea IN chunk) > 0) FROM file_chunks")
                    return try rows.first?.decode(Int64.self, Int64.self)
                }
                #expect(readable?.0 == 2 && readable?.1 == 0)
                let wrong = await #expect(throws: RPCError.self) {
                    try await send(client, options, Self.header(file, offset: half + 1), [Array(file[(half + 1)...])])
                }
                #expect(wrong?.code == .failedPrecondition)
                let done = try await send(client, options, Self.header(file, offset: half), [Array(file[half...])])
                #expect(done.state == .done && done.error.isEmpty)
                #expect(done.rows == 200 && done.accepted == 180 && done.rejected == 20 && done.duplicates == 0)
                #expect(done.rows == done.accepted + done.duplicates + done.rejected + done.empty)
                let refused = try #require(done.rejectedRows.first)
                #expect(refused.row == 10 && refused.field == "transaction.amount.minor_units" && refused.column == "sum")
                #expect(refused.value == "much" && refused.id == "f-10")
                // Sent again, it is known; its rows under another hash are duplicates.
                let again = try await send(client, options, Self.header(file, offset: file.count), [])
                #expect(again == done)
                let longer = file + Array("f-201,2026-02-01T10:00:00Z,x,1\n".utf8)
                let more = try await send(client, options, Self.header(longer), [longer])
                #expect(more.accepted == 1 && more.duplicates == 180 && more.rejected == 20)
                let stored = try await client.getStatistics(.init(), options: options)
                #expect(stored.transactions == 181)
            }
        }
    }

    @Test func twoThatSendAFileAtOnceAreToldTheSameAsWhoAsksLater() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Self.file(rows: 1_000)
                let answers = try await withThrowingTaskGroup(of: IngestionV1.ImportFileResponse.self) { group in
                    for _ in 1...2 { group.addTask { try await send(client, options, Self.header(file), [file]) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(answers[0] == answers[1])
                let again = try await send(client, options, Self.header(file, offset: file.count), [])
                #expect(again == answers[0] && again.accepted + again.duplicates == 900)
                #expect(try await client.getStatistics(.init(), options: options).transactions == 900)
            }
        }
    }

    @Test func theFirstFaultsAreToldInTheFilesOrderWithTheRecordsOwnNameAndNobodysIdentifier() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let mapping = Self.mapping.replacing("}}", with: "}, bank_id: bank, account_id: account}")
                func row(_ id: Int, bank: String = ScoringPath.bank, sum: String, account: String = "") -> String {
                    "x-\(id),\(bank),2026-02-01T10:00:00Z,customer,\(sum),\(account)\n"
                }
                var text = "id,bank,at,who,sum,account\n" + row(1, sum: "1", account: "GB83WEST12345698765432") + row(2, bank: "other", sum: "1")
                // Told at once, and told only once they were to be stored: other content under a name that is used.
                for number in 3...150 { text += number % 2 == 0 ? row(0, sum: "\(number)") : row(number, sum: "much") }
                let file = Array(text.utf8)
                let done = try await send(client, options, Self.header(file, mapping: mapping), [file])
                #expect(done.state == .done && done.accepted == 1 && done.rejected == 149)
                let told = done.rejectedRows
                #expect(told.map(\.row) == [1, 2, 3] + Array(5...101))
                #expect(told.map(\.id) == told.map { $0.row > 3 && $0.row % 2 == 0 ? "x-0" : "x-\($0.row)" })
                #expect(told[0].column == "account" && told[0].value == "****32")
                #expect(told[1].column == "bank" && told[1].value == "other")
                #expect(told[4].field == "transaction.key.transaction_id" && told[4].column == "id" && told[4].value == "x-0")
            }
        }
    }

    @Test func whatIsNotTheFileItSaysIsRefused() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Self.file(rows: 5)
                var forged = file
                forged[30] ^= 1
                func refusal(_ header: IngestionV1.FileHeader, _ pieces: [[UInt8]]) async -> RPCError? {
                    await #expect(throws: RPCError.self) { try await send(client, options, header, pieces) }
                }
                #expect(await refusal(Self.header(file), [forged])?.message.contains("content_sha256") == true)
                let state = await #expect(throws: RPCError.self) {
                    try await client.getFileImport(.init(contentSha256: Self.header(file).contentSha256), options: options)
                }
                #expect(state?.code == .notFound, "a forged file is not kept")
                var short = Self.header(file)
                short.contentSha256 = [1, 2]
                #expect(await refusal(short, [])?.code == .invalidArgument)
                let unhashed = await #expect(throws: RPCError.self) { try await client.getFileImport(.init(), options: options) }
                #expect(unhashed?.fieldViolations.map(\.description) == ["is missing"])
                let mistyped = await refusal(Self.header(file, mapping: "simulated-transaction"), [file])
                #expect(mistyped?.message.contains("there is no mapping simulated-transaction; did you mean `simulated-transactions`?") == true)
                #expect(await refusal(Self.header(file, mapping: "/etc/passwd"), [file])?.message.contains("shipped are") == true)
                #expect(await refusal(Self.header(file, mapping: "record: transactions\nfields: {amount: a}"), [file])?.code == .invalidArgument)
                #expect(await refusal(Self.header(file), [[]])?.code == .invalidArgument)
                let tooMuch = await refusal(Self.header(file), [file + [1]])
                #expect(tooMuch?.code == .invalidArgument && tooMuch?.message.contains("size_bytes") == true)
            }
            try await path.asBank(scopes: ["labels:write"]) { client, options in
                let file = Self.file(rows: 6)
                let error = await #expect(throws: RPCError.self) { try await send(client, options, Self.header(file), [file]) }
                #expect(error?.code == .permissionDenied)
                let state = await #expect(throws: RPCError.self) {
                    try await client.getFileImport(.init(contentSha256: Self.header(file).contentSha256), options: options)
                }
                #expect(state?.code == .notFound, "what may not be sent is not begun")
            }
        }
    }

    @Test func aFileThatIsNoneSaysWhyAndStoresNothing() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Array("a,b\n1,2\n".utf8)
                let answer = try await send(client, options, Self.header(file), [file])
                #expect(answer.state == .failed && answer.rows == 0)
                #expect(answer.error.contains("payments.csv") && answer.error.contains("id"))
            }
        }
    }

    @Test func whatNamesSomebodyInAWrongColumnIsNeitherKeptNorTold() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let mapping = """
                    record: transactions
                    fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: ccy, channel: way, merchant_category_code: mcc}
                    """
                let raw = ["4111111111111111", "DE89370400440532013000", "asha@example.in", "Asha Rao", "98765 43210"]
                var text = "id,at,who,sum,ccy,way,mcc\n"
                for (number, value) in raw.enumerated() {
                    let plain = ["f-\(number)", "2026-02-01T10:00:00Z", "c", "much", "INR", "pos", "5411"]
                    for column in [1, 3, 4, 5, 6] {
                        var row = plain
                        row[column] = value
                        text += row.joined(separator: ",") + "\n"
                    }
                }
                let file = Array(text.utf8)
                let answer = try await send(client, options, Self.header(file, mapping: mapping), [file])
                #expect(answer.state == .done && answer.rejected == 25 && answer.rejectedRows.count > 25)
                #expect(answer.rejectedRows.contains { $0.value == "much" } && answer.rejectedRows.contains { $0.value == "****ao" })
                let told = try await client.getFileImport(.init(contentSha256: Self.header(file).contentSha256), options: options)
                #expect(told == answer)
                let kept = try await withPostgresPool(path.gateway.runtime.configuration.database, logger: testLogger) { pool in
                    try await pool.query("SELECT result FROM files").decode([UInt8].self)
                }
                #expect(kept.count == 1)
                for value in raw {
                    #expect(!answer.rejectedRows.contains { "\($0)".contains(value) })
                    #expect(kept[0].firstRange(of: Array(value.utf8)) == nil)
                }
            }
        }
    }

    @Test func aFileUnderACorrectedMappingOrAsAnotherKindBeginsAnewAtOnce() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Self.file(rows: 9)
                let hash = Self.header(file).contentSha256
                let wrong = Self.mapping.replacing("who", with: "whom")
                #expect(try await send(client, options, Self.header(file, mapping: wrong), [file]).state == .failed)
                let done = try await send(client, options, Self.header(file), [file])
                #expect(done.state == .done && done.accepted == 9)
                let again = try await send(client, options, Self.header(file), [file])
                #expect(again == done, "sent twice, it is answered as the first time")
                // Who only asks on with another mapping learns that nothing is kept.
                let labels = """
                    record: labels
                    fields: {transaction_id: id, known_at: at, is_fraud: {constant: "true"}, source: {constant: desk}}
                    """
                let begun = try await send(client, options, Self.header(file, offset: file.count, mapping: labels), [])
                #expect(begun.state == .receiving && begun.receivedBytes == 0)
                let state = try await client.getFileImport(.init(contentSha256: hash), options: options)
                #expect(state == begun)
                let labelled = try await send(client, options, Self.header(file, mapping: labels), [file])
                #expect(labelled.state == .done && labelled.accepted == 9)
            }
        }
    }

    @Test func aFileUnderWayKeepsItsPiecesUnderAnotherMappingAndDropsThemForAnotherSize() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                let file = Self.file(rows: 9)
                var longer = Self.header(file)
                longer.sizeBytes += 100
                let waiting = try await send(client, options, longer, [file])
                #expect(waiting.state == .receiving && waiting.receivedBytes == UInt64(file.count))
                let half = file.count / 2
                let anew = try await send(client, options, Self.header(file, mapping: Self.mapping.replacing("who", with: "whom")), [Array(file[..<half])])
                #expect(anew.state == .receiving && anew.receivedBytes == UInt64(half))
                // From the beginning: what is kept is passed over, also where a piece is kept in part.
                let done = try await send(client, options, Self.header(file), [Array(file[..<10]), Array(file[10..<(half + 3)]), Array(file[(half + 3)...])])
                #expect(done.state == .done && done.accepted == 9)
            }
        }
    }

    @Test func aLabelKnownBeforeItsTransactionWasMadeIsRefusedOnEveryWayIn() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank { client, options in
                _ = try await send(client, options, Self.header(Self.file(rows: 3)), [Self.file(rows: 3)])
                func label(_ id: String, _ knownAt: String) throws -> RecordsV1.Label {
                    let time = try #require(Timestamp(iso8601: knownAt))
                    return .init(key: .init(transactionID: id), isFraud: true, knownAt: .init(time), source: "desk")
                }
                let early = try label("f-1", "2026-02-01T09:59:59Z")
                let refused = await #expect(throws: RPCError.self) { try await client.submitLabel(.init(label: early), options: options) }
                #expect(refused?.code == .invalidArgument && refused?.message.contains("label.known_at") == true)
                let records = [early, try label("f-2", "2026-02-03T00:00:00Z"), try label("not here", "2026-02-01T00:00:00Z")]
                let answers = try await client.importRecords(options: options) { writer in
                    for (index, label) in records.enumerated() { try await writer.write(.init(sequence: UInt64(index), record: .label(label))) }
                } read: { responses in
                    var outcomes: [UInt64: IngestionV1.ImportRecordsResponse] = [:]
                    for try await response in responses { outcomes[response.sequence] = response }
                    return outcomes
                }
                #expect(answers.mapValues(\.outcome) == [0: .rejected, 1: .accepted, 2: .accepted])
                #expect(answers.mapValues(\.isOfUnknownTransaction) == [0: false, 1: false, 2: true])
                let lost = try await client.submitLabel(.init(label: label("nowhere", "2026-02-01T00:00:00Z")), options: options)
                #expect(lost.outcome == .accepted && lost.isOfUnknownTransaction)
                let mapping = """
                    record: labels
                    fields: {transaction_id: id, known_at: at, is_fraud: {constant: "true"}, source: {constant: desk}}
                    """
                let file = Array("id,at\nf-1,2026-02-01T00:00:00Z\nf-3,2026-02-09T00:00:00Z\nF-3,2026-02-09T00:00:00Z\n".utf8)
                let done = try await send(client, options, Self.header(file, mapping: mapping), [file])
                let fault = IngestionV1.RejectedRow(
                    row: 1, field: "label.known_at", value: "2026-02-01T00:00:00Z", reason: "is a day or more before the transaction's event_time",
                    id: "f-1", column: "at")
                #expect(done.accepted == 2 && done.ofUnknownTransactions == 1 && done.rejected == 1 && done.rejectedRows == [fault])
            }
        }
    }
}
