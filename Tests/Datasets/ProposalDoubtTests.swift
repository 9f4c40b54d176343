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

    @Test func whatMayBeAThousandOrADecimalIsSaid() throws {
        func amountLine(_ amounts: [String], currency: String = "EUR") throws -> Substring? {
            let rows = amounts.enumerated().map { "A\($0.offset);2026-03-01;C;\($0.element);\(currency)\n" }.joined()
            return try proposal("id;time;customer;amount;currency\n" + rows).yaml.split(separator: "\n").first { $0.contains(" amount: ") }
        }
        #expect(try amountLine(["1.250", "2.500", "900"]) == "  amount: amount   # or group: \".\", if 1.250 is a thousand and more: no value tells")
        #expect(
            try amountLine(["1,250", "2,500"])
                == "  amount: {column: amount, group: \",\"}   # or decimal: \",\", if 1,250 is less than a thousand: no value tells")
        for sure in [["1.250", "2.50"], ["0.250", "1.250"], ["12.50"]] { #expect(try amountLine(sure) == "  amount: amount") }
        #expect(try amountLine(["1.250", "2.500"], currency: "KWD") == "  amount: amount")
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

    @Test func aFileThatBeginsWithDataIsSaidToHaveNoNames() throws {
        let payments = try proposal("A-1,2026-03-01 10:00:00,C1,12.50,EUR\nA-2,2026-03-02 10:00:00,C1,13.50,EUR\n")
        #expect(!payments.hasNames && payments.rowCount == 2 && payments.open.contains("amount"))
        #expect(payments.yaml.contains("# The file begins with data, not with names"))
        #expect(payments.yaml.contains("format: {header: false, columns: [column1, column2, column3, column4, column5]}\n"))
    }

    @Test func everyColumnThatIsNotUsedIsListed() throws {
        let payments = try proposal("id,ts,occ,customer,amount,currency\nA,2026-03-01,2026-03-01,C,5,EUR\n")
        #expect(payments.yaml.hasSuffix("# Not used: ts, occ\n"), "\(payments.yaml)")
    }
}
