import Foundation
import ServiceRuntime

/// What the ingestion gateway reads from its environment beside the shared variables.
struct IngestionGatewayConfiguration: Sendable {
    let tokens: KeyedTokens?
    /// How long the feature store and the model server may take together before a transaction is answered PENDING.
    let decisionTimeoutSeconds: Double
    let limits: IntakeLimits

    init(from reader: ConfigurationReader) {
        let name = "VIGIL_INGESTION_TOKEN_KEY_FILE"
        let file = reader.requiredFile(name, "key for the tokens of customers, accounts, cards and devices: 64 hexadecimal digits")
        let text = file.isEmpty ? nil : try? String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        tokens = text.flatMap(KeyedTokens.init(hexadecimal:))
        if text != nil, tokens == nil { reader.fail(name, "does not hold 64 hexadecimal digits") }
        decisionTimeoutSeconds = reader.double(
            "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS", default: 2, in: 0.01...60, "after which a transaction is answered PENDING")
        limits = IntakeLimits(
            maxBatchItems: reader.int("VIGIL_INGESTION_MAX_BATCH", default: 500, in: 1...1_000, "transactions in one commit at most"),
            maxQueuedItems: reader.int(
                "VIGIL_INGESTION_MAX_QUEUED", default: 20_000, in: 1...1_000_000, "transactions that wait for a commit at most"),
            maxInFlightPerStream: reader.int(
                "VIGIL_INGESTION_MAX_IN_FLIGHT", default: 2_000, in: 1...100_000, "unanswered messages of one stream at most"))
    }
}

struct IntakeLimits: Sendable {
    var maxBatchItems = 500
    var maxQueuedItems = 20_000
    var maxInFlightPerStream = 2_000
}
