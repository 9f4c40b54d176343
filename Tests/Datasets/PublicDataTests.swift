import Datasets
import Records
import Testing

/// What the shipped mappings make of the public files they are for; skipped where those are absent.
@Suite struct PublicDataTests {
    @Test(.enabled(if: publicData("transactions.csv.gz") != nil, "the public data are not beside the repository"))
    func readsTheHandbooksTransactions() throws {
        let file = try #require(publicData("transactions.csv.gz"))
        let rows = try Dataset.transactions(file: file, mapping: .load("handbook-transactions"), limit: 20_000) { rejected in
            Issue.record("\(rejected)")
        }
        #expect(rows.count == 20_000)
        let first = rows[0].transaction
        #expect(first.key == TransactionKey(bankID: "local", transactionID: "0"))
        #expect(first.eventTime == Timestamp(iso8601: "2018-04-01T00:00:31Z"))
        #expect(first.amount == Money(minorUnits: 5_716, currency: .eur))
        #expect((first.customerID, first.terminalID, first.cardID) == ("596", "3156", "card-596"))
        #expect(rows[0].label?.knownAt == Timestamp(iso8601: "2018-04-08T00:00:31Z"))
        #expect(rows.allSatisfy { $0.label != nil })
        let labels = try Dataset.labels(file: file, mapping: .load("handbook-labels"), limit: 10_000)
        #expect(labels == rows.prefix(10_000).compactMap(\.label))
    }

    @Test(.enabled(if: publicData("terminals.csv") != nil, "the public data are not beside the repository"))
    func readsTheRegistries() throws {
        let terminals = try Dataset.terminals(file: #require(publicData("terminals.csv")), mapping: .load("handbook-terminals"))
        #expect(terminals.count == 10_000)
        let customers = try Dataset.customers(file: #require(publicData("customers.csv")), mapping: .load("handbook-customers"))
        #expect(customers.count == 5_000)
        let machines = try Dataset.terminals(file: #require(publicData("atms_newyork.csv")), mapping: .load("newyork-atms"))
        #expect(machines.count == 4_914)
        #expect(machines[1_454].address == "1091 Main Street", "the file has tabs between the words")
        #expect(Set(machines.map(\.terminalID)).count == machines.count)
    }

    @Test(.enabled(if: publicData("crimes_houston_2010.csv.gz") != nil, "the public data are not beside the repository"))
    func readsHoustonsCrimes() throws {
        let complaints = try Dataset.complaints(
            file: #require(publicData("crimes_houston_2010.csv.gz")), mapping: .load("houston-crimes")
        ) { Issue.record("\($0)") }
        #expect(complaints.count == 53_009)
        #expect(complaints[0].occurredAt == Timestamp(iso8601: "2010-01-01T06:00:00Z"))
        #expect(complaints[0].district == "15E30")
    }
}
