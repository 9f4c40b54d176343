import Foundation
import Records
import Testing

@testable import Datasets

@Suite struct XMLTests {
    /// Written from the published message definition pacs.008.001.08.
    private static let transfers = """
        <?xml version="1.0" encoding="UTF-8"?>
        <Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">
          <FIToFICstmrCdtTrf>
            <GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm><NbOfTxs>2</NbOfTxs></GrpHdr>
            <CdtTrfTxInf>
              <PmtId><InstrId>I-1</InstrId><EndToEndId>E-1</EndToEndId><TxId>T-1</TxId></PmtId>
              <IntrBkSttlmAmt Ccy="EUR">1250.50</IntrBkSttlmAmt>
              <AccptncDtTm>2026-03-02T10:15:00+01:00</AccptncDtTm>
              <Dbtr><Nm>Müller &amp; Söhne</Nm><Id><OrgId><Othr><Id>ORG-7</Id></Othr></OrgId></Id></Dbtr>
              <DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>
              <DbtrAgt><FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></DbtrAgt>
              <CdtrAgt><FinInstnId><BICFI>WESTGB22</BICFI></FinInstnId></CdtrAgt>
              <CdtrAcct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></CdtrAcct>
            </CdtTrfTxInf>
            <CdtTrfTxInf>
              <PmtId><EndToEndId>E-2</EndToEndId></PmtId>
              <IntrBkSttlmAmt Ccy="JPY">900</IntrBkSttlmAmt>
              <Dbtr><Nm>Someone</Nm></Dbtr>
              <DbtrAcct><Id><Othr><Id>0001234</Id></Othr></Id></DbtrAcct>
              <CdtrAcct><Id><IBAN>DE00370400440532013000</IBAN></Id></CdtrAcct>
            </CdtTrfTxInf>
          </FIToFICstmrCdtTrf>
        </Document>
        """

    private func read(_ text: String, mapping: String) throws -> [DatasetItem] {
        try withTemporaryFile(Data(text.utf8)) { path in
            let reader = try DatasetReader(file: path, mapping: .load(mapping), options: ReadOptions(bankID: "bank"))
            var items: [DatasetItem] = []
            while let item = try reader.next() { items.append(item) }
            return items
        }
    }

