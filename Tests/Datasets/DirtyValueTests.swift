import Datasets
import Records
import Testing

/// Values as spreadsheets and documents leave them.
@Suite struct DirtyValueTests {
    let folder = try! TemporaryFolder()

    private func mapping(_ format: String = "{}", amount: String = "{column: sum}", at: String = "at") throws -> Mapping {
        try Mapping(
            parsing: """
                record: transactions
                format: \(format)
                fields: {transaction_id: id, event_time: \(at), customer_id: who, account_id: account, amount: \(amount), currency: {constant: EUR}}
                """, name: "test")
    }

    private func reasons(_ text: String, _ mapping: Mapping) throws -> [String] {
        try readAll(folder.file("a.csv", text), mapping).map { item in
            item.rejections.map { "\($0.column): \($0.reason)" }.joined(separator: " + ")
        }
    }

    @Test(arguments: ["NULL", "(null)", "NaN", "None", "N/A", "undefined", "\\N", "unknown", "-", "?"]) func aWordForNothingIsNobodysName(word: String) throws {
        let file = "id;at;who;account;sum\n1;2018-04-01;\(word);;5\n2;2018-04-01;Noneman;;5\n"
        #expect(try reasons(file, mapping()) == [
            "who: is the word \(word), which names nobody; where it stands for nothing, list it in the mapping's format: {missing: ['\(word)']}", "",
        ])
        #expect(try reasons(file, mapping("{missing: ['\(word)']}"))[0] == "who: is missing")
    }

    @Test func whatASpreadsheetHasRoundedOrCouldNotMakeIsNoIdentifier() throws {
        let rows = ["1.23457E+15;2018-04-01;c;;5", "1;2018-04-01;4,11111e+15;;5", "2;2018-04-01;c;#REF!;5", "3;2018-04-01;#N/A;;5", "4;2018-04-01;c;E+15;5"]
        let found = try reasons("id;at;who;account;sum\n" + rows.joined(separator: "\n") + "\n", mapping())
        let rounded = "is a number that a spreadsheet or a program has rounded; export the column as text"
        #expect(found == ["id: \(rounded)", "who: \(rounded)", "account: is an error of a spreadsheet", "who: is an error of a spreadsheet", ""])
        let times = "id;at;who;account;sum\n1;1.79353E+12;c;;5\n2;1522540800000;c;;5\n3;1793530000.5;c;;5\n"
        let counted = try reasons(times, mapping(at: "{column: at, format: unix_ms}"))
        #expect(counted == ["at: is not a number of seconds since 1970, without an exponent", "", "at: is before 1990-01-01"])
    }

    @Test func spacesThatKeepALineTogetherAreNoPartOfAName() throws {
        let file = try folder.file("a.csv", "id;at;who;account;sum\n1;2018-04-01;\u{A0}c 1\u{A0};\u{FEFF}a\u{200B};5\n2;2018-04-01;à;b\u{202F};5\n")
        let payments = try readAll(file, mapping()).compactMap(\.transaction)
        #expect(payments.map(\.customerID) == ["c 1", "à"] && payments.map(\.accountID) == ["a", "b"])
        let latin = try folder.file("b.csv", Array("id;at;who;account;sum\n1;2018-04-01;".utf8) + [0xA0, 0xE0, 0xA0] + Array(";;5\n".utf8))
        #expect(try readAll(latin, mapping("{encoding: latin-1}")).first?.transaction?.customerID == "à")
    }

    @Test(arguments: [
        (" ", "1 234,50"), (" ", "1\u{A0}234,50"), ("\u{A0}", "1\u{202F}234,50"), ("\u{202F}", "1 234,50"), ("'", "1'234,50"), ("'", "1’234,50"),
        ("’", "1'234,50"),
    ])
    func groupsAreReadWhateverSpaceOrApostropheSetsThemApart(group: String, sum: String) throws {
        let file = try folder.file("a.csv", "id;at;who;account;sum\n1;2018-04-01;c;;\(sum)\n")
        #expect(try readAll(file, mapping(amount: "{column: sum, decimal: \",\", group: \"\(group)\"}")).first?.transaction?.amount.minorUnits == 123_450)
    }

    @Test(arguments: [
        ("1.5E2", "{column: sum}", "is not a decimal number"), ("(5.00)", "{column: sum}", "is not a decimal number"),
        ("1.234,50", "{column: sum}", "is not a decimal number; a mapping reads it with {group: \".\", decimal: \",\"}"),
        ("1,234.50", "{column: sum}", "is not a decimal number; a mapping reads groups with {group: \",\"}"),
        ("1.2345", "{column: sum}", "has more than 2 decimals"),
        ("5", "{column: sum, negate: true}", "is negative, since the mapping says `negate`"),
        ("150.0", "{column: sum, unit: minor}", "is not a whole number of minor units"),
    ])
    func whatIsWrongWithAnAmountIsSaidAsItIs(sum: String, amount: String, reason: String) throws {
        #expect(try reasons("id;at;who;account;sum\n1;2018-04-01;c;;\(sum)\n", mapping(amount: amount)) == ["sum: " + reason])
    }

    @Test func aFileThatBeginsWithDataTellsNoneOfIt() throws {
        for first in ["7;2018-04-01T10:00:00Z;jane;DE89370400440532013000;5", "x;y;jane@example.org;z;w", "x;y;c;DE89 3704 0044 0532 0130 00;z"] {
            let file = try folder.file("a.csv", first + "\n")
            let error = #expect(throws: DatasetError.self) { try DatasetReader(file: file, mapping: mapping()) }
            let words = "its first row holds data, not names: say `format: {header: false, columns: [...]}` in the mapping, with a name for each column"
            #expect(error?.message == "the mapping test names the column `id`, which \(file) lacks; \(words)")
        }
    }

    @Test func excelsOwnFirstLineNamesTheDelimiter() throws {
        let file = try folder.file("a.csv", "\u{FEFF}sep=|\r\nid|at|who|account|sum\r\n1|2018-04-01|a;b;c;d;e;f|;;|5\r\n")
        let items = try readAll(file, mapping())
        #expect(items.first?.transaction?.customerID == "a;b;c;d;e;f" && items.first?.position.line == 3)
    }
}
