import Contracts
import Records
import StandardContracts

/// Payments at the handbook's rates: 5,000 customers pay at 10,000 terminals, 9,591 times a day.
struct Workload {
    static let customersOfHandbook = 5_000
    static let paymentsADay = 9_591.0

    /// How many times the handbook's world.
    var scale = 1

    var customers: Int { Self.customersOfHandbook * scale }
    var terminals: Int { 2 * customers }
    var entities: Int { customers + terminals }
    func count(days: Double) -> Int { Int(Self.paymentsADay * Double(scale) * days) }

    static let firstSecond: Int64 = 1_760_000_000

    struct Payment {
        var number: Int
        var customer: Int
        var terminal: Int
        var microseconds: Int64
        var cents: Int64
    }

    func payment(_ number: Int) -> Payment {
        let mixed = UInt64(truncatingIfNeeded: number) &* 0x9e37_79b9_7f4a_7c15
        return Payment(
            number: number, customer: Int((mixed >> 33) % UInt64(customers)), terminal: Int((mixed >> 21) % UInt64(terminals)),
            // Whole seconds, as in the handbook's files.
            microseconds: (Self.firstSecond + Int64(Double(number) * 86_400 / (Self.paymentsADay * Double(scale)))) * 1_000_000,
            cents: 500 + Int64(mixed >> 40) % 12_000)
    }

    func transaction(_ number: Int) -> Transaction {
        let payment = payment(number)
        return Transaction(
            key: TransactionKey(bankID: "bench", transactionID: "t\(number)"), eventTime: Timestamp(microseconds: payment.microseconds),
            customerID: "customer-\(payment.customer)", terminalID: "terminal-\(payment.terminal)", channel: .pos,
            amount: Money(minorUnits: payment.cents, currency: .eur))
    }

    func message(_ number: Int) -> RecordsV1.Transaction {
        let payment = payment(number)
        return RecordsV1.Transaction(
            key: .init(bankID: "bench", transactionID: "t\(number)"),
            eventTime: .init(seconds: payment.microseconds / 1_000_000, nanos: Int32(payment.microseconds % 1_000_000) * 1_000),
            customerID: "customer-\(payment.customer)", terminalID: "terminal-\(payment.terminal)", channel: .pos,
            amount: .init(minorUnits: payment.cents, currency: "EUR"))
    }
}
