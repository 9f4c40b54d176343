import Foundation
import Records
import Testing

@testable import Datasets

/// JSON objects that only wrap a list of rows.
@Suite struct JSONEnvelopeTests {
    private func payment(_ number: Int) -> String {
        "{\"id\":\"P\(number)\",\"time\":\"2026-03-01T10:00:00Z\",\"customer\":\"C1\",\"amount\":\"\(number).50\",\"currency\":\"EUR\"}"
    }

    @Test(arguments: [
        ("{\"data\":{\"page\":1,\"items\":[ROWS]}}", "data.items"), ("{\"payments\":[ROWS]}", "payments"),
        ("{\n  \"count\": 3,\n  \"a.b\": {\n    \"c/d\": [\n ROWS\n ]\n  },\n  \"next\": null\n}\n", "\"/a.b/c~1d\""),
    ])
    func anObjectAroundAListIsReadThroughTheList(envelope: String, records: String) throws {
        let rows = (1...3).map(payment).joined(separator: envelope.contains("\n") ? ",\n" : ",")
        try withFile(envelope.replacing("ROWS", with: rows)) { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            #expect(proposal.open == [] && proposal.yaml.contains("format: {records: \(records)}\n"), "\(proposal.yaml)")
            let read = try Dataset.transactions(file: path, mapping: Mapping(parsing: proposal.yaml, name: "proposed"))
            #expect(read.map(\.transaction.key.transactionID) == ["P1", "P2", "P3"])
        }
    }

    @Test func whatIsCutOffOrSpoiltAnywhereIsReadToItsEnd() {
        let whole = Array("{\"a\\\"b\":{\"c\":[1,{}],\"d\":[{\"e\":\"\\\\\"},{\"f\":null},{\"name\":\"a row that is long enough\"}]},\"g\":-1.5e3}\n".utf8)
        func records(_ bytes: [UInt8]) -> [String]? { bytes.withUnsafeBufferPointer { JSONEnvelope.records(in: $0) } }
        #expect(records(whole) == ["a\\\"b", "d"])
        for end in whole.indices {
            _ = records(Array(whole[..<end]))
            for byte in Array("{}[]\":,\\ ".utf8) + [0, 0xFF] {
                var spoilt = whole
                spoilt[end] = byte
                _ = records(spoilt)
            }
        }
    }

    @Test func objectsLineByLineAreRowsThoughTheyHoldLists() throws {
        let items = "[" + (1...9).map { "{\"sku\":\($0),\"quantity\":1}" }.joined(separator: ",") + "]"
        let lines = (1...2).map { payment($0).dropLast() + ",\"items\":\(items)}\n" }.joined()
        let proposal = try proposal(lines)
        #expect(proposal.open == [] && !proposal.yaml.contains("records:") && proposal.rowCount == 2)
    }

    @Test(arguments: ["{\"payments\":[ROW]}", "{\n\"payments\":\n[ROW]\n}\n"])
    func aMappingThatMissesTheListIsToldWhereItIs(envelope: String) throws {
        let mapping = try Mapping(
            parsing: "record: transactions\nfields: {transaction_id: id, event_time: time, customer_id: customer, amount: amount, currency: currency}",
            name: "test")
        try withFile(envelope.replacing("ROW", with: payment(1))) { path in
            guard case .rejected(let rejections)? = try DatasetReader(file: path, mapping: mapping).next()?.outcome else {
                throw CocoaError(.featureUnsupported)
            }
            #expect(rejections[0].reason.contains("has a list at `payments`: name it with `records:`"), "\(rejections[0])")
        }
    }
}
