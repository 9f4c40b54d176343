import Datasets
import Foundation
import Records
import Testing

@Suite struct PaymentColumnsTests {
    let folder = try! TemporaryFolder()
    let now = Timestamp(iso8601: "2024-01-01")!

    /// One row of columns, and what the records say.
    struct Row: Equatable {
        var id: String
        var time: Int64
        var customer: String
        var terminal: String?
        var amount: Money
        var utcOffsetSeconds: Int?
        var outcome: Bool?
    }

    func rows(_ payments: PaymentColumns) -> [Row] {
        let outcomes = payments.outcomes()
        return (0..<payments.count).map { row in
            let terminal = payments.terminals[row]
            return Row(
                id: payments.withID(of: row) { String(decoding: $0, as: UTF8.self) }, time: payments.times[row],
                customer: payments.customerIDs[Int(payments.customers[row])],
                terminal: terminal == PaymentColumns.noTerminal ? nil : payments.terminalIDs[Int(terminal)],
                amount: payments.amount(of: row), utcOffsetSeconds: payments.utcOffsetSeconds(of: row), outcome: outcomes[row])
        }
    }

    /// Reads a file both ways and sees that they agree, refusals and all.
    func check(_ path: String, _ mapping: Mapping) throws -> PaymentColumns {
        let options = ReadOptions(now: now)
        var expected: [Row] = []
        var refused: [DatasetItem] = []
        var seen: [TransactionKey: Int] = [:]
        var labels: [Label] = []
        let records = try DatasetReader(file: path, mapping: mapping, options: options)
        while let item = try records.next() {
            guard case .record(.transaction(let row)) = item.outcome else {
                refused.append(item)
                continue
            }
            let transaction = row.transaction
            if let label = row.label { labels.append(label) }
            if seen[transaction.key] == nil {
                seen[transaction.key] = expected.count
                expected.append(
                    Row(
                        id: transaction.key.transactionID, time: transaction.eventTime.microseconds, customer: transaction.customerID,
                        terminal: transaction.terminalID, amount: transaction.amount, utcOffsetSeconds: transaction.utcOffsetSeconds,
                        outcome: nil))
            }
        }
        let namesGenuine = labels.contains { !$0.isFraud }
        for index in expected.indices { expected[index].outcome = namesGenuine ? nil : false }
        for label in labels.sorted(by: { $0.knownAt < $1.knownAt }) { expected[seen[label.key]!].outcome = label.isFraud }
        var payments = PaymentColumns()
        var refusedByColumns: [DatasetItem] = []
        let columns = try DatasetReader(file: path, mapping: mapping, options: options)
        try columns.readPayments(into: &payments, refused: { refusedByColumns.append($0) }, progress: { _ in })
        #expect(rows(payments) == expected)
        #expect(refusedByColumns == refused)
        return payments
    }

    let header = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"

    @Test func whatIsPlainAndWhatIsNotBecomeTheSamePayments() throws {
        let path = try folder.file(
            "odd.csv",
            header + """
                1,2018-04-01 00:00:31,596,3156,57.16,0
                2,2018-04-01 00:00:31, 597 ,3157,57.1,1
                3,2018-04-02T23:59:59,"598",3157,57,
                4,2018-04-02 23:59,598,,57.00,0
                5,2018-04-02 24:00:00,598,1,57.00,0
                6,2018-02-30 10:00:00,598,1,57.00,0
                7,2018-04-02 10:00:00Z,598,1,57.00,0
                8,2018-04-02 10:00:0x,598,1,57.00,0
                9,2018-04-02 10:00:00,Müller,1,57.00,0
                10,2018-04-02 10:00:00,a\u{7F}b,1,57.00,0
                11,2018-04-02 10:00:00,598,1,-57.00,0
                12,2018-04-02 10:00:00,598,1,5.123,0
                13,2018-04-02 10:00:00,598,1,,0
                14,2018-04-02 10:00:00,598,1,1e3,0
                15,2018-04-02 10:00:00,598,1,10,yes
                16,2018-04-02 10:00:00,598,1,10,maybe
                17,2031-04-02 10:00:00,598,1,10,0
                18,1980-04-02 10:00:00,598,1,10,0
                ,2018-04-02 10:00:00,598,1,10,0
                20,2018-04-02 10:00:00,,1,10,0
                21,2018-04-02 10:00:00,\(String(repeating: "c", count: 125)),1,10,0
                22,2018-04-02 10:00:00,\(String(repeating: "c", count: 90)),1,10,0
                23,2018-04-02 10:00:00,598
                24,2018-04-02 10:00:00,598,1,99999999999999999.99,0
                1,2018-04-03 00:00:31,596,3156,1.00,1
                025,2018-04-03 00:00:31,596,3156,1.00,1
                24,2018-04-03 00:00:31,596,3156,0,1
                """)
        let payments = try check(path, .load("handbook-transactions"))
        #expect(payments.duplicateCount == 1 && payments.conflictCount == 1)
        // The label of a payment that came twice counts for the first.
        #expect(payments.outcomes()[0] == true)
    }

