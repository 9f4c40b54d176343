import Features
import Records
import SeededRandom

let start = Timestamp(seconds: 1_522_540_800)  // 2018-04-01T00:00:00Z, a Sunday

func payment(
    _ id: String, at time: Timestamp, cents: Int64 = 1_000, customer: String = "c", terminal: String? = "t"
) -> Transaction {
    Transaction(
        key: TransactionKey(bankID: "b", transactionID: id), eventTime: time, customerID: customer, terminalID: terminal,
        amount: Money(minorUnits: cents, currency: .eur))
}

func label(_ id: String, isFraud: Bool, knownAt: Timestamp) -> Label {
    Label(key: TransactionKey(bankID: "b", transactionID: id), isFraud: isFraud, knownAt: knownAt, source: "test")
}

/// Sixty days of payments with frauds and labels that arrive after one to twelve days.
struct World {
    var transactions: [Transaction] = []
    var labels: [Label] = []

    init(seed: UInt64, count: Int = 4_000, days: Int = 60) {
        var random = SplitMix64(seed: seed)
        var times = (0..<count).map { _ in Int64.random(in: 0..<Int64(days) * 86_400_000_000, using: &random) }
        times.sort()
        for (index, time) in times.enumerated() {
            let isFraud = Int.random(in: 0..<20, using: &random) == 0
            let cents = Int64.random(in: 100...10_000, using: &random) * (isFraud && Bool.random(using: &random) ? 6 : 1)
            let at = Timestamp(microseconds: start.microseconds + time)
            transactions.append(
                payment(
                    "\(index)", at: at, cents: cents, customer: "c\(Int.random(in: 0..<25, using: &random))",
                    terminal: "t\(Int.random(in: 0..<40, using: &random))"))
            if Int.random(in: 0..<10, using: &random) > 0 {
                let knownAt = at + .seconds(Int.random(in: 86_400...12 * 86_400, using: &random))
                labels.append(label("\(index)", isFraud: isFraud, knownAt: knownAt))
            }
        }
    }

    /// All rows, in the order of `transactions`.
    func rows(set: FeatureSet = .payments, labels: [Label]? = nil) -> [[Double]] {
        var replay = FeatureReplay(set: set)
        var rows = [[Double]](repeating: [], count: transactions.count)
        replay.run(transactions, labels: labels ?? self.labels) { index, values in rows[index] = Array(values) }
        return rows
    }
}

/// Equality to the bit, so that NaN equals NaN.
func sameBits(_ a: [Double], _ b: [Double]) -> Bool { a.map(\.bitPattern) == b.map(\.bitPattern) }

private let positions = Dictionary(uniqueKeysWithValues: FeatureSet.payments.names.enumerated().map { ($1, $0) })

extension [Double] {
    /// The value of a feature of `FeatureSet.payments`.
    subscript(_ name: String) -> Double { positions[name].map { self[$0] } ?? .infinity }
}
