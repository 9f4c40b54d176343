import Contracts
import Postgres
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

/// Gateway, feature store and model server after their database was dumped and restored into another PostgreSQL cluster.
@Suite(.serialized) struct RestoredDatabaseTests {
    /// Decisions come by the logs alone.
    private static let quick = ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]

    private func submit(_ id: String, to path: ScoringPath) async throws {
        let state = try await path.asBank { client, options in
            try await client.submitTransaction(.init(transaction: payment(id)), options: options).decision?.state
        }
        #expect(state == .pending)
    }

    /// Waits for the decision on a payment in the model server's log.
    private func waitForDecision(on id: String, of path: ScoringPath) async throws {
        try await path.models.withChannel(as: .peer("notifier")) { channel in
            let isDecided = try await ModelsV1.ModelService.Client(channel).tailDecisions(.init()) { responses in
                try await responses.contains { $0.decisions.contains { $0.decision?.key?.transactionID == id } }
            }
            #expect(isDecided)
        }
    }

    @Test func paymentsAfterARestoreIntoANewClusterReachTheFollowers() async throws {
        try await TemporaryPostgres.withServer { old in
            try await old.withDatabase { database in
                try await withPostgresPool(database) { pool in
                    // As many as a suite has made after a while.
                    try await pool.execute(
                        "DO $$ BEGIN FOR number IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
                }
                try await ScoringPath.run(Self.quick, database: database) { path in
                    try await path.promoteModel()
                    try await submit("before", to: path)
                    try await waitForDecision(on: "before", of: path)
                }
                try await TemporaryPostgres.withServer { new in
                    try await new.withDatabase { empty in
                        try restore(database, into: empty)
                        try await ScoringPath.run(Self.quick, database: empty) { path in
                            try await submit("after", to: path)
                            try await waitForDecision(on: "after", of: path)
                        }
                    }
                }
            }
        }
    }

    @Test func aPositionThatNoEntryHasIsRefusedByEveryLog() async throws {
        try await ScoringPath.run(Self.quick) { path in
            let position = EventLogV1.LogPosition(transactionID: 1 << 40, sequence: 7)
            let answers = [
                await #expect(throws: RPCError.self) {
                    try await path.gateway.withChannel(as: .peer("feature-store")) { channel in
                        try await IngestionV1.IngestionService.Client(channel).tailEvents(.init(after: position)) { for try await _ in $0 {} }
                    }
                },
                await #expect(throws: RPCError.self) {
                    try await path.store.withChannel(as: .peer("model-server")) { channel in
                        try await FeaturesV1.FeatureStoreService.Client(channel).tailObservations(.init(after: position)) {
                            for try await _ in $0 {}
                        }
                    }
                },
                await #expect(throws: RPCError.self) {
                    try await path.models.withChannel(as: .peer("notifier")) { channel in
                        try await ModelsV1.ModelService.Client(channel).tailDecisions(.init(after: position)) { for try await _ in $0 {} }
                    }
                },
            ]
            #expect(answers.map(\.?.code) == [.outOfRange, .outOfRange, .outOfRange])
        }
    }

    /// Its lag is no number of seconds: nothing but an operator ends it.
    @Test func aStoreThatHasReadMoreThanTheGatewayHasSaysSo() async throws {
        try await TemporaryPostgres.withDatabase { database in
            try await ScoringPath.run(Self.quick, database: database) { _ in }
            try await withPostgresPool(database) { pool in
                try await pool.execute(
                    """
                    INSERT INTO features.log_positions (consumer, transaction_id, sequence) VALUES ('ingestion', '1099511627776', 7)
                    ON CONFLICT (consumer) DO UPDATE SET transaction_id = excluded.transaction_id
                    """)
            }
            try await ScoringPath.run(Self.quick, database: database) { path in
                let metrics = path.store.runtime.metrics
                while !metrics.prometheusText().contains(#"vigil_log_lag_seconds{log="ingestion"} inf"#) {
                    _ = try await path.asOperator { try await $0.getStatistics(.init()) }
                }
            }
        }
    }
}
