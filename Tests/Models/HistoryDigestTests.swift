import Records
import Testing
import Training

@Suite struct HistoryDigestTests {
    private static func key(_ number: Int) -> TransactionKey { TransactionKey(bankID: "bank", transactionID: "t\(number)") }

    private static func payment(_ number: Int) -> Transaction {
        let time = Timestamp(microseconds: Int64(number) * 999_983)
        let terminal: String? = number % 3 == 0 ? nil : "é\(number % 11)"
        let amount = Money(minorUnits: Int64(number * number), currency: .eur)
        return Transaction(
            key: key(number), eventTime: time, customerID: "customer-\(number % 7)", terminalID: terminal, amount: amount)
    }

    private static func label(_ number: Int) -> Label {
        let time = Timestamp(microseconds: Int64(number) * 70_000_019)
        return Label(key: key(number), isFraud: number % 4 == 0, knownAt: time, source: "test")
    }

    /// The digest that another implementation has of the same texts, whatever the lengths of texts and numbers.
    @Test func theHashOfAHistoryIsThatOfItsTextsAndNumbers() {
        var transactions = (0..<6_000).map(Self.payment)
        transactions[5].amount = Money(minorUnits: 0, currency: .eur)
        transactions[6].amount = Money(minorUnits: .min, currency: .eur)
        transactions[7].amount = Money(minorUnits: .max, currency: .eur)
        transactions[4_000].customerID = String(repeating: "long", count: 20_000)
        let labels = (0..<100).map(Self.label)
        let history = PaymentHistory(transactions: transactions, labels: labels)
        let end = Timestamp(microseconds: 5_999 * 999_983)
        #expect(history.sha256(knownBy: end) == "cbd5783cb1d809e377b765476d650faacaf53d8597979060a142c6862d5056e8")
    }
}
