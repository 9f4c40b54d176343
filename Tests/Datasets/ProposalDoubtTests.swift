import Foundation
import Records
import Testing

@testable import Datasets

/// What a proposal must not get wrong without a word.
@Suite struct ProposalDoubtTests {
    // MARK: Names of rows

    @Test func whatNamesARowIsInNoOtherRow() throws {
        let rows = (1...39).map { row in
            "{\"payer\":{\"id\":\"C\(row % 5)\"},\"payment\":{\"id\":\"P\(row)\"},\"time\":\"2026-03-01T10:00:00Z\",\"amount\":5,\"currency\":\"EUR\"}\n"
        }
        let nested = try proposal(rows.joined())
        #expect(nested.open == [])
        #expect(nested.yaml.contains("transaction_id: payment.id\n") && nested.yaml.contains("customer_id: payer.id\n"))
        for name in ["payment_id", "txn_ref", "OrderReference", "Beleg-Nr", "entry number", "order no"] {
            let text = "customer_id,\(name),time,amount,currency\nC1,A,2026-03-01,5,EUR\nC1,B,2026-03-01,5,EUR\n"
            let proposal = try proposal(text)
            #expect(proposal.open == [] && proposal.yaml.contains("transaction_id: \(MappingProposal.quoted(name))\n"), "\(proposal.yaml)")
        }
    }

    @Test func whereNothingNamesARowItIsLeftOpen() throws {
        let text = """
            row_number,customer_id,account_ref,paid,time,amount,currency
            1,C1,K1,1.50,2026-03-01,5,EUR
            2,C1,K2,2.50,2026-03-01,5,EUR

            """
        let payments = try proposal(text)
        #expect(payments.open == ["transaction_id"] && !payments.yaml.contains("row_number: true"))
        #expect(payments.yaml.contains("  # transaction_id: which column? It must be another in each row of all files. It is required.\n"))
    }

    @Test func aMerchantsCategoryIsNoMerchant() throws {
        let text = "id,time,customer,amount,currency,MerchantCategory,MerchantCity\nA,2026-03-01,C,5,EUR,5411,Bonn\n"
        let codes = try proposal(text)
        #expect(codes.yaml.contains("merchant_category_code: MerchantCategory\n") && !codes.yaml.contains("merchant_id"))
        #expect(codes.yaml.contains("# Not used: MerchantCity\n"))
        #expect(try !proposal(text.replacing("5411", with: "groceries")).yaml.contains("merchant_id"))
    }

    // MARK: Amounts

    @Test(arguments: ["amount_cents", "amount_minor", "AmountPaise", "minor_units"])
    func amountsInMinorUnitsAreReadAsSuch(name: String) throws {
        try withFile("id,time,customer,\(name),currency\nA,2026-03-01,C,1250,EUR\n") { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            #expect(proposal.yaml.contains("amount: {column: \(name), unit: minor}\n"))
            let rows = try Dataset.transactions(file: path, mapping: Mapping(parsing: proposal.yaml, name: "proposed"))
            #expect(rows.map(\.transaction.amount.minorUnits) == [1_250])
        }
    }

    @Test func aCurrencyIsNotMadeUp() throws {
        let payments = try proposal("id,time,customer,amount\nA,2026-03-01,C,5\n")
        #expect(payments.open == ["currency"])
        #expect(payments.yaml.contains("  # currency: {constant: EUR}   # which currency is it? It is required.\n"))
        #expect(try proposal("id,date,crime_type\nA,2026-03-01,fraud\n", .complaints).open == [])
        #expect(try proposal("id,date\nA,2026-03-01\n", .complaints).open == ["crime_type"])
        #expect(try proposal("atm_id,latitude,longitude\nA,17.2,75.3\n", .terminals).open == ["kind"])
        let kinds = try proposal("atm_id,kind,latitude,longitude\nA,ATM,17.2,75.3\nB,offsite,17.3,75.3\n", .terminals)
        #expect(kinds.open == ["kind"])
        #expect(kinds.yaml.contains("  # kind: {column: kind, map: {atm: atm, offsite: \"?\"}}   # say which is which: pos, atm, online"))
        #expect(try proposal("id,date,crime_type,loss\nA,2026-03-01,fraud,5\n", .complaints).open == ["currency"])
    }

    /// The line of the amount in the proposal for such amounts.
    private func amountLine(_ amounts: [String], currency: String = "EUR", delimiter: String = ";") throws -> (text: String, isOpen: Bool) {
        let rows = [["id", "time", "customer", "amount", "currency"]]
            + amounts.enumerated().map { ["A\($0.offset)", "2026-03-01", "C", "\"\($0.element)\"", currency] }
        let proposal = try proposal(rows.map { $0.joined(separator: delimiter) + "\n" }.joined())
        let line = try #require(proposal.yaml.split(separator: "\n").first { $0.contains(" amount: ") })
        return (String(line.drop { $0 == " " }), proposal.open == ["amount"])
    }

