import ArgumentParser
import Datasets
import Features
import Foundation
import Models
import Records
import Training

/// `vigil predict`
struct PredictCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Score a file of payments with a bundle, without any server.",
        discussion: """
            Features come from the history that is given, and from the input itself as it goes on. Without --history everybody is new:

              vigil predict --input new_transactions.csv --output scored.csv \\
                  --bundle bundle --history transactions.csv.gz

            A score is made of several signals: the classifier, how unlike themselves the account and the terminal behave, and, with
            --complaints, the risk of the place. Each signal's share in it, in log-odds, is written along, and what cannot be ruled out at the
            bundle's coverage. The label goes by the score: review and fraud begin at the bundle's thresholds. The prediction set goes by \
            coverage, .95 unless trained for another: so often the truth is in the set. With frauds as rare as they are, a score far below the threshold \
            may already rule genuine out, and a payment can be labelled legitimate beside the set {fraud}. An empty set says that the score \
            is unlike both.

            Payments come in the order of their event times, those of one time in the order of their ids, each with its transaction_id.

            The output's name says its form: .json is a JSON list, .ndjson one object a line, anything else CSV.

            \(HistoryOptions.help)
            """)

    @Option(help: ArgumentHelp("Payments to score.", valueName: "file"))
    var input: String

    @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the input and the history.", valueName: "name|file"))
    var mapping = "handbook-transactions"

    @Option(help: ArgumentHelp("Payments before the input, with their labels where the mapping names them.", valueName: "file"))
    var history: String?

    @OptionGroup var more: LabelAndPlaceOptions

    @Option(help: ArgumentHelp("The bundle's folder, as `vigil train` wrote it.", valueName: "dir"))
    var bundle = "bundle"

    @Option(help: ArgumentHelp("Take only bundles signed with one of the P-256 public keys (PEM) in this file.", valueName: "file"))
    var trustedKeys: String?

    @Option(name: [.short, .long], help: ArgumentHelp("Where the scores go.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Reasons for each payment, at most.", valueName: "count"))
    var reasons = 3

    func validate() throws {
        guard (0...20).contains(reasons) else { throw ValidationError("--reasons must be 0 to 20.") }
    }

    func run() throws {
        try OutputPlaces(
            inputs: [input, mapping, history, trustedKeys] + more.inputs, files: ["--output": output, "--rejects": more.rejects]
        ).check()
        let bundle = try loadBundle()
        let set = try featureSet(of: bundle)
        var progress = ProgressLine()
        if trustedKeys == nil { progress.note(Self.unchecked(bundle, at: self.bundle)) }
        let files = try more.files()
        // Of the past, labels matter; what is new may well have none.
        let before = try history.map {
            try files.transactions($0, mapping: mapping, mayLackLabels: more.labels != nil, progress: &progress)
        } ?? []
        let new = try files.transactions(input, mapping: mapping, mayLackLabels: true, progress: &progress)
        let history = try more.history(before + new, files: files, progress: &progress)
        let wanted = Set(new.map(\.transaction.key))
        var scored: [ScoredPayment] = []
        scored.reserveCapacity(new.count)
        var done = 0
        var present = [Bool](repeating: false, count: set.count)
        var places = PlaceRiskByWeek(history)
        var replay = history.replay(set: set)
        replay.run(history.transactions, labels: history.labels) { index, values in
            done += 1
            if done % 4_096 == 0 { progress.show("scoring", fraction: Double(done) / Double(history.transactions.count)) }
            let transaction = history.transactions[index]
            guard wanted.contains(transaction.key) else { return }
            for index in values.indices where !values[index].isNaN { present[index] = true }
            let score = bundle.model.score(
                Array(values), placeRisk: places?.value(of: transaction) ?? .nan, maxReasons: reasons)
            scored.append(ScoredPayment(transaction.key, score))
        }
        try PredictionFile(path: output, version: bundle.version).write(scored)
        progress.end()
        for caution in cautions(bundle, new.map(\.transaction), present: zip(set.names, present).filter(\.1).map(\.0)) {
            progress.note(caution)
        }
        let flagged = scored.reduce(0) { $0 + ($1.label == .fraud ? 1 : 0) }
        progress.note("\(scored.count) payments scored by \(bundle.version), \(flagged) of them flagged as fraud, in \(output)")
        try files.finish()
    }

    /// A feature that fewer of the training payments had is not missed.
    private static let leastTrainingShare = 0.5
    private static let maxToldFeatures = 5

    /// What makes the scores say less than they seem to.
    /// - Parameter present: names of features that at least one payment has.
    private func cautions(_ loaded: ModelBundle, _ payments: [Transaction], present: [String]) -> [String] {
        let manifest = loaded.manifest
        var cautions: [String] = []
        let here = Set(present)
        let missing = payments.isEmpty ? [] : (manifest.reference ?? []).filter {
            !here.contains($0.name) && 1 - ($0.shares.last ?? 0) >= Self.leastTrainingShare
        }.map(\.name)
        if !missing.isEmpty {
            let named = missing.prefix(Self.maxToldFeatures).joined(separator: ", ") + (missing.count > Self.maxToldFeatures ? ", …" : "")
            let help = missing.contains("distance_km") ? "; places come by --customers and --terminals" : ""
            cautions.append("no payment has a value for \(missing.count) of the features that the bundle learned from: \(named)\(help)")
        }
        if let known = manifest.training.currencies {
            let others = Set(payments.map(\.amount.currency.code)).subtracting(known).sorted()
            if !others.isEmpty {
                let count = payments.count { others.contains($0.amount.currency.code) }
                cautions.append(
                    "\(count) payments are in \(others.joined(separator: ", ")), which the bundle never saw: it learned from "
                        + "\(known.joined(separator: ", ")), and amounts count as numbers")
            }
        }
        if !loaded.hasOwnCard(inFolder: bundle) {
            cautions.append(
                "\(bundle)/\(ModelBundle.cardName) is not what this release writes from the manifest: it was changed, or is another release's; "
                    + "no signature covers it")
        }
        return cautions
    }

    private func featureSet(of loaded: ModelBundle) throws -> FeatureSet {
        do {
            return try loaded.featureSet()
        } catch {
            throw PlaceFault(description: "\(bundle)/\(ModelBundle.manifestName): \(error)")
        }
    }

    /// What nobody checked about who made a bundle.
    static func unchecked(_ bundle: ModelBundle, at path: String) -> String {
        bundle.isSigned
            ? "the bundle \(path) is signed, but no keys are given to check its signature by; see --trusted-keys"
            : "the bundle \(path) is not signed: nothing says who made it; see vigil train --sign-with, and --trusted-keys to refuse such"
    }

    private func loadBundle() throws -> ModelBundle {
        let loaded = try ModelBundle(directory: bundle)
        guard let trustedKeys else { return loaded }
        do {
            try loaded.requireSignature(byKeysIn: try OptionFile.text(trustedKeys, for: "--trusted-keys"))
        } catch let error as BundleError {
            throw PlaceFault(description: "the bundle \(bundle), by the keys in \(trustedKeys): \(error)")
        }
        return loaded
    }
}

