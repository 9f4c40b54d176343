import Contracts
import Crypto
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

@Suite(.serialized) struct IntakeMetricsTests {
    @Test func metricsTellWhatBecameOfWhatCame() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            try await path.asBank { client, options in
                let payments = ["t-1": payment("t-1"), "t-2": payment("t-2")]
                for id in ["t-1", "t-2", "t-1"] { _ = try await client.submitTransaction(.init(transaction: payments[id]), options: options) }
                await #expect(throws: RPCError.self) {
                    try await client.submitTransaction(.init(transaction: payment("t-1", minorUnits: 99)), options: options)
                }
                await #expect(throws: RPCError.self) { try await client.submitTransaction(.init(), options: options) }
                _ = try await client.submitLabel(.init(label: label("t-1")), options: options)
                await #expect(throws: RPCError.self) { try await client.submitComplaint(.init(), options: options) }
                try await importFile(of: 3, client, options)
            }
            let metrics = try await metrics(of: path.gateway)
            let expected = [
                "vigil_ingestion_records_total{kind=\"transaction\",outcome=\"accepted\"} 5",
                "vigil_ingestion_records_total{kind=\"transaction\",outcome=\"duplicate\"} 1",
                "vigil_ingestion_records_total{kind=\"transaction\",outcome=\"conflict\"} 1",
                "vigil_ingestion_records_total{kind=\"transaction\",outcome=\"invalid\"} 1",
                "vigil_ingestion_records_total{kind=\"label\",outcome=\"accepted\"} 1",
                "vigil_ingestion_records_total{kind=\"complaint\",outcome=\"invalid\"} 1",
                "vigil_ingestion_records_total{kind=\"complaint\",outcome=\"overloaded\"} 0",
                "vigil_ingestion_decisions_total{state=\"pending\"} 6",
                "vigil_ingestion_decisions_total{state=\"decided\"} 0",
                "vigil_ingestion_file_rows_total{kind=\"transaction\",outcome=\"accepted\"} 3",
                "vigil_ingestion_file_rows_total{kind=\"transaction\",outcome=\"rejected\"} 1",
                "vigil_ingestion_waiting{queue=\"transactions\"} 0.0",
                "vigil_ingestion_commit_rows_sum{queue=\"records\"} 1.0",
                "vigil_ingestion_commit_seconds_count{queue=\"records\"} 1",
            ]
            for line in expected { #expect(metrics.contains("\n\(line)\n"), "\(line)") }
            everyFamilyHasHelp(metrics)
        }
    }

    @Test func everySeriesIsDescribedAndWhatCountsIsACounter() async throws {
        try await ScoringPath.run { path in
            let clock = ContinuousClock()
            let end = clock.now + .seconds(30)
            var store = ""
            while !store.contains("vigil_behaviour_refused_payments"), clock.now < end {
                store = try await metrics(of: path.store)
            }
            #expect(store.contains("\n# TYPE vigil_behaviour_refused_payments_total counter\n"))
            everyFamilyHasHelp(store)
            everyFamilyHasHelp(try await metrics(of: path.models))
        }
    }

    @Test func eachKindCountsAgainstTheBanksQuota() async throws {
        let quota = [
            "VIGIL_INGESTION_QUOTA_PER_SECOND": "0.001", "VIGIL_INGESTION_QUOTA_BURST": "1", "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0",
        ]
        try await ScoringPath.run(quota) { path in
            try await path.asBank { client, options in
                _ = try await client.submitTransaction(.init(transaction: payment("t-1")), options: options)
                let refusals = [
                    await #expect(throws: RPCError.self) { try await client.submitLabel(.init(label: label("t-1")), options: options) },
                    await #expect(throws: RPCError.self) {
                        try await client.submitTransaction(.init(transaction: payment("t-2")), options: options)
                    },
                ]
                for refusal in refusals {
                    #expect(refusal?.code == .resourceExhausted)
                    #expect(refusal?.retryDelay != nil)
                }
            }
            let metrics = try await metrics(of: path.gateway)
            for kind in ["transaction", "label"] {
                #expect(metrics.contains("\nvigil_ingestion_over_quota_total{kind=\"\(kind)\",effect=\"refused\"} 1\n"))
            }
        }
    }

    private func label(_ id: String) -> RecordsV1.Label {
        .init(key: .init(transactionID: id), isFraud: true, knownAt: .init(Timestamp.now()), source: "chargeback")
    }

    private func importFile(of rows: Int, _ client: IngestionV1.IngestionService.Client, _ options: CallOptions) async throws {
        let mapping = """
            record: transactions
            fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: INR}}
            """
        let lines = (1...rows).map { "f-\($0),2026-02-01T10:00:00Z,customer,12.50" } + ["f-0,2026-02-01T10:00:00Z,customer,much"]
        let file = Array("id,at,who,sum\n\(lines.joined(separator: "\n"))\n".utf8)
        let answer = try await client.importFile(options: options) { writer in
            try await writer.write(
                .init(part: .header(.init(contentSha256: Array(SHA256.hash(data: file)), sizeBytes: UInt64(file.count), mapping: mapping))))
            try await writer.write(.init(part: .chunk(file)))
        }
        #expect(answer.state == .done)
    }

    private func metrics(of service: TestService) async throws -> String {
        try await service.withChannel(as: .peer(ServiceName.operator)) { channel in
            String(decoding: try await channel.http(HTTPRequest(path: "/metrics")).bytes, as: UTF8.self)
        }
    }

    private func everyFamilyHasHelp(_ metrics: String) {
        let lines = metrics.split(separator: "\n")
        let described = Set(lines.filter { $0.hasPrefix("# HELP ") }.map { $0.split(separator: " ")[2] })
        for line in lines where line.hasPrefix("# TYPE ") { #expect(described.contains(line.split(separator: " ")[2]), "\(line)") }
    }
}
