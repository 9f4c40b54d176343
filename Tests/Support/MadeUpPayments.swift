public import Records

extension Transaction {
    /// The payment of a number, one each `interval` from 2026-02-02 on: customers, accounts, cards, devices, terminals, merchants and places
    /// come again and again, some pay an account, some are made by card.
    ///
    /// - Parameter lateness: by which every ninth comes late.
    public static func madeUp(_ number: Int, each interval: TimeSpan, lateness: TimeSpan) -> Transaction {
        let late = number % 9 == 0 ? lateness.microseconds : 0
        var payment = Transaction(
            key: TransactionKey(bankID: "b", transactionID: "t\(number)"),
            eventTime: madeUpStart + TimeSpan(microseconds: Int64(number) * interval.microseconds - late), customerID: "C\(number % 13)",
            accountID: "A\(number % 13)", terminalID: "T\(number % 5)", deviceID: "D\(number % 11)",
            amount: Money(minorUnits: Int64(100 + number * 37 % 900), currency: .eur))
        payment.merchantID = "M\(number % 6)"
        if number % 3 == 0 { payment.cardID = "K\(number % 17)" }
        if number % 2 == 0 { payment.counterpartyAccountID = "A\(number % 4)" }
        payment.location = Coordinate(latitude: 17 + Double(number % 7) / 10, longitude: 78)
        return payment
    }

    /// When the payment of number 0 is made, unless it is late.
    public static let madeUpStart = Timestamp(seconds: 1_770_000_000)
}
