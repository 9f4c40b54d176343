import Foundation
import Records
import Testing

@testable import Datasets

@Suite struct ProposalTests {
    @Test func aProposedMappingReadsTheFileItWasMadeFor() throws {
        let text = """
            txn_id;Booking Date;cust_id;Amount;Currency;MCC;Remark;Merchant;Terminal
            A-1;28.02.2026 10:11:12;C1;1.250,50;EUR;5411;x;M-7;T-1
            A-2;01.03.2026 23:59:59;C2;3,00;EUR;6011;;;T-2
            """
        try withFile(text) { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            #expect(proposal.open == [])
            #expect(proposal.yaml.contains("# Not used: Remark"))
            let mapping = try Mapping(parsing: proposal.yaml, name: "proposed")
            let rows = try Dataset.transactions(file: path, mapping: mapping, options: ReadOptions(now: Timestamp(seconds: 1_800_000_000)))
            #expect(rows.map(\.transaction.amount.minorUnits) == [125_050, 300])
            #expect(rows[0].transaction.key.transactionID == "A-1")
            #expect(rows.map(\.transaction.merchantID) == ["M-7", nil] && rows.map(\.transaction.terminalID) == ["T-1", "T-2"])
            #expect(rows[1].transaction.merchantCategoryCode?.description == "6011")
            #expect(rows[1].transaction.eventTime == Timestamp(iso8601: "2026-03-01T23:59:59Z"))
        }
    }

    @Test func columnsByTheirShortNamesAreKnown() throws {
        let text = "Txn Ref,Booked At,Client,Account IBAN,Amt,Curr\nA,2026-03-01 10:00:00,C,DE89370400440532013000,5.00,EUR\n"
        let proposal = try withFile(text) { try MappingProposal(file: $0, kind: .transactions) }
        #expect(proposal.open == [])
        for line in ["transaction_id: \"Txn Ref\"", "event_time: \"Booked At\"", "account_id: \"Account IBAN\"", "currency: Curr"] {
            #expect(proposal.yaml.contains("  \(line)\n"), "\(line)")
        }
    }

    @Test func coordinatesWithDecimalCommasAreProposedAsSuch() throws {
        try withFile("atm_id;kind;lat;lon\nT1;atm;48,137154;11,576124\nT2;atm;48,2;11,6\n") { path in
            let proposal = try MappingProposal(file: path, kind: .terminals)
            #expect(proposal.yaml.contains("  location.latitude: {column: lat, decimal: \",\"}\n"))
            let items = try readAll(path, Mapping(parsing: proposal.yaml, name: "proposed"))
            guard case .record(.terminal(let terminal))? = items.first?.outcome else { throw CocoaError(.featureUnsupported) }
            #expect(terminal.location == Coordinate(latitude: 48.137154, longitude: 11.576124))
        }
    }

    @Test(arguments: [
        ("{\"payment\":{\"id\":\"P1\"},\"client\":{\"id\":\"C\"},\"sender\":{\"id\":\"K\"},REST}", ["payment.id", "client.id", "sender.id"]),
        ("{\"payment.id\":\"P1\",\"client.id\":\"C\",\"sender.id\":\"K\",REST}", ["\"/payment.id\"", "\"/client.id\"", "\"/sender.id\""]),
    ])
    func idsInObjectsAndWithDotsInTheirNamesAreProposed(row: String, columns: [String]) throws {
        let rest = "\"ts\":\"2026-03-01T10:00:00Z\",\"amount\":5.5,\"currency\":\"EUR\""
        try withFile(row.replacing("REST", with: rest) + "\n") { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            for (field, column) in zip(["transaction_id", "customer_id", "account_id"], columns) {
                #expect(proposal.yaml.contains("  \(field): \(column)\n"), "\(proposal.yaml)")
            }
            let rows = try Dataset.transactions(file: path, mapping: Mapping(parsing: proposal.yaml, name: "proposed"))
            #expect(rows.map(\.transaction.key.transactionID) == ["P1"] && rows.map(\.transaction.customerID) == ["C"])
        }
    }

    @Test func districtsInGeoJSONAreProposedWithTheirRings() throws {
        let square = "[[[0,0],[0,1],[1,1],[0,0]]]"
        let text = """
            {"type":"FeatureCollection","features":[{"type":"Feature","id":"D1","properties":{"name":"North"},
            "geometry":{"type":"Polygon","coordinates":\(square)}}]}
            """
        try withFile(text) { path in
            let proposal = try MappingProposal(file: path, kind: .jurisdictions)
            #expect(proposal.open == [])
            for line in ["jurisdiction_id: id", "name: properties.name", "rings: geometry"] {
                #expect(proposal.yaml.contains("  \(line)\n"), "\(line)")
            }
            let reader = try DatasetReader(file: path, mapping: Mapping(parsing: proposal.yaml, name: "proposed"))
            guard case .record(.jurisdiction(let district))? = try reader.next()?.outcome else { throw CocoaError(.featureUnsupported) }
            #expect(district.id == "D1" && district.rings.count == 1)
        }
    }

