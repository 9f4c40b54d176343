/// A bundle in a page for people: what it is for, what it learnt from, how good it is, where it falls short.
///
/// Sections as in Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. It is made from the manifest alone, so that it cannot
/// say anything else.
public struct ModelCard: Sendable {
    private let manifest: BundleManifest

    public init(_ manifest: BundleManifest) { self.manifest = manifest }

    public var markdown: String {
        [head, data, quality, decisions, signals, districts, features, limits].compactMap { $0 }.joined(separator: "\n\n") + "\n"
    }

    private var head: String {
        """
        # \(manifest.version)

        A \(manifest.kind) classifier: the probability that a payment is fraud, from what was known when it was made. Made \
        \(manifest.createdAt) by \(manifest.training.trainer).

        Meant for ranking payments for review and for stopping them with a person able to overrule. Not meant for judging people.
        """
    }

    private var data: String {
        let training = manifest.training
        return """
            ## What it learnt from

            | | |
            | --- | --- |
            | source | \(Self.cell(training.source)) |
            | payments | \(training.rows), of them \(training.frauds) fraud |
            | made | \(training.from) to \(training.to) |
            | currencies | \(training.currencies?.joined(separator: ", ") ?? "not recorded"); amounts count as numbers, so in no other |
            | labels settle after | \(manifest.features.labelDelaySeconds / 86_400) days |
            | features | \(manifest.features.list.count), \(manifest.features.name) \(manifest.features.version) |
            | data, SHA-256 | \(training.dataSHA256) |
            | rounds, seed | \(training.rounds), \(training.seed) |
            """
    }

    private var quality: String {
        var lines = ["## How good it is", "", "| measure | value |", "| --- | --- |"]
        for (name, value) in manifest.metrics.sorted(by: { $0.key < $1.key }) {
            lines.append("| \(name.replacing("_", with: " ")) | \(Self.number(value)) |")
        }
        let isHeldOut = manifest.metrics.keys.contains { $0.hasPrefix("held_out") }
        lines += ["", isHeldOut ? "Held out: each payment was scored by a part of the model that never saw its customer."
            : "Measured on the training payments themselves, so better than it will be: there was one part only."]
        return lines.joined(separator: "\n")
    }

    private var decisions: String {
        let thresholds = manifest.thresholds
        var text = """
            ## What its scores mean

            A score is a calibrated probability. Review from \(Self.number(thresholds.review)), fraud from \(Self.number(thresholds.fraud)).
            """
        if let conformal = manifest.conformal {
            text += """
                 Prediction sets hold the truth for \(Self.number(conformal.coverage)) of genuine payments and of frauds alike: fraud \
                is in the set from \(Self.number(conformal.fraudFrom)), genuine up to \(Self.number(conformal.genuineUpTo)). The former \
                rests on \(conformal.frauds) frauds held out, the latter on \(Self.genuine(conformal)).
                """
        }
        return text
    }

    private static func genuine(_ conformal: ConformalThresholds) -> String {
        conformal.isGenuineUnlabelled == true
            ? "the \(conformal.genuine) newest payments, whose labels are not known yet, each counted by the probability that it is genuine"
            : "\(conformal.genuine) genuine payments held out"
    }

    /// Nil for a model of the classifier alone.
    private var signals: String? {
        guard let ensemble = manifest.ensemble else { return nil }
        let lines = [
            "## What goes into a score", "",
            """
            The classifier's calibrated log-odds, and for each signal its weight times how far it lies above its mean in training. A signal \
            that is not at hand takes no part.
            """, "", "| signal | weight | mean in training |", "| --- | ---: | ---: |",
        ]
        return (lines + ensemble.parts.map { "| \($0.signal.rawValue) | \(Self.number($0.weight)) | \(Self.number($0.centre)) |" })
            .joined(separator: "\n")
    }

    /// Nil where homes were not known.
    private var districts: String? {
        guard let districts = manifest.districts, !districts.isEmpty else { return nil }
        var lines = [
            "## Fairness by district", "",
            "By the customers' homes, in cells of a tenth of a degree. False alarms: genuine payments labelled review or fraud.", "",
            "| district | payments | frauds | found | false alarms | mean score |", "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for district in districts {
            let found = district.frauds == 0 ? "–" : Self.number(Double(district.found) / Double(district.frauds))
            let genuine = max(1, district.payments - district.frauds)
            lines.append(
                """
                | \(district.name) | \(district.payments) | \(district.frauds) | \(found) \
                | \(Self.number(Double(district.falseAlarms) / Double(genuine))) | \(Self.number(district.meanScore)) |
                """)
        }
        return lines.joined(separator: "\n")
    }

    private var features: String {
        (["## What it looks at", "", "| feature | what it is |", "| --- | --- |"]
            + manifest.features.list.map { "| \($0.name) | \(Self.cell($0.description)) |" }).joined(separator: "\n")
    }

    private var limits: String {
        """
        ## Where it falls short

        It knows only the kinds of fraud that its labels show, and learns of a new kind after labels have arrived. Scores of customers and \
        terminals without history rest on the amount and the hour. Watch the drift of its features (PSI) and the observed coverage of its \
        sets; train again when they move.

        This page is written from manifest.json. A signature covers the manifest and through it the model, not this page.
        """
    }

    /// Four decimals.
    private static func number(_ value: Double) -> String {
        let scaled = Int64((value * 10_000).rounded())
        let digits = String(scaled.magnitude % 10_000)
        return (scaled < 0 ? "-" : "") + "\(scaled.magnitude / 10_000)." + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|").replacing("\n", with: " ") }
}

/// How a model treats one district, on held-out scores.
public struct DistrictRecord: Sendable, Hashable, Codable {
    public var name: String
    public var payments: Int
    public var frauds: Int
    /// Frauds labelled review or fraud.
    public var found: Int
    /// Genuine payments labelled review or fraud.
    public var falseAlarms: Int
    public var meanScore: Double

    public init(name: String, payments: Int = 0, frauds: Int = 0, found: Int = 0, falseAlarms: Int = 0, meanScore: Double = 0) {
        self.name = name
        self.payments = payments
        self.frauds = frauds
        self.found = found
        self.falseAlarms = falseAlarms
        self.meanScore = meanScore
    }
}
