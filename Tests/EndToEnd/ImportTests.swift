import Foundation
import Testing

extension EndToEnd {
    /// Files through the whole suite: what is acknowledged is durable, decided on once, and survives whatever is killed.
    @Suite("Imports")
    struct ImportTests {
        /// A file in the handbook's format: a payment every ten minutes from 50 customers; those over 220 are frauds.
        private struct Handbook {
            let rows: Int
            var badRows: [String] = []

            var csv: String {
                var lines = ["TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO"]
                let format = DateFormatter()
                format.locale = Locale(identifier: "en_US_POSIX")
                format.timeZone = TimeZone(identifier: "UTC")
                format.dateFormat = "yyyy-MM-dd HH:mm:ss"
                let start = Date(timeIntervalSince1970: 1_522_540_800)
                for row in 0..<rows {
                    let isFraud = row % 25 == 7
                    let amount = isFraud ? 230 + row % 60 : 5 + row * 7_919 % 150
                    let time = format.string(from: start + Double(row) * 600)
                    lines.append("\(row),\(time),\(row % 50),\(row % 83),\(amount).\(10 + row % 90),\(isFraud ? 1 : 0),0")
                }
                return (lines + badRows).joined(separator: "\n") + "\n"
            }

            func write(to path: String) throws {
                try csv.write(toFile: path, atomically: true, encoding: .utf8)
            }
        }

        /// Trains a small model on the file and makes it the champion.
        private func promoteModel(trainedOn file: String, in suite: RunningSuite) async throws {
            let bundle = "\(suite.home)/bundle"
            let trained = try await suite.vigil(
                "train", "--transactions", file, "--mapping", "handbook-transactions", "--output", bundle, "--rounds", "20")
            try #require([0, 3].contains(trained.status), "\(trained.errors)")
            let promoted = try await suite.vigil("models", "upload", bundle, "--promote")
            try #require(promoted.status == 0, "\(promoted.errors)")
        }

        private func importTransactions(_ file: String, _ suite: RunningSuite) async throws -> [String: Any] {
            let result = try await suite.vigil(
                "import", "transactions", file, "--mapping", "handbook-transactions", "--format", "json",
                "--rejects", "\(suite.home)/rejects.csv")
            try #require([0, 3].contains(result.status), "\(result.errors)")
            return try result.json()
        }

        /// Asks until the answer is the expected one; the number of questions is the limit. PostgreSQL may be on its way back from a kill.
        private func count(_ table: String, in suite: RunningSuite, becomes expected: Int) async throws -> Int {
            var found = -1
            for _ in 0..<600 where found != expected {
                do {
                    found = Int(try await suite.query("SELECT count(*) FROM \(table), pg_sleep(0.1)")) ?? -1
                } catch is RunningSuite.QueryFailed {
                    _ = try await suite.vigil("status", "--wait-seconds", "90")
                }
            }
            return found
        }

        /// Waits until rows have been added, or for five seconds.
        private func transactionsExceed(_ before: Int, in suite: RunningSuite) async throws {
            for _ in 0..<100 {
                let answer = try? await suite.query("SELECT count(*) FROM ingestion.transactions, pg_sleep(0.05)")
                if let count = answer.flatMap({ Int($0) }), count > before { return }
            }
        }