    @Test func constantsThatAreRefusedAreRefusedInEveryRow() throws {
        let path = try folder.file("a.csv", header + "1,2018-04-01 00:00:31,596,3156,57.16,0\n2,2018-04-01 00:00:32,596,3156,57.16,0\n")
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields:
                  transaction_id: TRANSACTION_ID
                  event_time: TX_DATETIME
                  customer_id: CUSTOMER_ID
                  account_id: {constant: "\(String(repeating: "a", count: 200))"}
                  amount: TX_AMOUNT
                  currency: {constant: EUR}
                """, name: "test")
        #expect(try check(path, mapping).count == 0)
    }

    @Test(arguments: [
        ("event_time: TX_DATETIME", nil), ("event_time: {column: TX_DATETIME, zone: \"+05:30\"}", 19_800),
        ("event_time: {column: TX_DATETIME, zone: Asia/Kolkata}", 19_800),
        ("event_time: TX_DATETIME\n  time_zone: {constant: Asia/Kolkata}", 19_800),
        ("event_time: {column: TX_DATETIME, zone: \"+05:30\"}\n  time_zone: {constant: Europe/Berlin}", 7_200),
        ("event_time: TX_DATETIME\n  time_zone: TERMINAL_ID", 32_400),
    ])
    func thePaymentsOwnClockIsThatOfItsZoneOrOfItsTimesColumn(field: String, offset: Int?) throws {
        let path = try folder.file(
            "zones.csv", header + "1,2018-04-01 00:00:31,596,Asia/Tokyo,57.16,0\n2,2018-04-01 00:00:32,596,Asia/Tokyo,57.16,0\n")
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields:
                  transaction_id: TRANSACTION_ID
                  \(field)
                  customer_id: CUSTOMER_ID
                  amount: TX_AMOUNT
                  currency: {constant: EUR}
                """, name: "test")
        let payments = try check(path, mapping)
        #expect((0..<payments.count).map { payments.utcOffsetSeconds(of: $0) } == [offset, offset])
    }

    @Test func mappingsThatAskForMoreReadTheSame() throws {
        let path = try folder.file(
            "b.csv",
            "id;at;who;much;code;lat;lon;bank\n"
                + (1...50).map { "\($0);0\($0 % 9 + 1).01.2020;c\($0 % 7);\($0),5;EUR;1.5;2.5;b\($0 % 2)\n" }.joined())
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields:
                  bank_id: bank
                  transaction_id: id
                  event_time: {column: at, format: "dd.MM.yyyy", zone: Europe/Berlin}
                  customer_id: who
                  amount: {column: much, decimal: ","}
                  currency: code
                  location.latitude: lat
                  location.longitude: lon
                """, name: "test")
        let payments = try check(path, mapping)
        #expect(payments.count == 50)
        #expect(payments.location(of: 49) == Coordinate(latitude: 1.5, longitude: 2.5))
        #expect(payments.terminals.allSatisfy { $0 == PaymentColumns.noTerminal })
    }

    @Test func labelsThatCameApartFindTheirPayments() throws {
        var payments = PaymentColumns()
        func payment(_ id: String, bank: String) -> Transaction {
            Transaction(
                key: TransactionKey(bankID: bank, transactionID: id), eventTime: now, customerID: "c",
                amount: Money(minorUnits: 1, currency: .eur))
        }
        for (bank, id) in [("x", "1"), ("x", "2"), ("y", "1"), ("x", "1")] { payments.append(payment(id, bank: bank), label: nil) }
        #expect(payments.count == 3 && payments.duplicateCount == 1)
        #expect(payments.outcomes() == [false, false, false])
        func label(_ id: String, _ bank: String, _ isFraud: Bool, _ days: Int) -> Label {
            Label(key: TransactionKey(bankID: bank, transactionID: id), isFraud: isFraud, knownAt: now + .days(days), source: "t")
        }
        payments.setLabels([label("1", "y", true, 2), label("1", "y", false, 1), label("2", "x", false, 1), label("9", "x", true, 1)])
        #expect(payments.outcomes() == [nil, false, true])
        #expect(payments.labels.map(\.row) == [2, 2, 1])
    }
}