    @Test(arguments: [
        (
            ["1.250", "2.500", "900"], ";",
            "{column: amount, decimal: \",\", group: \".\"}   # or decimal: \".\", if 1.250 is less than a thousand: no value tells."
        ),
        (["1.250", "2.500"], ",", "{column: amount, decimal: \".\"}   # or decimal: \",\", group: \".\", if 1.250 is a thousand and more: no value tells."),
        (["1,500", "2,250"], ";", "{column: amount, decimal: \",\"}   # or group: \",\", if 1,500 is a thousand and more: no value tells."),
        (["1,500", "2,250"], ",", "{column: amount, group: \",\"}   # or decimal: \",\", if 1,500 is less than a thousand: no value tells."),
        (["1.101"], ";", "{column: amount, decimal: \",\", group: \".\"}   # or decimal: \".\", if 1.101 is less than a thousand: no value tells."),
    ])
    func whatMayBeAThousandOrADecimalIsLeftOpenWithBothReadings(amounts: [String], delimiter: String, words: String) throws {
        let line = try amountLine(amounts, delimiter: delimiter)
        #expect(line.text == "# amount: \(words) It is required." && line.isOpen)
    }

    @Test func aValueThatTellsThousandsFromDecimalsIsHeeded() throws {
        for sure in [["1.250", "2.50"], ["0.250", "1.250"], ["12.50"]] { #expect(try amountLine(sure).text == "amount: amount") }
        #expect(try amountLine(["0,500", "1,250"]).text == "amount: {column: amount, decimal: \",\"}")
        #expect(try amountLine(["1.250", "2.500"], currency: "KWD").text == "amount: amount")
        #expect(try amountLine(["1,250", "2,000"], currency: "JPY").text == "amount: {column: amount, group: \",\"}")
        #expect(try amountLine(["1,000", "2,000"], currency: "JPY").isOpen)
        for indian in [["1,50,000.00", "900.00"], ["12,34,567", "50,000"]] {
            #expect(try amountLine(indian, currency: "INR").text == "amount: {column: amount, group: \",\"}")
        }
        #expect(try amountLine(["1 234,56", "5,00"]).text == "amount: {column: amount, decimal: \",\", group: \" \"}")
        #expect(try amountLine(["1\u{202F}234,56"]).text == "amount: {column: amount, decimal: \",\", group: \" \"}")
        #expect(try amountLine(["1\u{2019}234.56", "1'000'000.00"]).text == "amount: {column: amount, group: \"'\"}")
        #expect(try amountLine(["1.234,56 €", "5,00 €"]).text == "amount: {column: amount, decimal: \",\", group: \".\", symbol: [\"€\"]}")
        #expect(try amountLine(["$12.50", "-$3.00", "$9.00", "$1.00", "$2.00"]).text.hasPrefix("amount: {column: amount, symbol: [\"$\"]}   # 1 of 5"))
        #expect(try amountLine(["Rs. 7,16,871.02", "Rs. 5.00"]).text == "amount: {column: amount, group: \",\", symbol: [Rs.]}")
        #expect(try amountLine(["EUR 5.00", "6.00 eur", "€7.50"]).text == "amount: {column: amount, symbol: [EUR, eur, \"€\"]}")
        #expect(try amountLine(["12.50 kg", "3.00 kg"]).text == "# amount: which column? It is required.")
        let numbers = try proposal("{\"id\":\"A\",\"time\":\"2026-03-01\",\"customer\":\"C\",\"amount\":1.125,\"currency\":\"EUR\"}\n")
        #expect(numbers.open == [] && numbers.yaml.contains("  amount: amount\n"))
    }

    @Test func amountsOfBothSignsAreLeftOpenAndThoseOfOneAreReadByIt() throws {
        let both = try amountLine(["-5,00", "5,00", "-7,50", "8,50"])
        #expect(
            both.text == "# amount: {column: amount, decimal: \",\"}   # 2 of 4 are negative and would be refused; "
                + "with `negate: true` the others would: which are payments? It is required.")
        #expect(both.isOpen)
        #expect(try amountLine(["-5,00", "-7,50", "0,00"]).text == "amount: {column: amount, decimal: \",\", negate: true}")
        let nine = (1...9).map { "\($0).50" }
        #expect(try amountLine(nine + ["-1.50"]).text == "amount: amount   # 1 of 10 are negative, and will be refused")
        #expect(
            try amountLine(nine.map { "-\($0)" } + ["1.50"]).text
                == "amount: {column: amount, negate: true}   # 1 of 10 are not negative, and will be refused")
    }

    @Test(arguments: [("soll_haben", "S", "H"), ("dc", "D", "C"), ("CdtDbtInd", "DBIT", "CRDT"), ("type", "debit", "credit"), ("sign", "-", "+")])
    func aColumnThatTellsDebitsFromCreditsIsAskedAbout(name: String, debit: String, credit: String) throws {
        func text(_ words: [String]) -> String {
            "transaction_id,timestamp,customer_id,amount,currency,\(name)\n"
                + words.enumerated().map { "t\($0),2026-03-01T10:00:00Z,c\($0),5.00,EUR,\($1)\n" }.joined()
        }
        let asked = try proposal(text([debit, credit, debit]))
        let words = [debit, credit].sorted().map { "`\($0)`" }.joined(separator: " and ")
        #expect(asked.open == ["amount"])
        #expect(
            asked.yaml.contains("amount   # \(name) says \(words): which are payments by the customer? Keep those alone: `only: {"),
            "\(asked.yaml)")
        #expect(try proposal(text([debit, debit])).open.isEmpty)
    }

    @Test func aLineOfSumsDoesNotHideWhatAColumnIs() throws {
        let rows = (1...3).map { "t\($0),0\($0)/03/2026,1\($0)/03/2026,C,5.00,EUR\n" }.joined()
        for sums in ["", "Total,,,,15.00,\n"] {
            let yaml = try proposal("Ref,Txn Date,Value Date,Customer,Amount,Currency\n" + rows + sums).yaml
            #expect(yaml.contains("event_time: {column: \"Txn Date\""), "\(yaml)")
        }
    }

    @Test func whatIsInNoEncodingThatIsReadIsNotProposed() throws {
        let folder = try TemporaryFolder()
        // Shift-JIS: 取引日, 金額.
        let file = try folder.file("sjis.csv", [0x8E, 0xE6, 0x88, 0xF8, 0x93, 0xFA, 0x2C, 0x8B, 0xE0, 0x8A, 0x7A, 0x81, 0x40, 0x0A, 0x31, 0x2C, 0x32, 0x0A])
        let fault = #expect(throws: DatasetError.self) { try MappingProposal(file: file, kind: .transactions) }
        #expect(fault?.code == .unsupported && fault?.message.contains("neither in UTF-8 nor in Windows-1252") == true)
    }

    @Test func whatAnOptionalFieldLeavesOpenIsToldToo() throws {
        let complaints = try proposal("id,date,crime_type,loss,currency\nA,2026-03-21,fraud,\"1,500\",EUR\n", .complaints)
        #expect(complaints.open == ["amount"])
        #expect(complaints.yaml.contains("  # amount: {column: loss, group: \",\"}   # or decimal: \",\""))
    }

    @Test func aValueThatContradictsTheOthersIsNamed() throws {
        let amounts = (1...9).map { "\($0).234,50" }
        for (values, wrong) in [(amounts + ["99.95"], "99.95"), (["12,50", "13,50", "14,50", "15,50", "99.95"], "99.95")] {
            let rows = values.enumerated().map { "A\($0.offset);2026-03-01;C;\($0.element);EUR\n" }.joined()
            let payments = try proposal("id;time;customer;amount;currency\n" + rows)
            #expect(payments.open == ["amount"])
            #expect(
                payments.yaml.contains(
                    "  # amount: {column: amount, decimal: \",\", group: \".\"}   # but `\(wrong)` is written otherwise: which is it? It is required.\n"),
                "\(payments.yaml)")
        }
        let bad = (amounts + ["much"]).enumerated().map { "A\($0.offset);2026-03-01;C;\($0.element);EUR\n" }.joined()
        #expect(try proposal("id;time;customer;amount;currency\n" + bad).open == [])
    }

    // MARK: Columns

    @Test(arguments: [
        ("merchant", "merchant_id: merchant"), ("Händler", "merchant_id: \"Händler\""), ("pos_id", "terminal_id: pos_id"),
    ])
    func aColumnGoesIntoOneField(name: String, line: String) throws {
        let yaml = try proposal("id,time,customer,\(name),amount,currency\nA,2026-03-01,C,M-1,5,EUR\n").yaml
        #expect(yaml.split(separator: "\n").filter { $0.contains(": ") && $0.contains(name) } == ["  \(line)"])
    }

    @Test func aRequiredFieldComesBeforeOneThatIsNot() throws {
        let complaints = try proposal("id,date,type\nA,2026-03-21,fraud\n", .complaints)
        #expect(complaints.open == [] && complaints.yaml.contains("crime_type: type\n") && !complaints.yaml.contains("channel"))
    }

    @Test func aFileThatBeginsWithDataIsSaidToHaveNoNames() throws {
        let payments = try proposal("A-1,2026-03-01 10:00:00,C1,12.50,EUR\nA-2,2026-03-02 10:00:00,C1,13.50,EUR\n")
        #expect(!payments.hasNames && payments.rowCount == 2 && payments.open.contains("amount"))
        #expect(payments.yaml.contains("# The file begins with data, not with names"))
        #expect(payments.yaml.contains("format: {header: false, columns: [column1, column2, column3, column4, column5]}\n"))
    }

    @Test func everyColumnThatIsNotUsedIsListed() throws {
        let payments = try proposal("id,time,occ,note,customer,amount,currency\nA,2026-03-01,2026-03-01,x,C,5,EUR\n")
        #expect(payments.yaml.hasSuffix("# Not used: occ, note\n"), "\(payments.yaml)")
    }
}