    private func withTemporaryFile<R>(_ data: Data, _ body: (String) throws -> R) throws -> R {
        let file = FileManager.default.temporaryDirectory.appending(path: "vigil-xml-\(UUID().uuidString).xml")
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path)
    }

    private func transaction(_ item: DatasetItem) throws -> Transaction {
        guard case .record(.transaction(let row)) = item.outcome else { throw Mismatch(item: "\(item.outcome)") }
        return row.transaction
    }

    private struct Mismatch: Error {
        let item: String
    }

    @Test func creditTransfersBetweenBanksAreTransactions() throws {
        let items = try read(Self.transfers, mapping: "iso20022-pacs008")
        #expect(items.count == 2)
        let first = try transaction(items[0])
        #expect(first.key == TransactionKey(bankID: "bank", transactionID: "T-1"))
        #expect(first.amount == Money(minorUnits: 125_050, currency: .eur))
        #expect(first.eventTime == Timestamp(iso8601: "2026-03-02T09:15:00Z"))
        #expect(first.timeZone == "+01:00" && first.utcOffsetSeconds == 3_600)
        #expect(first.customerID == "ORG-7")
        #expect(first.accountID == "DE89370400440532013000")
        #expect(first.counterpartyAccountID == "GB82WEST12345698765432")
        #expect(first.channel == .transfer)
        #expect(first.details == TransactionDetails(debtorAgentBIC: BIC("COBADEFFXXX"), creditorAgentBIC: BIC("WESTGB22")))
    }

    @Test func wrongCheckDigitsOfAnIBANAreRefusedAndNotShown() throws {
        let items = try read(Self.transfers, mapping: "iso20022-pacs008")
        guard case .rejected(let why) = items[1].outcome else { throw Mismatch(item: "\(items[1].outcome)") }
        #expect(why.map(\.field) == ["transaction.counterparty_account_id"])
        #expect(why[0].reason == "is an IBAN with wrong check digits")
        #expect(why[0].value == "****00")
    }

    @Test func whatStandsInTheBatchBelongsToItsOwnRowsOnly() throws {
        func batch(_ customer: String, _ ids: [String]) -> String {
            let rows = ids.map {
                "<CdtTrfTxInf><PmtId><EndToEndId>\($0)</EndToEndId></PmtId><Amt><InstdAmt Ccy=\"INR\">10</InstdAmt></Amt></CdtTrfTxInf>"
            }
            return "<PmtInf><Dbtr><Id><PrvtId><Othr><Id>\(customer)</Id></Othr></PrvtId></Id></Dbtr>\(rows.joined())</PmtInf>"
        }
        let items = try read(
            """
            <Document><CstmrCdtTrfInitn><GrpHdr><MsgId>M</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr>
            \(batch("A", ["1", "2"]))\(batch("B", ["3"]))<PmtInf>\(batch("", ["4"]).dropFirst(8))</CstmrCdtTrfInitn></Document>
            """, mapping: "iso20022-pain001")
        #expect(try items.prefix(3).map { try transaction($0).customerID } == ["A", "A", "B"])
        guard case .rejected(let why) = items[3].outcome else { throw Mismatch(item: "\(items[3].outcome)") }
        #expect(why.map(\.field) == ["transaction.customer_id"])
    }

    /// Written from the published message definition pain.001.001.09: AmountType4Choice.
    @Test func anEquivalentAmountIsWhatLeavesTheDebtorsAccount() throws {
        func order(_ id: String, _ amount: String) -> String {
            "<CdtTrfTxInf><PmtId><EndToEndId>\(id)</EndToEndId></PmtId><Amt>\(amount)</Amt></CdtTrfTxInf>"
        }
        let items = try read(
            """
            <Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>
            <GrpHdr><MsgId>M</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr>
            <PmtInf><DbtrAcct><Id><Othr><Id>7</Id></Othr></Id><Ccy>INR</Ccy></DbtrAcct>
            \(order("1", "<EqvtAmt><Amt Ccy=\"INR\">8300.50</Amt><CcyOfTrf>JPY</CcyOfTrf></EqvtAmt>"))
            \(order("2", "<InstdAmt Ccy=\"EUR\">10</InstdAmt>"))
            \(order("3", "<EqvtAmt><Amt>5</Amt><CcyOfTrf>JPY</CcyOfTrf></EqvtAmt>"))
            </PmtInf></CstmrCdtTrfInitn></Document>
            """, mapping: "iso20022-pain001")
        #expect(try transaction(items[0]).amount == Money(minorUnits: 830_050, currency: .inr))
        #expect(try transaction(items[1]).amount == Money(minorUnits: 1_000, currency: .eur), "nothing of the order before it")
        guard case .rejected(let why) = items[2].outcome else { throw Mismatch(item: "\(items[2].outcome)") }
        #expect(why.map(\.field) == ["transaction.amount.currency"] && why[0].reason == "is missing", "CcyOfTrf is not the amount's own currency")
    }

    @Test func onlyStatusesOfFraudAreLabels() throws {
        func status(_ id: String, _ codes: String...) -> String {
            let reasons = codes.map { "<StsRsnInf><Rsn><Cd>\($0)</Cd></Rsn></StsRsnInf>" }.joined()
            return "<TxInfAndSts><OrgnlTxId>\(id)</OrgnlTxId><TxSts>RJCT</TxSts>\(reasons)</TxInfAndSts>"
        }
        let items = try read(
            """
            <Document><FIToFIPmtStsRpt><GrpHdr><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr>
            \(status("T-1", "FRAD"))\(status("T-2", "AC04"))\(status("T-3", "FRAD", "AM04"))\(status("T-4", "AM04", "FR01"))\(status("T-5"))
            </FIToFIPmtStsRpt></Document>
            """, mapping: "iso20022-pacs002")
        guard case .record(.label(let label)) = items[0].outcome else { throw Mismatch(item: "\(items[0].outcome)") }
        #expect(label.isFraud && label.key.transactionID == "T-1" && label.source == "pacs.002")
        #expect(items[1].outcome == .nothing && items[4].outcome == .nothing)
        for (item, id) in zip(items[2...3], ["T-3", "T-4"]) {
            guard case .record(.label(let label)) = item.outcome else { throw Mismatch(item: "\(item.outcome)") }
            #expect(label.isFraud && label.key.transactionID == id, "of several reasons any counts")
        }
    }

    @Test func aReportGoesByTheNameOfTheTransferThatItIsOf() throws {
        let head = "<GrpHdr><MsgId>R</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr>"
        let group = "<OrgnlGrpInfAndSts><OrgnlMsgId>TA</OrgnlMsgId><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts>"
        func status(_ ids: String, _ word: String) -> String {
            "<TxInfAndSts>\(ids)\(word)<StsRsnInf><Rsn><Cd>FRAD</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        }
        let own = "<OrgnlGrpInf><OrgnlMsgId>TB</OrgnlMsgId></OrgnlGrpInf><OrgnlInstrId>1</OrgnlInstrId>"
        let items = try read(
            "<Document><FIToFIPmtStsRpt>\(head)\(group)"
                + status("<OrgnlInstrId>1</OrgnlInstrId><OrgnlTxId>T</OrgnlTxId><OrgnlUETR>U</OrgnlUETR>", "<TxSts>RJCT</TxSts>")
                + status("<OrgnlInstrId>1</OrgnlInstrId><OrgnlTxId>T</OrgnlTxId>", "<TxSts>BLCK</TxSts>")
                + status("<OrgnlInstrId>1</OrgnlInstrId>", "") + status(own, "<TxSts>CANC</TxSts>") + status(own, "<TxSts>PDNG</TxSts>")
                + "</FIToFIPmtStsRpt></Document>", mapping: "iso20022-pacs002")
        let names = items.map { item in if case .record(.label(let label)) = item.outcome { label.key.transactionID } else { "" } }
        #expect(names == ["U", "T", "1-TA", "1-TB", ""] && items[4].outcome == .nothing)
        func transfers(_ ids: String) throws -> String {
            let text = Self.transfers.replacing("<InstrId>I-1</InstrId><EndToEndId>E-1</EndToEndId><TxId>T-1</TxId>", with: ids)
            return try transaction(read(text, mapping: "iso20022-pacs008")[0]).key.transactionID
        }
        #expect(try transfers("<InstrId>I</InstrId><TxId>T</TxId><UETR>U</UETR>") == "U")
        #expect(try transfers("<InstrId>I</InstrId><TxId>T</TxId>") == "T")
        #expect(try transfers("<InstrId>I</InstrId><TxId>NOTPROVIDED</TxId>") == "I-M-1")
    }

    @Test(arguments: ["3", "1", "two"]) func aMessageThatHasNotAsManyRowsAsItSaysIsTold(count: String) throws {
        let text = Self.transfers.replacing("<NbOfTxs>2<", with: "<NbOfTxs>\(count)<")
        let items = try read(text, mapping: "iso20022-pacs008")
        #expect(items.count == 3 && items.map(\.position.row) == [1, 2, 3] && items[0].isRecord)
        #expect(
            items[2].rejections == [
                Rejection(
                    field: "", column: "GrpHdr/NbOfTxs", value: "",
                    reason: "says \(count), and its message has 2" + (count == "3" ? ": was a row lost on the way?" : ""))
            ])
        #expect(try read(Self.transfers, mapping: "iso20022-pacs008").count == 2)
        // Each message by itself, and one that an import goes on in.
        let both = "<Batch>\(text)\(Self.transfers)</Batch>".replacing("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", with: "")
        #expect(try read(both, mapping: "iso20022-pacs008").map(\.isRecord) == [true, false, false, true, false])
        let resumed = try withTemporaryFile(Data(both.utf8)) { path in
            let reader = try DatasetReader(file: path, mapping: .load("iso20022-pacs008"), options: ReadOptions(bankID: "bank"))
            try reader.skip(to: RowPosition(row: 4, line: 0, byteOffset: 0))
            return try #require(try reader.next())
        }
        #expect(resumed.isRecord && resumed.position.row == 4)
    }

    @Test(arguments: [(String.Encoding.utf16LittleEndian, [0xFF, 0xFE]), (.utf16BigEndian, [0xFE, 0xFF])] as [(String.Encoding, [UInt8])])
    func xmlInUTF16IsRead(encoding: String.Encoding, mark: [UInt8]) throws {
        let text = Self.transfers.replacing("UTF-8", with: "UTF-16")
        let data = try Data(mark) + #require(text.data(using: encoding))
        let item = try withTemporaryFile(data) { path in
            try DatasetReader(file: path, mapping: .load("iso20022-pacs008"), options: ReadOptions(bankID: "bank")).next()
        }
        #expect(try transaction(#require(item)).key.transactionID == "T-1")
    }

    @Test func whatIsNotProvidedNamesNoTransfer() throws {
        func transfer(_ ids: String) -> String {
            "<CdtTrfTxInf><PmtId>\(ids)</PmtId><IntrBkSttlmAmt Ccy=\"EUR\">5</IntrBkSttlmAmt>"
                + "<DbtrAcct><Id><Othr><Id>7</Id></Othr></Id></DbtrAcct></CdtTrfTxInf>"
        }
        let none = "<EndToEndId>NOTPROVIDED</EndToEndId>"
        func message(_ id: String) -> String {
            "<Document><FIToFICstmrCdtTrf><GrpHdr><MsgId>\(id)</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr>"
                + transfer(none) + transfer(none) + transfer("<InstrId>I-1</InstrId>" + none) + "</FIToFICstmrCdtTrf></Document>"
        }
        // Two messages, each beside its business header.
        let header = "<AppHdr><BizMsgIdr>B</BizMsgIdr><CreDt>2020-01-01T00:00:00Z</CreDt></AppHdr>"
        let text = "<Batch><BizMsg>\(header)\(message("M-1"))</BizMsg><BizMsg>\(header)\(message("M-2"))</BizMsg></Batch>"
        for _ in 1...2 {
            let ids = try read(text, mapping: "iso20022-pacs008").map { try transaction($0).key.transactionID }
            #expect(ids == ["M-1-1", "M-1-2", "I-1-M-1", "M-2-1", "M-2-2", "I-1-M-2"])
        }
    }

    @Test func oneReferenceForManyOrdersMakesManyPayments() throws {
        let salary = """
            <CdtTrfTxInf><PmtId><InstrId>1</InstrId><EndToEndId>SALARY</EndToEndId></PmtId><Amt><InstdAmt Ccy="EUR">2000</InstdAmt></Amt></CdtTrfTxInf>
            """
        func message(_ id: String) -> String {
            """
            <Document><CstmrCdtTrfInitn><GrpHdr><MsgId>\(id)</MsgId><CreDtTm>2026-03-02T10:15:30Z</CreDtTm></GrpHdr><PmtInf><PmtInfId>B</PmtInfId>
            <DbtrAcct><Id><Othr><Id>7</Id></Othr></Id></DbtrAcct>\(salary)\(salary)</PmtInf></CstmrCdtTrfInitn></Document>
            """
        }
        let ids = try ["M-1", "M-2"].flatMap { try read(message($0), mapping: "iso20022-pain001").map { try transaction($0).key.transactionID } }
        #expect(ids == ["M-1-B-1", "M-1-B-2", "M-2-B-1", "M-2-B-2"])
    }

    @Test func aStatusOfTheWholeGroupHasNoRows() throws {
        let report = "<Document><FIToFIPmtStsRpt><GrpHdr/><OrgnlGrpInfAndSts><GrpSts>RJCT</GrpSts></OrgnlGrpInfAndSts></FIToFIPmtStsRpt></Document>"
        #expect(try read(report, mapping: "iso20022-pacs002").isEmpty)
        #expect(throws: DatasetError.self) { try read(report.replacing("FIToFIPmtStsRpt", with: "Other"), mapping: "iso20022-pacs002") }
    }

    @Test func aRowMayHaveADocumentAmongItsElements() throws {
        let mapping = try Mapping(
            parsing: "record: customers\nformat: {type: xml, records: Person}\nfields: {customer_id: Person/Document/Number}", name: "test")
        let text = "<People><Person><Document><Number>1</Number></Document></Person><Person><Document><Number>2</Number></Document></Person></People>"
        let customers = try withTemporaryFile(Data(text.utf8)) { try Dataset.customers(file: $0, mapping: mapping) }
        #expect(customers.map(\.customerID) == ["1", "2"])
    }

    @Test func entitiesAreRefusedBeforeTheyGrow() throws {
        var bomb = "<!DOCTYPE d [<!ENTITY a0 \"ha\">"
        for level in 1...30 { bomb += "<!ENTITY a\(level) \"&a\(level - 1);&a\(level - 1);\">" }
        bomb += "]><Document><M><CdtTrfTxInf><PmtId><TxId>&a30;</TxId></PmtId></CdtTrfTxInf></M></Document>"
        for text in [bomb, "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Document/>"] {
            let error = #expect(throws: DatasetError.self) { try read(text, mapping: "iso20022-pacs008") }
            // libxml2 may notice the growth before the declaration is looked at.
            #expect(error?.code == .unsupported || error?.code == .corrupt)
        }
    }

    @Test func aMessageOfAnotherKindIsNotAnEmptyFile() throws {
        let error = #expect(throws: DatasetError.self) {
            try read("<Document><FIToFIPmtStsRpt><TxInfAndSts/></FIToFIPmtStsRpt></Document>", mapping: "iso20022-pacs008")
        }
        #expect(error?.message.contains("has no element CdtTrfTxInf") == true)
    }

    @Test func aFileCutShortOrBrokenSaysWhere() throws {
        let start = try #require(Self.transfers.range(of: "<CdtTrfTxInf>")).upperBound, last = try #require(Self.transfers.range(of: "</Document>")).lowerBound
        let whole = Self.transfers[..<last]
        for length in stride(from: Self.transfers.distance(from: whole.startIndex, to: start), to: whole.count, by: 7) {
            try withTemporaryFile(Data(whole.prefix(length).utf8)) { path in
                let reader = try DatasetReader(file: path, mapping: .load("iso20022-pacs008"))
                let error = #expect(throws: DatasetError.self) { while try reader.next() != nil {} }
                let isTold = error?.message.contains("ends in the middle of its XML, on line ") == true
                #expect(error?.code == .truncated && isTold, "\(length): \(error?.message ?? "")")
            }
        }
        for text in ["<Document><M></Document>", "<a>" + String(repeating: "<b>", count: 500)] {
            #expect(throws: DatasetError.self) { try read(text, mapping: "iso20022-pacs008") }
        }
    }

    @Test func bankIdentifiersAreChecked() {
        #expect(IBAN("GB82 WEST 1234 5698 7654 32")?.description == "GB82WEST12345698765432")
        #expect(IBAN("GB83WEST12345698765432") == nil)
        #expect(IBAN("") == nil && IBAN("DE89") == nil && IBAN("DE89 3704 0044 0532 0130 0\u{00e9}") == nil)
        #expect(BIC("DEUTDEFF") != nil && BIC("DEUTDEFF500") != nil)
        #expect(BIC("DEUTDEF") == nil && BIC("DEUT1EFF") == nil && BIC("deutdeff") == nil)
    }
}
