import Features
import Models
import Records

/// A history with what was known of it at one time.
struct History {
    let history: PaymentHistory
    let asOf: Timestamp
    /// For each transaction.
    let outcomes: [Bool?]

    init(_ history: PaymentHistory, asOf: Timestamp, labelDelay: TimeSpan) {
        self.history = history
        self.asOf = asOf
        outcomes = history.outcomes(knownBy: asOf, labelDelay: labelDelay)
    }

    /// So many days are the newest.
    static let newestSpan = TimeSpan.days(7)

    /// Whether a payment is of the newest days and nobody knows yet what it was.
    func isNewest(_ index: Int) -> Bool {
        let time = history.transactions[index].eventTime
        return outcomes[index] == nil && time < asOf && time >= asOf - Self.newestSpan
    }

    /// Over what was known: payments and labels that came later do not change it.
    var sha256: String { history.sha256(knownBy: asOf) }

    /// All but the warm-up.
    func defaultPeriod(labelDelay: TimeSpan) throws(TrainingError) -> Range<Timestamp> {
        guard let first = history.transactions.first?.eventTime, let last = history.transactions.last?.eventTime else {
            throw TrainingError(.data, "there are no payments")
        }
        let settled = max(first, min(last, asOf - labelDelay))
        return FraudTraining.warm(from: first, until: settled)..<(last + TimeSpan(microseconds: 1))
    }

    /// Runs all payments, with progress.
    func replay(
        with replay: inout FeatureReplay, progress: (TrainingProgress) -> Void, row: (Int, UnsafeBufferPointer<Double>) -> Void
    ) {
        let total = history.transactions.count
        var done = 0
        replay.run(history.transactions, labels: history.labels) { index, values in
            row(index, values)
            done += 1
            if done % 8_192 == 0 || done == total { progress(.features(done: done, total: total)) }
        }
    }
}

/// Which district each row of a table belongs to: the cell of a tenth of a degree in which the payment's customer lives.
struct DistrictTable {
    /// More would make no table that anybody reads.
    static let maxDistricts = 40

    /// For each row; nil where the home is not known.
    private let districts: [String?]

    init(_ history: PaymentHistory, _ table: FeatureTable) {
        let names = history.homes.mapValues { Self.name(of: $0) }
        districts = names.isEmpty ? [] : table.transactionIndices.map { names[history.transactions[$0].customerID] }
    }

    static func name(of home: Coordinate) -> String {
        func tenth(_ degrees: Double, _ positive: String, _ negative: String) -> String {
            let tenths = Int((degrees * 10).rounded(.down))
            return "\(tenths.magnitude / 10).\(tenths.magnitude % 10)°\(tenths < 0 ? negative : positive)"
        }
        return tenth(home.latitude, "N", "S") + " " + tenth(home.longitude, "E", "W")
    }

    /// The largest first; nil where no home is known.
    func records(_ probabilities: [Double], _ isFraud: [Bool], _ thresholds: FraudModel.Thresholds) -> [DistrictRecord]? {
        guard !districts.isEmpty else { return nil }
        var records: [String: DistrictRecord] = [:]
        for (row, name) in districts.enumerated() {
            guard let name else { continue }
            var record = records[name] ?? DistrictRecord(name: name)
            let isFlagged = thresholds.label(probabilities[row]) != .legitimate
            record.payments += 1
            record.frauds += isFraud[row] ? 1 : 0
            record.found += isFraud[row] && isFlagged ? 1 : 0
            record.falseAlarms += !isFraud[row] && isFlagged ? 1 : 0
            record.meanScore += probabilities[row]
            records[name] = record
        }
        let sorted = records.values.sorted { ($1.payments, $0.name) < ($0.payments, $1.name) }.prefix(Self.maxDistricts)
        return sorted.map { record in
            var record = record
            record.meanScore /= Double(record.payments)
            return record
        }
    }
}
