import ArgumentParser
import Contracts
import Foundation
import RPC
import RecordCoding
import Records
import StandardContracts

extension FeaturesCommand {
    /// `vigil features export`
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the running store's observations as a table: point-in-time features and the labels known by a time.",
            discussion: """
                One row for each payment, by event time; with --with-behaviour, or where features had to be computed anew because others were \
                served when the payment was observed, in the order in which payments were observed. First the columns of `vigil preprocess`: \
                id, time and label, here with who said so and when it was known; then the payment, with tokens in place of names; then the \
                features by their names. What is not known is empty in CSV (RFC 4180) and null in NDJSON (an object a line).

                  vigil features export history.csv --known-by 2026-03-01
                  vigil train --transactions history.csv --mapping exported-features

                The file takes its name when it is whole. `vigil train` and `vigil preprocess` compute the features again from the payments, but \
                for distance_km: where customers live is not exported. `vigil train --from-suite` knows it.
                """)

        @Argument(help: ArgumentHelp("The table: a file, or - for the standard output.", valueName: "output"))
        var output: String

        @OptionGroup var span: EventTimeOptions

        @Option(help: ArgumentHelp("Labels known by then, ISO 8601, UTC where it states no zone; all unless given.", valueName: "time"))
        var knownBy: Moment?

        @Flag(help: "Also the behaviour views of the payment's account, counterparty, card, device, merchant, pair and cell.")
        var withBehaviour = false

        @Option(help: "csv or ndjson, never compressed; by the output's name (.csv, .ndjson, .jsonl) unless given, and CSV where that ends in nothing.")
        var format: TableFormat?

        @OptionGroup var stores: FeatureStores

        func validate() throws { _ = try chosenFormat() }

        private func chosenFormat() throws -> TableFormat {
            if let format = format ?? TableFormat(nameOf: output) { return format }
            throw ValidationError("\(output): a table is written as .csv or .ndjson, uncompressed; name it so, or say which with --format.")
        }

        func run() async throws {
            let format = try chosenFormat()
            try OutputPlaces(inputs: [], files: ["OUTPUT": output == "-" ? nil : output]).check()
            let columns = HistoryColumns(try await stores.catalogue(), withBehaviour: withBehaviour)
            let request = FeaturesV1.GetHistoricalFeaturesRequest(
                from: span.first, to: span.end, knownBy: (knownBy?.time).map { .init($0) }, withBehaviour: withBehaviour)
            let count = try await stores.call { store in
                try await store.getHistoricalFeatures(request) { responses in
                    let file = try TableFile(path: output, format: format, columns: columns.names)
                    var progress = ProgressLine()
                    var count = 0
                    for try await response in responses {
                        for row in response.rows { try file.write(try columns.row(row)) }
                        count += response.rows.count
                        progress.show("\(count) rows", fraction: nil)
                    }
                    try file.close()
                    progress.end()
                    return count
                }
            }
            var progress = ProgressLine()
            progress.note("\(count) payments with \(columns.featureCount) features (\(columns.version)) in \(output == "-" ? "the standard output" : output)")
        }
    }
}

/// What a row of the history says, by name.
struct HistoryColumns: Sendable {
    let version: String
    private let features: [String]
    /// Of the behaviour views: those of each of the entities that a payment touches.
    private let behaviours: [(role: Role, views: [String])]

    /// What an entity is to a payment.
    private enum Role: String, CaseIterable {
        case account, counterparty, card, device, merchant, pair, cell

        /// The kind of entity whose views it has.
        var entity: String { self == .counterparty ? Role.account.rawValue : rawValue }

        /// A name that is this role's alone: `account_fan_in_1d` of the one who is paid is `counterparty_account_fan_in_1d`.
        func column(of view: String) -> String { self == .counterparty ? "counterparty_\(view)" : view }

        func isThat(of entity: FeaturesV1.EntityKey.Entity?, in payment: FeaturesV1.Observation) -> Bool {
            switch (self, entity) {
            case (.account, .accountID(let id)): id == payment.accountID
            case (.counterparty, .accountID(let id)): id == payment.counterpartyAccountID
            case (.card, .cardID), (.device, .deviceID), (.merchant, .merchantID), (.pair, .pair), (.cell, .cell): true
            default: false
            }
        }
    }

    init(_ catalogue: Catalogue, withBehaviour: Bool) {
        version = catalogue.version
        features = catalogue.features.map(\.name)
        behaviours =
            withBehaviour
            ? Role.allCases.map { role in (role, (catalogue.behaviours ?? []).filter { $0.entity == role.entity }.map(\.name)) } : []
    }

    /// How many columns are features.
    var featureCount: Int { features.count + behaviours.reduce(0) { $0 + $1.views.count } }

    var names: [String] {
        [
            "transaction_id", "event_time", "is_fraud", "label_known_at", "label_source", "bank_id", "feature_set_version", "customer_id",
            "account_id", "card_id", "terminal_id", "merchant_id", "counterparty_account_id", "device_id", "channel", "payment_amount", "currency",
            "latitude", "longitude", "time_zone",
        ] + features + behaviours.flatMap { role, views in views.map { role.column(of: $0) } }
    }

    /// - Throws: for a row of other features than the names are of.
    func row(_ row: FeaturesV1.HistoricalRow) throws -> [TableCell] {
        guard let payment = row.observation, let key = payment.key, let time = payment.eventTime.flatMap({ Timestamp($0) }) else {
            throw SuiteConnection.Problem(description: "the feature store sent a row without a payment")
        }
        guard payment.featureSetVersion == version, payment.values.count == features.count else {
            throw SuiteConnection.Problem(
                description: "the feature store serves other features now (\(payment.featureSetVersion), not \(version)); begin again")
        }
        let label = row.label
        var cells: [TableCell] = [
            .text(key.transactionID), .time(time), .flag(label?.isFraud), .time(label?.knownAt.flatMap { Timestamp($0) }),
            .text(label?.source ?? ""), .text(key.bankID), .text(payment.featureSetVersion),
        ]
        cells += [
            payment.customerID, payment.accountID, payment.cardID, payment.terminalID, payment.merchantID, payment.counterpartyAccountID,
            payment.deviceID, Channel(payment.channel)?.rawValue ?? "", Self.decimal(payment.amount), payment.amount?.currency ?? "",
        ].map(TableCell.text)
        cells += [payment.location?.latitude ?? .nan, payment.location?.longitude ?? .nan].map(TableCell.number)
        cells.append(.text(payment.timeZone))
        return cells + (payment.values + values(of: row.behaviours, touchedBy: payment)).map(TableCell.number)
    }

    /// An amount in major units, exactly; empty in a currency that nobody knows.
    private static func decimal(_ amount: RecordsV1.Money?) -> String {
        amount.flatMap(Money.init).map { String($0.description.prefix { $0 != " " }) } ?? ""
    }

    private func values(of entities: [FeaturesV1.EntityFeatures], touchedBy payment: FeaturesV1.Observation) -> [Double] {
        behaviours.flatMap { role, views in
            entities.first { role.isThat(of: $0.entity?.entity, in: payment) }?.values ?? Array(repeating: .nan, count: views.count)
        }
    }
}
