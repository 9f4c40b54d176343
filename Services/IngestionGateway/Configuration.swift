import Foundation
import ServiceRuntime

/// What the ingestion gateway reads from its environment beside the shared variables.
struct IngestionGatewayConfiguration: Sendable {
    let tokens: KeyedTokens?
    /// For raw identifiers.
    let vault: Vault?
    /// Days for which the log is kept at least; nil for ever.
    let retentionDays: Int?
    let quotas: Quotas
    /// How long the feature store and the model server may take together before a transaction is answered PENDING.
    let decisionTimeoutSeconds: Double
    let limits: IntakeLimits
    /// Nil where one feature store keeps everything.
    let featureStoreRing: ReplicaRing?

    init(from reader: ConfigurationReader) {
        let name = "VIGIL_INGESTION_TOKEN_KEY_FILE"
        let file = reader.requiredFile(name, "key for the tokens of customers, accounts, cards and devices: 64 hexadecimal digits")
        let text = file.isEmpty ? nil : try? String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        tokens = text.flatMap(KeyedTokens.init(hexadecimal:))
        if text != nil, tokens == nil { reader.fail(name, "does not hold 64 hexadecimal digits") }
        let derived = tokens?.derivedVault
        let own = Self.vault(from: reader)
        // What was sealed before there was a file stays readable, and is sealed anew as after any other change of keys.
        vault = if let own, let derived { own.opening(derived) } else { own ?? derived }
        let days = reader.int(
            "VIGIL_INGESTION_RETENTION_DAYS", default: 0, in: 0...36_500,
            "days that the log is kept at least, \(PrivacyDatabase.minKeepDays) or more; 0 keeps it for ever")
        if (1..<PrivacyDatabase.minKeepDays).contains(days) {
            reader.fail(
                "VIGIL_INGESTION_RETENTION_DAYS", "is less than \(PrivacyDatabase.minKeepDays): names of transactions are looked up that far back")
        }
        retentionDays = days == 0 ? nil : days
        quotas = Quotas(
            perSecond: reader.double(
                "VIGIL_INGESTION_QUOTA_PER_SECOND", default: 0, in: 0...10_000_000, "transactions and records a second that one bank may send; 0 for any"),
            burst: reader.double(
                "VIGIL_INGESTION_QUOTA_BURST", default: 10_000, in: 1...10_000_000, "transactions and records that one bank may send at once"))
        decisionTimeoutSeconds = reader.double(
            "VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS", default: 2, in: 0...60,
            "after which a transaction is answered PENDING, up to twice that behind a batch that is not decided in time; 0 answers so at once, and "
                + "decisions follow from the logs")
        featureStoreRing = .featureStore(from: reader)
        limits = IntakeLimits(
            maxBatchItems: reader.int("VIGIL_INGESTION_MAX_BATCH", default: 1_000, in: 1...1_000, "transactions decided on at once at most"),
            maxCommitItems: reader.int(
                "VIGIL_INGESTION_MAX_COMMIT", default: 4_000, in: 1...100_000,
                "transactions in one commit at most; where decisions are asked for, no more than are decided on at once"),
            maxQueuedItems: reader.int(
                "VIGIL_INGESTION_MAX_QUEUED", default: 20_000, in: 1...1_000_000,
                "transactions that wait for a commit at most, and records; a bank may have as much of it as is left free, alone half"),
            maxInFlightPerStream: reader.int(
                "VIGIL_INGESTION_MAX_IN_FLIGHT", default: 2_000, in: 1...100_000, "unanswered messages of one stream at most"))
    }
}

extension IngestionGatewayConfiguration {
    private static func vault(from reader: ConfigurationReader) -> Vault? {
        let name = "VIGIL_INGESTION_VAULT_KEYS_FILE"
        guard let file = reader.optionalFile(
            name, "keys for raw identifiers: lines of a name and 64 hexadecimal digits, the active key last; one derived from the token key if none")
        else { return nil }
        let vault = (try? String(contentsOfFile: file, encoding: .utf8)).flatMap(Vault.init(lines:))
        if vault == nil { reader.fail(name, "does not hold lines of a name and 64 hexadecimal digits") }
        return vault
    }
}

struct IntakeLimits: Sendable {
    var maxBatchItems = 1_000
    var maxCommitItems = 4_000
    var maxQueuedItems = 20_000
    var maxInFlightPerStream = 2_000
}
