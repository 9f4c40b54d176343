import Features
import Foundation
import Records
import SeededRandom

/// Rows in which several features and their interplay matter, one value in fifty missing.
struct Rows {
    let values: [Float]
    let labels: [Float]

    init(count: Int, features: Int, using random: inout SplitMix64) {
        var values: [Float] = []
        var labels: [Float] = []
        for _ in 0..<count {
            var row = (0..<features).map { _ in Float.random(in: 0..<1, using: &random) }
            let signal = row[0] + row[1] * row[2] + (row[3] > 0.7 ? row[4] : 0) - row[5] + sin(row[6] * 6) * row[7]
            labels.append(signal + Float.random(in: -0.6...0.6, using: &random) > 0.8 ? 1 : 0)
            for index in row.indices where Int.random(in: 0..<50, using: &random) == 0 { row[index] = .nan }
            values += row
        }
        self.values = values
        self.labels = labels
    }
}

extension [Float] {
    /// The first `first` rows of `size` values.
    func chunked(by size: Int, first: Int) -> [[Float]] { (0..<first).map { Array(self[$0 * size..<($0 + 1) * size]) } }
}

/// A bank's payments: some cards stolen, some terminals tampered with, all labels a week late.
struct Payments {
    private(set) var transactions: [Transaction] = []
    private var isFraud: [Bool] = []

    init(count: Int, customers: Int, terminals: Int, days: Int) {
        var random = SplitMix64(seed: 11)
        let start = Timestamp(seconds: 1_735_689_600)
        let span = Int64(days) * Timestamp.microsecondsPerDay
        let times = (0..<count).map { _ in Int64.random(in: 0..<span, using: &random) }.sorted()
        for (index, time) in times.enumerated() {
            let customer = Int.random(in: 0..<customers, using: &random)
            let terminal = (customer + Int.random(in: 0..<40, using: &random) * 7) % terminals
            let stolen = (customer + Int(time / Timestamp.microsecondsPerDay / 14)) % 50 == 0 && Int.random(in: 0..<3, using: &random) == 0
            let tampered = (terminal + Int(time / Timestamp.microsecondsPerDay / 28)) % 200 == 0
            let usual = Double(5 + customer % 95)
            let cents = Int64(Double.random(in: 0.2...1.8, using: &random) * usual * (stolen ? 500 : 100))
            transactions.append(
                Transaction(
                    key: TransactionKey(bankID: "bench", transactionID: "\(index)"),
                    eventTime: Timestamp(microseconds: start.microseconds + time), customerID: "c\(customer)", terminalID: "t\(terminal)",
                    amount: Money(minorUnits: cents, currency: .eur)))
            isFraud.append(stolen || tampered)
        }
    }

    /// Of the first `count` payments.
    func labels(before count: Int) -> [Label] {
        zip(transactions, isFraud).prefix(count).map {
            Label(key: $0.key, isFraud: $1, knownAt: $0.eventTime + .days(7), source: "chargeback")
        }
    }
}