    @Test func aBadValueDoesNotHideWhatItsColumnIs() throws {
        let rows = (1...9).map { "T\($0),2026-03-0\($0) 10:00:00,C,\($0)00.50,EUR,5411,18.5,73.8\n" }.joined()
        let text = "id,time,customer,amount,currency,mcc,lat,lon\n" + rows + "T10,yesterday,C,much,?,54x,97.5,73.8\n"
        let proposal = try withFile(text) { try MappingProposal(file: $0, kind: .transactions) }
        #expect(proposal.open == [])
        for line in ["event_time: time", "amount: amount", "currency: currency", "merchant_category_code: mcc", "location.latitude: lat"] {
            #expect(proposal.yaml.contains("  \(line)\n"), "\(line)")
        }
        let half = try withFile("id,time\nA,2026-03-01\nB,soon\n") { try MappingProposal(file: $0, kind: .transactions) }
        #expect(half.open.contains("event_time"))
    }

    @Test func whatIsMissingIsNamed() throws {
        let requirement = try withFile("remark,note\nx,y\n") { try MappingProposal(file: $0, kind: .transactions) }
        #expect(requirement.open.contains("event_time") && requirement.open.contains("amount"))
        #expect(requirement.rowCount == 1)
        let header = try withFile("id,time,customer,amount,currency\n") { try MappingProposal(file: $0, kind: .transactions) }
        #expect(header.open.contains("event_time"))
        #expect(header.rowCount == 0)
    }

    @Test func aDecimalCommaIsRecognisedInTheReason() throws {
        let mapping = try Mapping(
            parsing: "record: transactions\nfields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: EUR}}",
            name: "test")
        try withFile("id;at;who;sum\na;2018-04-01 00:00:00;c;12,50\nb;2018-04-01 00:00:00;c;twelve\n") { path in
            let reader = try DatasetReader(file: path, mapping: mapping, options: ReadOptions())
            var reasons: [String] = []
            while let item = try reader.next() {
                if case .rejected(let rejections) = item.outcome { reasons += rejections.map(\.reason) }
            }
            #expect(reasons == ["is not a decimal number; a mapping reads a decimal comma with {decimal: \",\"}", "is not a decimal number"])
        }
    }

    @Test func germanHeadersAreUnderstoodInAnyEncoding() throws {
        let text = """
            Transaktionsnummer;Buchungstag;Kundennummer;Kontonummer;Händler;Gegenkonto;Zahlungsart;Betrag (€);Währung;Verwendungszweck
            U-1;28.02.2026;K1;DE02120300000000202051;H-9;DE02500105170137075030;online;-1.250,50;EUR;Miete
            U-2;01.03.2026;K2;DE02120300000000202051;H-7;;pos;-3,00;EUR;
            """
        for encoding in [String.Encoding.utf8, .windowsCP1252] {
            let bytes = try #require(text.data(using: encoding))
            let file = FileManager.default.temporaryDirectory.appending(path: "vigil-proposal-\(UUID().uuidString)")
            try bytes.write(to: file)
            defer { try? FileManager.default.removeItem(at: file) }
            let yaml = try MappingProposal(file: file.path, kind: .transactions).yaml
            for (field, column) in [
                ("transaction_id", "Transaktionsnummer"), ("event_time", "Buchungstag"), ("customer_id", "Kundennummer"),
                ("account_id", "Kontonummer"), ("merchant_id", "Händler"), ("counterparty_account_id", "Gegenkonto"),
                ("channel", "Zahlungsart"), ("amount", "Betrag (€)"), ("currency", "Währung"),
            ] {
                let line = try #require(yaml.split(separator: "\n").first { $0.hasPrefix("  \(field):") }, "no \(field) in \(encoding)")
                #expect(line.contains(column), "\(line) in \(encoding)")
            }
            #expect(yaml.contains("# Not used: Verwendungszweck"))
        }
    }

    @Test func geoJSONIsReadUnderItsFeatures() throws {
        let text = """
            {"type": "FeatureCollection", "features": [
              {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-73.9, 40.7]}, "properties": {"atm_id": "T1", "bank": "B"}}]}
            """
        try withFile(text) { path in
            let proposal = try MappingProposal(file: path, kind: .terminals)
            #expect(proposal.yaml.contains("format: {records: features}"))
            #expect(proposal.yaml.contains("terminal_id: properties.atm_id"))
        }
    }

    @Test func whatIsRequiredAndNotFoundIsNamed() throws {
        try withFile("a,b\n1,2\n") { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            #expect(proposal.open == ["transaction_id", "event_time", "customer_id", "amount", "currency"])
            #expect(proposal.yaml.contains("# event_time: which column? It is required."))
        }
    }

    @Test func recordsOfAPageKeepTheirBytes() throws {
        try withFile("{\"data\": [{\"a\": 0.10,\n \"b\": \"x\\ny\"}, {\"a\": 2}]}") { path in
            var lines: [String] = []
            try JSONPage.forEachRecord(in: path, records: ["data"], name: "page") { lines.append(String(decoding: $0, as: UTF8.self)) }
            #expect(lines == ["{\"a\": 0.10,  \"b\": \"x\\ny\"}", "{\"a\": 2}"])
        }
    }

    @Test(arguments: [(RecordKind.terminals, "terminal_id"), (.merchants, "merchant_id"), (.customers, "customer_id")])
    func aFileOfThingsCallsTheirNamesId(kind: RecordKind, field: String) throws {
        let found = try proposal("id,name,kind,lat,lon\nA-1,One,atm,17.2,75.3\nA-2,Two,atm,17.3,75.4\n", kind)
        #expect(found.yaml.contains("  \(field): id\n"), "\(found.yaml)")
    }
}
