import Records
import Testing

@testable import Datasets

/// Which rows of a file are records.
@Suite struct RowChoiceTests {
    private static let fields = """
        record: transactions
        fields:
          transaction_id: id
          event_time: at
          customer_id: who
          amount: {column: sum, symbol: [€, EUR, Rs.], decimal: ",", group: "."}
          currency: {constant: EUR}

        """

    private static let statement = """
        id;at;who;sum;S/H;state
        A;2026-03-01T10:00:00Z;c1;5,00;S;booked
        B;2026-03-01T10:01:00Z;c1;6,00;H;booked
        id;at;who;sum;S/H;state
        C;2026-03-01T10:02:00Z;c2;7,00;s;Cancelled
        D;2026-03-01T10:03:00Z;c2;x;S;
        Summe;;;18,00;;

        """

    private func items(_ choice: String, _ text: String = statement) throws -> [DatasetItem] {
        let mapping = try Mapping(parsing: Self.fields + choice, name: "test")
        return try withFile(text) { try readAll($0, mapping, now: "2026-12-01") }
    }

    /// A letter a row: the record's id, `-` for one left out, `!` for one refused.
    private func outcomes(_ choice: String) throws -> String {
        try items(choice).map { item in
            switch item.outcome {
            case .record: item.transaction?.key.transactionID ?? "?"
            case .nothing: "-"
            case .rejected: "!"
            }
        }.joined()
    }

    @Test(arguments: [
        ("only: {S/H: [S]}", "A--C!-"), ("only: {S/H: S, state: [booked, \"\"]}", "A---!-"), ("except: {S/H: [H, S/H, \"\"]}", "A--C!-"),
        ("only: {S/H: [S]}\nexcept: {state: [CANCELLED]}", "A---!-"), ("except: {id: [id, summe]}", "AB-C!-"), ("only: {S/H: [nothing]}", "------"),
        ("only: {S/H: [\" S \"]}", "A--C!-"),
    ])
    func rowsAreRecordsByWhatTheirColumnsSay(choice: String, outcome: String) throws {
        #expect(try outcomes(choice) == outcome)
    }

    @Test func aWordThatMeansNoneIsItselfAndNone() throws {
        let text = Self.fields.replacing("fields:", with: "format: {missing: [n/a]}\nfields:")
        func count(_ choice: String) throws -> Int {
            let mapping = try Mapping(parsing: text + choice, name: "test")
            let file = "id;at;who;sum;state\nA;2026-03-01T10:00:00Z;c;5;n/a\nB;2026-03-01T10:00:00Z;c;5;\nC;2026-03-01T10:00:00Z;c;5;x\n"
            return try withFile(file) { try readAll($0, mapping, now: "2026-12-01").count(where: \.isRecord) }
        }
        #expect(try [count("only: {state: [N/A]}"), count("only: {state: [\"\"]}"), count("except: {state: [\"\"]}")] == [1, 2, 1])
    }

    @Test func paymentsInColumnsAreChosenToo() throws {
        let mapping = try Mapping(
            parsing: Self.fields.replacing("{column: sum, symbol: [€, EUR, Rs.], decimal: \",\", group: \".\"}", with: "sum") + "only: {kind: [D]}",
            name: "test")
        let rows = (0..<50).map { "t\($0),2026-03-01T10:00:00Z,c,5.00,\($0 % 5 == 0 ? "C" : "D")\n" }.joined()
        try withFile("id,at,who,sum,kind\n" + rows) { path in
            var payments = PaymentColumns()
            var leftOut: [Int] = []
            let reader = try DatasetReader(file: path, mapping: mapping, options: ReadOptions(now: Timestamp(iso8601: "2026-12-01")!))
            try reader.readPayments(
                into: &payments,
                refused: { item in
                    #expect(item.outcome == .nothing)
                    leftOut.append(item.position.row)
                }, progress: { _ in })
            #expect(payments.times.count == 40 && leftOut == Array(stride(from: 1, through: 50, by: 5)))
        }
    }

    @Test(arguments: [
        ("only: {}", "`only` names no column"), ("only: [S]", "`only` must be a list of `key: value`"),
        ("except: {S/H: []}", "`except` names no word of the column `S/H`"), ("only: {S/H: {a: b}}", "`S/H` must be one word or text"),
        ("only: {Soll: [S]}", "the column `Soll`"),
    ])
    func aChoiceThatNamesNothingIsRefused(choice: String, reason: String) {
        let fault = #expect(throws: DatasetError.self) { try items(choice) }
        #expect(fault?.message.contains(reason) == true, "\(fault?.message ?? "")")
    }

    @Test func whatIsNoAmountForItsSignIsToldAsItStandsInTheFile() throws {
        let text = "record: transactions\nformat: {encoding: windows-1252}\n"
            + Self.fields.replacing("record: transactions\n", with: "").replacing("symbol: [€, EUR, Rs.], ", with: "")
        let folder = try TemporaryFolder()
        let file = try folder.file("sign", Array("id;at;who;sum\nA;2026-03-01T10:00:00Z;c1;1.012,50 ".utf8) + [0x80, 0x0A])
        let item = try readAll(file, Mapping(parsing: text, name: "test"), now: "2026-12-01")[0]
        #expect(item.rejections.map(\.value) == ["1.012,50 €"])
        #expect(item.rejections.map(\.reason) == ["is not a decimal number; a mapping reads past a currency's sign with {symbol: [...]}"])
    }

    @Test(arguments: [
        ("1.234,56 €", 123_456), ("€1.234,56", 123_456), ("EUR 5", 500), ("eur 5", 500), ("Rs.5,00", 500), ("5 rs.", 500),
        ("5,00\u{A0}EUR", 500), ("+€ 5,00", 500), ("5,00", 500),
        ("€", nil), ("5,00 $", nil), ("€ €5", nil), ("5 € 00", nil), ("-5,00 €", nil),
    ])
    func anAmountIsReadWithoutTheSignOfItsCurrency(text: String, minorUnits: Int64?) throws {
        let item = try items("", "id;at;who;sum\nA;2026-03-01T10:00:00Z;c1;\(text)\n")[0]
        #expect(item.transaction?.amount.minorUnits == minorUnits, "\(item.outcome)")
    }
}