        @Test(.timeLimit(.minutes(5)))
        func everyRowIsAcknowledgedOrRefusedAndSentAgainItIsADuplicate() async throws {
            try await RunningSuite.with { suite in
                let bad = [
                    "9001,2018-04-02 10:00:00,1,1,-5.00,0,0", "9002,yesterday,1,1,5.00,0,0", "9003,2999-01-01 00:00:00,1,1,5.00,0,0",
                    "9004,2018-04-02 10:00:00,1,1,12.345,0,0", ",2018-04-02 10:00:00,1,1,5.00,0,0",
                ]
                let file = "\(suite.home)/handbook.csv"
                try Handbook(rows: 6_000, badRows: bad).write(to: file)
                try await promoteModel(trainedOn: file, in: suite)

                let first = try await importTransactions(file, suite)
                #expect(first["rows"] as? Int == 6_005)
                #expect(first["rejected"] as? Int == 5)
                #expect(first["acknowledged"] as? Int == 6_000)
                #expect(first["duplicates"] as? Int == 0)
                #expect(try await count("ingestion.transactions", in: suite, becomes: 6_000) == 6_000)
                #expect(try await count("models.decisions", in: suite, becomes: 6_000) == 6_000)
                let rejects = try String(contentsOfFile: "\(suite.home)/rejects.csv", encoding: .utf8)
                // A line names one field of one row, so a row may have several.
                let refused = Set(rejects.split(separator: "\n").dropFirst().map { $0.prefix { $0 != "," } })
                #expect(refused.count == 5, "\(rejects)")
                #expect(rejects.contains("event_time") && rejects.contains("amount") && rejects.contains("transaction_id"))

                let second = try await importTransactions(file, suite)
                #expect(second["duplicates"] as? Int == 6_000)
                #expect(try await suite.query("SELECT count(*) FROM models.decisions") == "6000")
                // Frauds stand out by their amount, so that even a small model finds some; each alert goes out once.
                let alerts = try #require(Int(try await suite.query("SELECT count(*) FROM models.decisions WHERE is_alert")))
                #expect(alerts > 0)
            }
        }

        /// Each feature store keeps a slice; while one is away, its customers' payments wait for it, and nobody else's.
        @Test(.timeLimit(.minutes(5)))
        func severalFeatureStoresObserveEachPaymentOnceThoughOneIsKilled() async throws {
            try await RunningSuite.with(arguments: ["--without-sample", "--feature-stores", "2"]) { suite in
                let file = "\(suite.home)/handbook.csv"
                try Handbook(rows: 8_000).write(to: file)
                async let imported = importTransactions(file, suite)
                for name in ["feature-store-2", "feature-store"] {
                    let before = Int(try await suite.query("SELECT count(*) FROM ingestion.transactions")) ?? 0
                    try await transactionsExceed(before, in: suite)
                    guard let pid = suite.children()[name] else { continue }
                    kill(pid, SIGKILL)
                    try await Program.waitForEnd(of: pid)
                    let status = try await suite.vigil("status", "--wait-seconds", "90")
                    #expect(status.status == 0, "after \(name): \(status.output)")
                }
                #expect(try await imported["acknowledged"] as? Int == 8_000)
                #expect(try await count("features.observations", in: suite, becomes: 8_000) == 8_000)
                #expect(try await suite.query("SELECT count(*) FROM features.replicas WHERE incarnation > 1") == "2")
            }
        }

        @Test(.timeLimit(.minutes(8)))
        func nothingIsLostOrDoubledWhenEachServiceIsKilledInTurn() async throws {
            try await RunningSuite.with { suite in
                let file = "\(suite.home)/handbook.csv"
                try Handbook(rows: 20_000).write(to: file)
                try await promoteModel(trainedOn: file, in: suite)
                async let imported = importTransactions(file, suite)
                let services = ["ingestion-gateway", "feature-store", "model-server", "auth-gateway", "heatmap-tiles", "notifier"]
                for name in services + ["postgres"] {
                    let before = Int(try await suite.query("SELECT count(*) FROM ingestion.transactions")) ?? 0
                    // Something is under way at each kill: wait until rows have been added since the last one.
                    try await transactionsExceed(before, in: suite)
                    guard let pid = suite.children()[name] else { continue }
                    kill(pid, SIGKILL)
                    try await Program.waitForEnd(of: pid)
                    let status = try await suite.vigil("status", "--wait-seconds", "90")
                    #expect(status.status == 0, "after \(name): \(status.output)")
                }
                let result = try await imported
                #expect(result["acknowledged"] as? Int == 20_000)
                #expect(result["rejected"] as? Int == 0)
                #expect(try await count("ingestion.transactions", in: suite, becomes: 20_000) == 20_000)
                #expect(try await count("models.decisions", in: suite, becomes: 20_000) == 20_000)
                #expect(try await count("features.observations", in: suite, becomes: 20_000) == 20_000)
            }
        }
    }
}
