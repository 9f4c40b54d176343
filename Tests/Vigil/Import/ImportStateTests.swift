import Datasets
import Foundation
import Testing

@testable import Vigil

/// What later runs know of a source.
@Suite struct ImportStateTests {
    private func key(
        _ url: String = "postgresql://reader@core/bank", query: String = "SELECT 1", watermark: String? = "id",
        mapping: String = "record: customers\nfields: {customer_id: id}", as identity: SuiteConnection.Identity = .bank, home: String = "/home"
    ) throws -> String {
        let source = try SQLSource(url: url, query: query, watermark: watermark)
        return ImportState.key(source, mapping: try Mapping(parsing: mapping, name: "m"), as: identity, home: home)
    }

    @Test func whateverMakesAnImportAnotherOneIsKeptApart() throws {
        let label = "record: labels\nfields: {transaction_id: id, is_fraud: fraud, known_at: at}"
        let keys = [
            try key(), try key("postgresql://reader@core:5433/bank"), try key("postgresql://auditor@core/bank"),
            try key("postgresql://reader@core/other"), try key("postgresql://reader@other/bank"), try key(query: "SELECT 2"),
            try key(watermark: "at"), try key(mapping: label), try key(mapping: "record: customers\nfields: {customer_id: number}"),
            try key(as: .agency), try key(home: "/other"),
        ]
        #expect(Set(keys).count == keys.count)
        #expect(try key("postgresql://reader:secret@core:5432/bank?sslmode=require") == keys[0])
        let url = try #require(URL(string: "https://a.example/x"))
        #expect(WebSource(url: url, paging: nil, records: []).key != WebSource(url: url, paging: .link, records: []).key)
    }

    /// What a release adds to the language of mappings must not make every import begin anew. These are of the release before `only`,
    /// `symbol` and `count`.
    @Test func aMappingThatSaysNothingNewIsKnownFromEarlierReleases() throws {
        let text = """
            record: transactions
            format: {type: ndjson}
            fields:
              transaction_id: id
              event_time: {column: at}
              customer_id: {column: who, prefix: "x-"}
              amount: {column: a, decimal: "."}
              currency: c
              channel: {constant: pos}

            """
        func fingerprint(_ text: String) throws -> String { try Mapping(parsing: text, name: "m").fingerprint }
        #expect(try fingerprint(text) == "6059951f9bdf568088b3b3df756c0db29b824e7f2f0925a1ef1bef323c3b001c")
        let changed = [text.replacing("decimal:", with: "symbol: [x], decimal:"), text + "only: {a: [b]}", text + "except: {a: [b]}", text + "only: {a: [c]}"]
        #expect(try Set(changed.map(fingerprint)).union([fingerprint(text)]).count == 5)
        let xml = "record: customers\nformat: {type: xml, records: P}\nfields: {customer_id: P/A}"
        #expect(try fingerprint(xml) != fingerprint(xml.replacing("records: P", with: "records: P, count: H/N")))
    }

    @Test func aCheckpointOfAnEarlierReleaseIsRead() throws {
        let text = #"{"rows": 3, "acknowledged": 2, "duplicates": 1, "rejected": 0, "empty": 1, "pending": 0, "decided": 0, "resent": 0}"#
        let counts = try JSONDecoder().decode(ImportCounts.self, from: Data(text.utf8))
        #expect(counts.rows == 3 && counts.ofUnknownTransactions == nil)
    }

    @Test func noPasswordIsKept() throws {
        let url = try #require(URL(string: "http://user:se%40cret@a.example/x?at=7:@"))
        let source = WebSource(url: url, paging: nil, records: [])
        #expect(source.key == "http http://user@a.example/x?at=7:@ paging none")
        let path = FileManager.default.temporaryDirectory.appending(path: "vigil-state-\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let earlier = #"{"sources": {"http http://user:secret@a.example/x paging none as labels": {"etag": "1"}}}"#
        try earlier.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try ImportState.read(from: path).sources == ["http http://user@a.example/x paging none as labels": .init(etag: "1")])
        try ImportState.keep(.init(etag: "2"), of: "other", in: path)
        #expect(try !String(contentsOfFile: path, encoding: .utf8).contains("secret"))
    }

    @Test func importsAtTheSameTimeKeepEachTheirs() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "vigil-state-\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await withThrowingTaskGroup { group in
            for number in 0..<40 {
                group.addTask { try ImportState.keep(.init(watermark: "\(number)"), of: "source \(number)", in: path) }
            }
            try await group.waitForAll()
        }
        let kept = try ImportState.read(from: path).sources
        #expect(kept.count == 40 && kept["source 7"]?.watermark == "7")
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
    }
}
