import Records
import SeededRandom
import Training

let start = Timestamp(seconds: 1_522_540_800)  // 2018-04-01T00:00:00Z

/// Five weeks of payments in which large amounts, and two bad terminals, are fraud.
struct SmallWorld {
    var transactions: [Transaction] = []
    var labels: [Label] = []

    init(seed: UInt64 = 1, count: Int = 6_000, days: Int = 35, labelDelayDays: Int = 7) {
        var random = SplitMix64(seed: seed)
        let times = (0..<count).map { _ in Int64.random(in: 0..<Int64(days) * 86_400_000_000, using: &random) }.sorted()
        for (index, time) in times.enumerated() {
            let customer = Int.random(in: 0..<150, using: &random)
            let terminal = Int.random(in: 0..<60, using: &random)
            let isStolen = Int.random(in: 0..<40, using: &random) == 0
            let isBad = terminal < 2 && Int.random(in: 0..<4, using: &random) > 0
            let usual = Int64(500 + customer * 40)
            let cents = Int64.random(in: usual / 2...usual * 3 / 2, using: &random) * (isStolen ? 6 : 1)
            let key = TransactionKey(bankID: "b", transactionID: "\(index)")
            let at = Timestamp(microseconds: start.microseconds + time)
            transactions.append(
                Transaction(
                    key: key, eventTime: at, customerID: "c\(customer)", terminalID: "t\(terminal)",
                    amount: Money(minorUnits: cents, currency: .eur)))
            labels.append(Label(key: key, isFraud: isStolen || isBad, knownAt: at + .days(labelDelayDays), source: "test"))
        }
    }

    var history: PaymentHistory { PaymentHistory(transactions: transactions, labels: labels) }
    var end: Timestamp { start + .days(36) }

    static let options = TrainingOptions(rounds: 20, learningRate: 0.3, threads: 1)
}