/// One line of the output.
struct ScoredPayment: Encodable {
    struct Reason: Encodable {
        var feature: String
        var text: String
        /// Null where it is not known.
        var value: Double?
        var contribution: Double

        /// What has no value is null, not left out.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(feature, forKey: .feature)
            try container.encode(text, forKey: .text)
            try container.encode(value, forKey: .value)
            try container.encode(contribution, forKey: .contribution)
        }

        private enum CodingKeys: CodingKey {
            case feature, text, value, contribution
        }
    }

    /// What a signal has to do with the score.
    struct Part: Encodable {
        var signal: String
        /// Null where it was not at hand.
        var value: Double?
        var contribution: Double

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(signal, forKey: .signal)
            try container.encode(value, forKey: .value)
            try container.encode(contribution, forKey: .contribution)
        }

        private enum CodingKeys: CodingKey {
            case signal, value, contribution
        }
    }

    var transactionID: String
    var riskScore: Double
    var label: Decision.Label
    var reasons: [Reason]
    var parts: [Part]
    /// Nil where the bundle states no coverage.
    var predictionSet: [String]?
    var modelVersion = ""

    init(_ key: TransactionKey, _ score: FraudScore) {
        transactionID = key.transactionID
        riskScore = score.riskScore
        label = score.label
        reasons = score.reasons.map {
            Reason(feature: $0.feature, text: $0.text, value: $0.value.isFinite ? $0.value : nil, contribution: $0.contribution)
        }
        parts = score.parts.map {
            Part(signal: $0.signal, value: $0.value.isFinite ? $0.value : nil, contribution: $0.contribution)
        }
        predictionSet = score.predictionSet.map { [$0.hasGenuine ? "genuine" : nil, $0.hasFraud ? "fraud" : nil].compactMap { $0 } }
    }

    enum CodingKeys: String, CodingKey {
        case transactionID = "transaction_id"
        case riskScore = "risk_score"
        case label, reasons, parts
        case predictionSet = "prediction_set"
        case modelVersion = "model_version"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(transactionID, forKey: .transactionID)
        try container.encode(riskScore, forKey: .riskScore)
        try container.encode(label.rawValue, forKey: .label)
        try container.encode(reasons, forKey: .reasons)
        try container.encode(parts, forKey: .parts)
        try container.encode(predictionSet, forKey: .predictionSet)
        try container.encode(modelVersion, forKey: .modelVersion)
    }
}

/// Writes scores in the form that the file's name asks for.
struct PredictionFile {
    let path: String
    let version: String

    func write(_ payments: [ScoredPayment]) throws {
        let bytes: Data
        switch URL(fileURLWithPath: path).pathExtension.lowercased() {
        case "json": bytes = try json(payments, open: "[\n", between: ",\n", close: "\n]\n")
        case "ndjson", "jsonl": bytes = try json(payments, open: "", between: "\n", close: "\n")
        default: bytes = csv(payments)
        }
        try bytes.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    private func json(_ payments: [ScoredPayment], open: String, between: String, close: String) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var data = Data(open.utf8)
        for (index, payment) in payments.enumerated() {
            if index > 0 { data += Data(between.utf8) }
            var payment = payment
            payment.modelVersion = version
            data += try encoder.encode(payment)
        }
        return data + Data(close.utf8)
    }

    private static func decimals(_ value: Double) -> String { String(format: "%+.4f", value) }

    private func csv(_ payments: [ScoredPayment]) -> Data {
        var csv = CSVWriter(header: ["transaction_id", "risk_score", "label", "reasons", "model_version", "parts", "prediction_set"])
        for payment in payments {
            csv.row([
                payment.transactionID, "\(payment.riskScore)", payment.label.rawValue,
                payment.reasons.map(\.text).joined(separator: "; "), version,
                payment.parts.map { "\($0.signal) \(Self.decimals($0.contribution))" }.joined(separator: "; "),
                payment.predictionSet?.joined(separator: "; ") ?? "",
            ])
        }
        return Data(csv.bytes)
    }
}
