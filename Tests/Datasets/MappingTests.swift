import Datasets
import Records
import Testing

@Suite struct MappingTests {
    let folder = try! TemporaryFolder()

    func message(_ yaml: String) -> String {
        do {
            _ = try Mapping(parsing: yaml, name: "m.yaml")
            return ""
        } catch {
            return error.message
        }
    }

    @Test func everyShippedMappingLoads() throws {
        #expect(
            Mapping.shippedNames == [
                "exported-features", "handbook-customers", "handbook-labels", "handbook-terminals", "handbook-transactions", "houston-crimes",
                "iso20022-pacs002", "iso20022-pacs008", "iso20022-pain001", "newyork-atms",
                "simulated-atms", "simulated-complaints", "simulated-jurisdictions", "simulated-labels", "simulated-transactions",
            ])
        for name in Mapping.shippedNames { #expect(try Mapping.load(name).name == name) }
        #expect(try Mapping.load("handbook-labels.yaml").kind == .labels)
    }

    @Test func detailsOfAPaymentAreFieldsLikeOthers() throws {
        let file = try folder.file("details.csv", """
            id,at,who,sum,ip,mail,phone,bic
            1,2023-11-01T10:00:00Z,C,5,192.0.2.7,asha@example.in,+919876543210,SBININBB104
            2,2023-11-01T10:00:00Z,C,5,192.0.2.777,asha,98765,SBIN
            3,2023-11-01T10:00:00Z,C,5,,,,
            """)
        let mapping = try Mapping(parsing: """
            record: transactions
            fields:
              transaction_id: id
              event_time: at
              customer_id: who
              amount: sum
              currency: {constant: INR}
              details.ip_address: ip
              details.email: mail
              details.phone: phone
              details.creditor_agent_bic: bic
            """, name: "m.yaml")
        let items = try readAll(file, mapping)
        #expect(items[0].transaction?.details == TransactionDetails(
            ipAddress: "192.0.2.7", email: "asha@example.in", phone: "+919876543210", creditorAgentBIC: BIC("SBININBB104")))
        #expect(items[1].rejections.map(\.column) == ["bic"], "what is read comes before what is checked")
        #expect(!items[1].rejections.contains { $0.value.contains("asha") })
        #expect(items[2].transaction != nil && items[2].transaction?.details == nil)
    }

    @Test func anUnknownNameIsRefusedWithASuggestion() {
        let error = #expect(throws: DatasetError.self) { try Mapping.load("handbook-transaction") }
        #expect(error?.message == "there is no mapping handbook-transaction; did you mean `handbook-transactions`?")
    }

    @Test func anUnknownKeyIsRefusedByNameAndLine() {
        #expect(
            message("record: customers\nfeilds: {customer_id: id}")
                == "the mapping m.yaml, line 2: unknown key `feilds` in the mapping; did you mean `fields`?")
        #expect(
            message("record: customers\nfields:\n  customer_id: {colum: id}")
                == "the mapping m.yaml, line 3: unknown key `colum` in the field `customer_id`; did you mean `column`?")
        #expect(
            message("record: customers\nfields:\n  customer: id")
                == "the mapping m.yaml, line 3: customers have no field `customer`; known are customer_id, home.latitude, home.longitude")
        #expect(
            message("record: customers\nformat: {delimeter: ';'}\nfields: {customer_id: id}")
                == "the mapping m.yaml, line 2: unknown key `delimeter` in `format`; did you mean `delimiter`?")
        #expect(message("record: customers\nfields: {customer_id: {column: id, plus: 7d}}").contains("unknown key `plus`"))
    }

    @Test(arguments: [
        ("record: client\nfields: {}", "there is no record `client`"),
        ("fields: {customer_id: id}", "`record` is missing"),
        ("record: customers", "`fields` is missing"),
        ("record: customers\nfields: {home.latitude: a}", "customers need the fields `customer_id`"),
        ("record: customers\nfields: {customer_id: id, home.latitude: a}", "needs the field `home.longitude`"),
        ("record: customers\nfields: {customer_id: {prefix: a}}", "needs one of `column`"),
        ("record: customers\nfields: {customer_id: {column: a, constant: b}}", "not several"),
        ("record: customers\nfields: {customer_id: a, customer_id: b}", "duplicated key(s): 'customer_id'"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, plus: 7}}", "`plus: 7` is no length of time"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, zone: Asia/Kolkatta}}", "no time zone"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: dd/MM/qqqq}}", "mean nothing"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: dd/mm/yyyy}}", "has no month: that is `M`"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: \"dd/MM/yyyy HH:MM\"}}", "has `M` twice"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: yyyy}}", "has no month"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: \"MM/yyyy\"}}", "has no day"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: \"dd.MM.yyyy mm:ss\"}}", "no hour"),
        ("record: labels\nfields: {transaction_id: a, is_fraud: b, known_at: {column: c, format: \"dd.MM.yyyy hh:mm\"}}", "without `a`"),
        ("record: terminals\nfields: {terminal_id: {constant: a}, kind: {constant: pos}}", "no field is read from a column"),
        ("record: terminals\nfields: {terminal_id: a, kind: {constant: till}}", "`till` is no kind"),
        ("record: customers\nformat: {header: false}\nfields: {customer_id: a}", "`columns`"),
        ("record: customers\nformat: {type: parquet}\nfields: {customer_id: a}", "none of csv, ndjson, json, xml"),
        ("[1, 2", "is not YAML"), ("", "is empty"), ("- a", "must be a list of `key: value`"),
    ])
    func aMappingThatBreaksARuleIsRefused(yaml: String, words: String) {
        #expect(message(yaml).contains(words), "\(message(yaml))")
    }

    @Test func aCurrencyThatDoesNotExistIsRefused() {
        let yaml = "record: transactions\nfields: {transaction_id: a, event_time: b, customer_id: c, amount: d, currency: {constant: EURO}}"
        #expect(message(yaml).contains("`EURO` is no currency of ISO 4217"))
    }

    @Test func aColumnThatTheFileLacksIsRefusedAtTheStart() throws {
        let file = try folder.file("a.csv", "ID,x,x\n1,2,3\n")
        let lacking = #expect(throws: DatasetError.self) { try DatasetReader(file: file, mapping: customers()) }
        #expect(lacking?.message == "the mapping test names the column `id`, which \(file) lacks; did you mean `ID`?")
        let twice = try Mapping(parsing: "record: customers\nfields: {customer_id: x}", name: "test")
        let double = #expect(throws: DatasetError.self) { try DatasetReader(file: file, mapping: twice) }
        #expect(double?.message == "the mapping test names the column `x`, which \(file) has 2 times")
    }

    @Test func aMappingMayBeJSON() throws {
        let file = try folder.file("m.json", #"{"record": "customers", "fields": {"customer_id": {"column": "id", "prefix": "b7-"}}}"#)
        let mapping = try Mapping.load(file)
        #expect(try readAll(folder.file("a.csv", "id\n5\n"), mapping).map(\.customerID) == ["b7-5"])
    }

    func amounts(_ texts: [String], _ keys: String, currency: String = "EUR", file name: String = "a.csv") throws -> [Int64?] {
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields:
                  {transaction_id: i, event_time: t, customer_id: i, amount: {column: a\(keys)}, currency: {constant: \(currency)}}
                """, name: "test")
        let text =
            name.hasSuffix(".csv")
            ? "i;t;a\n" + texts.map { "1;2018-04-01;\($0)\n" }.joined() : texts.map { "{\"i\":1,\"t\":\"2018-04-01\",\"a\":\($0)}\n" }.joined()
        return try readAll(folder.file(name, text), mapping).map { $0.transaction?.amount.minorUnits }
    }

    @Test func groupsAreOfThreeDigitsOrAsInIndia() throws {
        let continental = ", decimal: \",\", group: \".\""
        #expect(try amounts(["1.234,50", "12.345.678", "999,9", "+1.000"], continental) == [123_450, 1_234_567_800, 99_990, 100_000])
        #expect(try amounts(["12.50", "99.95", ".5", "1.23.4567", "1234.567", "1.2345", "1,5.000", "1..000"], continental).allSatisfy { $0 == nil })
        #expect(try amounts(["12,34,567.50", "1,00,000", "1,234"], ", group: \",\"", currency: "INR") == [123_456_750, 10_000_000, 123_400])
        #expect(try amounts(["12,50", "1,2,3", ",5", "1,234,56", "1.5,0"], ", group: \",\"").allSatisfy { $0 == nil })
    }

    @Test func threeDecimalsWhereTheCurrencyHasFewerAreNotGuessed() throws {
        #expect(try amounts(["1.500", "12.000", "1.50", "1.5000", "1500"], "") == [nil, nil, 150, 150, 150_000])
        #expect(try amounts(["1.500", "1.501"], ", decimal: \".\"") == [150, nil])
        #expect(try amounts(["1.500"], ", decimal: \",\", group: \".\"") == [150_000])
        #expect(try amounts(["1.500"], "", currency: "KWD") == [1_500])
        #expect(try amounts(["1.500", "\"1.500\""], "", file: "a.ndjson") == [150, nil], "a number is a number")
    }

    static let bank = """
        record: transactions
        format: {delimiter: semicolon, missing: ["-", "NULL"]}
        fields:
          bank_id: {constant: b7}
          transaction_id: {columns: [DAY, NO], separator: "-"}
          event_time: {column: WHEN, format: "dd.MM.yyyy HH:mm", zone: Europe/Berlin}
          time_zone: {constant: Europe/Berlin}
          customer_id: {column: WHO, prefix: c-}
          counterparty_account_id: TO
          merchant_category_code: MCC
          channel: {column: HOW, map: {P: pos, A: atm}, otherwise: other}
          amount: {column: SUM, decimal: ",", group: ".", negate: true}
          currency: {column: CCY, default: EUR, map: {"€": EUR}}
          label.is_fraud: {column: BAD, true_words: [ja], false_words: [nein]}
          label.known_at: {column: WHEN, format: "dd.MM.yyyy HH:mm", zone: Europe/Berlin, plus: 36h}
        """

    func bank(_ row: String) throws -> DatasetItem {
        let text = "DAY;NO;WHEN;WHO;TO;MCC;HOW;SUM;CCY;BAD\n" + row + "\n"
        return try readAll(folder.file("b.csv", text), Mapping(parsing: Self.bank, name: "bank"))[0]
    }

    @Test func convertsWhatABankSends() throws {
        let item = try bank("0401;17;01.07.2018 09:30;596;DE12;5411;P;-1.234,56;€;ja")
        let time = Timestamp(iso8601: "2018-07-01T07:30:00Z")!
        let transaction = Transaction(
            key: TransactionKey(bankID: "b7", transactionID: "0401-17"), eventTime: time, timeZone: "Europe/Berlin", customerID: "c-596",
            merchantCategoryCode: MerchantCategoryCode("5411"), counterpartyAccountID: "DE12", channel: .pos,
            amount: Money(minorUnits: 123_456, currency: .eur))
        let label = Label(key: transaction.key, isFraud: true, knownAt: time + .hours(36), source: "import")
        #expect(item.outcome == .record(.transaction(LabelledTransaction(transaction: transaction, label: label))))
    }

    @Test(arguments: [
        ("2026-11-01T10:00:00+05:30", "AT", "+05:30"), ("2026-11-01T10:00:00.5-0330", "AT", "-03:30"), ("2026-11-01T10:00:00Z", "AT", nil),
        ("2026-11-01T10:00:00+00:00", "{column: AT, zone: Asia/Kolkata}", "Asia/Kolkata"), ("2026-11-01 10:00:00", "AT", nil),
        ("2026-11-01T10:00:00+02:00", "{column: AT, zone: Asia/Kolkata}", "+02:00"),
        ("01.11.2026 10:00+05:45", "{column: AT, format: dd.MM.yyyy HH:mmXXX}", "+05:45"),
    ])
    func theOffsetThatATimeStatesIsItsZone(text: String, field: String, zone: String?) throws {
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields: {transaction_id: ID, event_time: \(field), customer_id: ID, amount: ID, currency: {constant: EUR}}
                """, name: "test")
        let now = try #require(Timestamp(iso8601: "2026-12-01T00:00:00Z"))
        let file = try folder.file("z.csv", "ID,AT\n1,\(text)\n")
        let rows = try Dataset.transactions(file: file, mapping: mapping, options: ReadOptions(now: now))
        #expect(rows.first?.transaction.timeZone == zone)
    }

    @Test func missingValuesAreAbsentAndAnOpenLabelIsNone() throws {
        let item = try bank("0401;17;01.07.2018 09:30;596;-;NULL;X;-5;;")
        #expect(item.transaction?.counterpartyAccountID == nil)
        #expect(item.transaction?.merchantCategoryCode == nil)
        #expect(item.transaction?.channel == .other)
        #expect(item.transaction?.amount == Money(minorUnits: 500, currency: .eur))
        guard case .record(.transaction(let row)) = item.outcome else { return }
        #expect(row.label == nil)
    }

    @Test(arguments: [
        ("0401;17;2018-07-01;596;-;-;P;-5;EUR;", "transaction.event_time", "2018-07-01", "is not a date and time in the form dd.MM.yyyy HH:mm"),
        ("0401;17;;596;-;-;P;-5;EUR;", "transaction.event_time", "", "is missing"),
        ("0401;17;01.07.2018 09:30;-;-;-;P;-5;EUR;", "transaction.customer_id", "", "is missing"),
        ("0401;17;01.07.2018 09:30;596;-;-;P;-5x;EUR;", "transaction.amount.minor_units", "-5x", "is not a decimal number"),
        ("0401;17;01.07.2018 09:30;596;-;-;P;-5,001;EUR;", "transaction.amount.minor_units", "-5,001", "has more than 2 decimals"),
        ("0401;17;01.07.2018 09:30;596;-;-;P;5;EUR;", "transaction.amount.minor_units", "5", "is negative, since the mapping says `negate`"),
        ("0401;17;01.07.2018 09:30;596;-;-;P;;EUR;", "transaction.amount.minor_units", "", "is missing"),
        ("0401;17;01.07.2018 09:30;596;-;-;P;-5;ABC;", "transaction.amount.currency", "ABC", "is not a currency code of ISO 4217"),
        (
            "0401;17;01.07.2018 09:30;596;-;54;P;-5;EUR;", "transaction.merchant_category_code", "54",
            "is not a merchant category code of four digits (ISO 18245)"
        ),
        ("0401;17;01.07.2018 09:30;596;-;-;P;-5;EUR;vielleicht", "label.is_fraud", "****ht", "is neither true nor false; known are ja, nein"),
        ("0401;17;01.07.2031 09:30;596;-;-;P;-5;EUR;", "transaction.event_time", "01.07.2031 09:30", "is in the future"),
        ("0401;17;01.07.1931 09:30;596;-;-;P;-5;EUR;", "transaction.event_time", "01.07.1931 09:30", "is before 1990-01-01"),
        ("0401;17;01.07.2018 09:30;596;12\u{7}34567890;-;P;-5;EUR;", "transaction.counterparty_account_id", "****90", "contains a control character"),
    ])
    func eachFaultNamesFieldValueAndReason(row: String, field: String, value: String, reason: String) throws {
        let rejection = try #require(try bank(row).rejections.first)
        #expect(rejection.field == field)
        #expect(rejection.value == value)
        #expect(rejection.reason == reason)
    }

    @Test(arguments: [
        ("SUM", "NaN"), ("SUM", "inf"), ("SUM", "-1e400"), ("SUM", "-99999999999999999999"), ("SUM", "-0x10"), ("SUM", "- 5"),
        ("WHEN", "31.02.2018 09:30"), ("WHEN", "00.00.0000 00:00"), ("WHEN", "01.07.2018 24:61"), ("WHEN", "01.07.99999 09:30"),
        ("WHEN", "gestern"), ("WHO", String(repeating: "9", count: 1_000)), ("NO", String(repeating: "9", count: 1_000)), ("WHO", "5\u{0}9"),
        ("TO", String(repeating: "x", count: 1_000)), ("MCC", "NaN"), ("CCY", "EURO"), ("BAD", "2"),
    ])
    func nothingAbsurdPassesForAValue(column: String, value: String) throws {
        var cells = ["DAY": "0401", "NO": "17", "WHEN": "01.07.2018 09:30", "WHO": "596", "TO": "-", "MCC": "-", "HOW": "P", "SUM": "-5", "CCY": "EUR"]
        cells[column] = value
        let row = ["DAY", "NO", "WHEN", "WHO", "TO", "MCC", "HOW", "SUM", "CCY", "BAD"].map { cells[$0] ?? "" }.joined(separator: ";")
        let rejection = try #require(try bank(row).rejections.first, "\(value) passed as \(column)")
        #expect(!rejection.field.isEmpty || !rejection.column.isEmpty)
        #expect(!rejection.reason.isEmpty)
    }

    @Test func whatIsRefusedShowsTheWholeRowWithPeopleMasked() throws {
        let content = try #require(try bank("0401;17;01.07.2018 09:30;59612345678;-;-;P;x;EUR;").content)
        #expect(content.id == "0401-17")
        #expect(content.values.contains { $0.field == "transaction.customer_id" && $0.text == "****78" })
        #expect(content.values.contains { $0.field == "transaction.amount.minor_units" && $0.text == "x" })
        #expect(!content.values.contains { $0.text.contains("596123") })
    }

    @Test func aMappingFileThatIsNotThereIsNoUnknownName() throws {
        let fault = #expect(throws: DatasetError.self) { try Mapping.load("/nowhere/ours.yaml") }
        #expect(fault?.message == "cannot open the mapping /nowhere/ours.yaml: no such file")
        let unknown = #expect(throws: DatasetError.self) { try Mapping.load("handbook-transaction") }
        #expect(unknown?.message.contains("did you mean `handbook-transactions`?") == true)
    }

    @Test func knowsTheClockChangesOfAZone() throws {
        let mapping = try Mapping(
            parsing: "record: labels\nfields: {transaction_id: id, is_fraud: f, known_at: {column: t, zone: Europe/Berlin}}", name: "z")
        let text = """
            id,f,t
            1,0,2018-03-25 01:59:59
            2,0,2018-03-25 02:30:00
            3,0,2018-03-25 03:00:00
            4,0,2018-10-28 02:30:00
            5,0,2018-10-28 03:00:00
            6,1,2018-07-01T00:00:00Z
            7,,2018-07-01
            """
        let times = try readAll(folder.file("z.csv", text), mapping).map { item in
            if case .record(.label(let label)) = item.outcome { label.knownAt.iso8601 } else { "none" }
        }
        #expect(
            times == [
                "2018-03-25T00:59:59Z", "2018-03-25T01:30:00Z", "2018-03-25T01:00:00Z", "2018-10-28T00:30:00Z", "2018-10-28T02:00:00Z",
                "2018-07-01T00:00:00Z", "none",
            ])
    }

    @Test(arguments: [
        ("unix", "1522540831", "2018-04-01T00:00:31Z"), ("unix_ms", "1522540831250", "2018-04-01T00:00:31.250Z"),
        ("unix", "1522540831.5", "2018-04-01T00:00:31.500Z"), ("MM/dd/yy hh:mm a", "04/01/18 12:05 PM", "2018-04-01T12:05:00Z"),
        ("d MMM yyyy H:mm:ss.SSS", "1 Apr 2018 7:05:09.125", "2018-04-01T07:05:09.125Z"),
        ("yyyyMMdd'T'HHmmssXXX", "20180401T053031+05:30", "2018-04-01T00:00:31Z"),
    ])
    func readsTimesInManyForms(format: String, text: String, expected: String) throws {
        let mapping = try Mapping(
            parsing: "record: labels\nfields: {transaction_id: id, is_fraud: f, known_at: {column: t, format: \"\(format)\"}}", name: "t")
        let items = try readAll(folder.file("t.csv", "id;f;t\n1;yes;\(text)\n2;no;x\(text)\n"), mapping)
        guard case .record(.label(let label)) = items[0].outcome else {
            Issue.record("\(items[0])")
            return
        }
        #expect(label.knownAt.iso8601 == expected)
        #expect(label.isFraud)
        #expect(items[1].rejections.map(\.field) == ["label.known_at"])
    }

    @Test func merchantsAreRead() throws {
        let mapping = try Mapping(
            parsing: "record: merchants\nfields: {merchant_id: id, name: n, merchant_category_code: c, city: o}", name: "m")
        let items = try readAll(folder.file("m.csv", "id,n,c,o\nM1,Asha Sweets,5441,Solapur\nM2,,,\n,x,5441,\nM4,x,54,\n"), mapping)
        let merchant = Merchant(
            merchantID: "M1", name: "Asha Sweets", merchantCategoryCode: MerchantCategoryCode("5441"), city: "Solapur")
        #expect(items[0].outcome == .record(.merchant(merchant)))
        #expect(items[1].outcome == .record(.merchant(Merchant(merchantID: "M2"))))
        #expect(items[2].rejections.map(\.field) == ["merchant.merchant_id"])
        #expect(items[3].rejections.map(\.field) == ["merchant.merchant_category_code"])
        #expect(items[3].content?.id == "M4")
    }

    @Test func contextSignalsTakeAnyAttributeAndComplaintsAListOfAccounts() throws {
        let context = try Mapping(
            parsing: "record: context\nfields: {signal_id: id, kind: {constant: festival}, starts_at: t, attributes.name: n, value: v}", name: "c")
        let items = try readAll(folder.file("c.csv", "id,t,n,v\ns1,2018-11-07,Diwali,0.5\ns2,2018-11-07,,x\n"), context)
        #expect(
            items[0].outcome
                == .record(
                    .contextSignal(
                        ContextSignal(
                            signalID: "s1", kind: "festival", start: Timestamp(iso8601: "2018-11-07")!, value: 0.5,
                            attributes: ["name": "Diwali"]))))
        #expect(items[1].rejections.map(\.field) == ["context_signal.value"])
        let complaints = try Mapping(
            parsing: """
                record: complaints
                fields:
                  {complaint_id: {row_number: true, prefix: r-}, crime_type: k, occurred_at: t, suspect_account_ids: {column: a, split: "|"}}
                """, name: "p")
        let rows = try readAll(folder.file("p.csv", "k,t,a\nupi,2018-11-07,\"A1| A2\"\n"), complaints)
        guard case .record(.complaint(let complaint)) = rows[0].outcome else {
            Issue.record("\(rows[0])")
            return
        }
        #expect(complaint.complaintID == "r-1")
        #expect(complaint.suspectAccountIDs == ["A1", "A2"])
        #expect(complaint.reportedAt == complaint.occurredAt)
    }

    @Test func whatARecordsOwnRulesRefuseNamesItsColumns() throws {
        let folder = try TemporaryFolder()
        let mapping = try Mapping(
            parsing: """
                record: transactions
                fields:
                  {bank_id: bank, transaction_id: {columns: [tx, part]}, event_time: at, customer_id: who, terminal_id: till, amount: sum,
                  currency: {constant: EUR}, location.latitude: lat, location.longitude: lon}
                """, name: "test")
        let long = String(repeating: "x", count: 129)
        let file = try folder.file("long.csv", "bank,tx,part,at,who,till,sum,lat,lon\n\(long),\(long),2,1980-01-01,\(long),\(long),-1,91,181\n")
        let rejections = try #require(try readAll(file, mapping).first).rejections
        let columns = Dictionary(rejections.map { ($0.field, $0.column) }) { first, _ in first }
        #expect(columns == [
            "transaction.key.bank_id": "bank", "transaction.key.transaction_id": "tx+part", "transaction.event_time": "at",
            "transaction.customer_id": "who", "transaction.terminal_id": "till", "transaction.amount.minor_units": "sum",
            "transaction.location.latitude": "lat", "transaction.location.longitude": "lon",
        ])
        #expect(rejections.first { $0.column == "bank" }?.value.hasPrefix("xxx") == true)
        let places = try Mapping(
            parsing: """
                record: complaints
                fields: {complaint_id: id, crime_type: what, occurred_at: at, suspect_account_ids: {column: who, split: ";"}}
                """, name: "test")
        let suspects = try folder.file("suspects.csv", "id,what,at,who\n1,fraud,2020-01-01,a;\(long)\n")
        #expect(try readAll(suspects, places).first?.rejections.map(\.column) == ["who"])
        let terminals = try Mapping(
            parsing: """
                record: terminals
                fields: {terminal_id: id, kind: {constant: atm}, location.latitude: lat, location.longitude: lon}
                """, name: "test")
        let nowhere = try folder.file("nowhere.csv", "id,lat,lon\n1,,\n")
        #expect(try readAll(nowhere, terminals).first?.rejections.map { "\($0.field) \($0.column)" } == ["terminal.location lat+lon"])
        #expect(terminals.columnLabel(of: "terminal.kind") == "(constant)" && terminals.columnLabel(of: "terminal.city").isEmpty)
        #expect(terminals.columnLabel(of: "").isEmpty)
    }
}
