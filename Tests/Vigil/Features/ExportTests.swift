import ArgumentParser
import Contracts
import Datasets
import Foundation
import RPC
import RecordCoding
import Records
import StandardContracts
import Testing

@testable import Vigil

@Suite("The table that vigil features export writes")
struct ExportTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-export-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    private let time = Timestamp(CivilTime(year: 2026, month: 3, day: 1)) + .hours(9)
    private let catalogue = Catalogue(
        version: "v1", features: [Self.feature("amount", "transaction"), Self.feature("distance_km", "transaction")],
        behaviours: [Self.feature("account_fan_in_1d", "account"), Self.feature("card_count_1h", "card")])

    private static func feature(_ name: String, _ entity: String) -> Catalogue.Feature {
        .init(name: name, entity: entity, aggregation: "", windowSeconds: 0, delaySeconds: 0, type: "double", owner: "o", description: "d")
    }

    private func row(version: String = "v1") -> FeaturesV1.HistoricalRow {
        let payment = FeaturesV1.Observation(
            key: .init(bankID: "bank", transactionID: "a,\"b\""), eventTime: .init(time),
            amount: .init(minorUnits: 12_305, currency: "INR"), location: .init(latitude: 17.25, longitude: 75.5), customerID: "C",
            channel: .transfer, featureSetVersion: version, values: [123.05, .nan], accountID: "A", counterpartyAccountID: "B",
            timeZone: "Asia/Kolkata")
        return .init(
            observation: payment,
            label: .init(key: payment.key, isFraud: true, knownAt: .init(time + .days(2)), source: "chargeback"),
            behaviours: [
                .init(entity: .init(entity: .accountID("A")), found: true, values: [1]),
                .init(entity: .init(entity: .accountID("B")), found: true, values: [7]),
            ])
    }

    private func write(_ name: String, _ columns: HistoryColumns) throws -> String {
        let path = "\(folder)/\(name)"
        let file = try TableFile(path: path, format: try #require(TableFormat(nameOf: path)), columns: columns.names)
        try file.write(try columns.row(row()))
        try file.close()
        return path
    }

    @Test func `a header names each value, and what is unknown is empty`() throws {
        let text = try String(contentsOfFile: try write("t.csv", HistoryColumns(catalogue, withBehaviour: true)), encoding: .utf8)
        #expect(text == """
            transaction_id,event_time,is_fraud,label_known_at,label_source,bank_id,feature_set_version,customer_id,account_id,card_id,\
            terminal_id,merchant_id,counterparty_account_id,device_id,channel,payment_amount,currency,latitude,longitude,time_zone,amount,distance_km,\
            account_fan_in_1d,counterparty_account_fan_in_1d,card_count_1h
            "a,""b""\",2026-03-01T09:00:00Z,1,2026-03-03T09:00:00Z,chargeback,bank,v1,C,A,,,,B,,transfer,123.05,INR,17.25,75.5,Asia/Kolkata,123.05,,1,7,

            """)
    }

    @Test func `two processes do not write one file, and what one has left is written over`() throws {
        let columns = HistoryColumns(catalogue, withBehaviour: true)
        let path = "\(folder)/one.csv"
        try "what a killed process has left, and it is longer than all that comes".write(toFile: path + ".partial", atomically: true, encoding: .utf8)
        var first: TableFile? = try TableFile(path: path, format: .csv, columns: columns.names)
        #expect(throws: PlaceFault.self) { try TableFile(path: path, format: .csv, columns: columns.names) }
        try first?.write(try columns.row(row()))
        try first?.close()
        let written = try String(contentsOfFile: path, encoding: .utf8)
        #expect(written.hasPrefix("transaction_id,") && written.split(separator: "\n").count == 2)
        first = nil
        #expect(try String(contentsOfFile: write("one.csv", columns), encoding: .utf8) == written)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["one.csv"])
    }

    @Test func `a line of NDJSON is an object with the same names`() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: try write("t.ndjson", HistoryColumns(catalogue, withBehaviour: false))))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(object["transaction_id"] as? String == "a,\"b\"" && object["is_fraud"] as? Bool == true)
        #expect(object["amount"] as? Double == 123.05 && object["distance_km"] is NSNull && object["card_id"] is NSNull)
        #expect(object.count == 22 && data.last == UInt8(ascii: "\n"))
    }

    @Test(arguments: ["t.csv", "t.ndjson"]) func `it can be read as payments with their labels`(_ name: String) throws {
        let path = try write(name, HistoryColumns(catalogue, withBehaviour: false))
        let rows = try Dataset.transactions(file: path, mapping: .load("exported-features"))
        let payment = try #require(rows.first)
        #expect(rows.count == 1)
        #expect(payment.transaction.key == TransactionKey(bankID: "bank", transactionID: "a,\"b\"") && payment.transaction.eventTime == time)
        #expect(payment.transaction.amount == Money(minorUnits: 12_305, currency: .inr) && payment.transaction.channel == .transfer)
        #expect(payment.transaction.counterpartyAccountID == "B" && payment.transaction.cardID == nil)
        // By it night and weekend are told.
        #expect(payment.transaction.timeZone == "Asia/Kolkata")
        #expect(payment.label == Label(key: payment.transaction.key, isFraud: true, knownAt: time + .days(2), source: "chargeback"))
    }

    @Test(arguments: ["h.csv.gz", "h.parquet", "h.json", "h.tsv"]) func `a name that promises another format is refused`(_ name: String) throws {
        let fault = #expect(throws: (any Error).self) { try FeaturesCommand.Export.parse([name]) }
        #expect(fault.map { "\(FeaturesCommand.Export.message(for: $0))".hasPrefix("\(name): a table is written as .csv or .ndjson") } == true)
        #expect(try FeaturesCommand.Export.parse([name, "--format", "csv"]).output == name)
    }

    @Test func `a name says the format, and one without an ending CSV`() {
        #expect(["h.csv", "h", "-", "/dev/stdout", "h.CSV"].map { TableFormat(nameOf: $0) } == Array(repeating: .csv, count: 5))
        #expect(["h.ndjson", "h.jsonl"].map { TableFormat(nameOf: $0) } == [.ndjson, .ndjson])
    }

    @Test func `a table that is not whole leaves what was there, and nothing beside it`() throws {
        let path = "\(folder)/t.csv"
        try Data("before".utf8).write(to: URL(fileURLWithPath: path))
        let columns = HistoryColumns(catalogue, withBehaviour: false)
        do {
            let file = try TableFile(path: path, format: .csv, columns: columns.names)
            try file.write(try columns.row(row()))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["t.csv"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "before")
    }

    @Test func `a row of other features is refused`() {
        #expect(throws: SuiteConnection.Problem.self) { try HistoryColumns(catalogue, withBehaviour: false).row(row(version: "v2")) }
    }
}
