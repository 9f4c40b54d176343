import Datasets
import Foundation
import Models
import Records

/// What banks and data scientists send as files: tables in every format, mappings, models.
extension FuzzTarget {
    static let files: [FuzzTarget] = [csv, zippedCSV, ndjson, json, xml, mapping, xgboostJSON, xgboostUBJSON, forest]

    // MARK: tables

    private static let csvText = """
        TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\r\n0,2018-04-01 00:00:31,596,3156,57.16,0\r\n\
        "1","2018-04-01 00:02:10",4961,"34""12",81.51,1\r\n2,2018-04-01 00:07:56,2,1365,"1,46.00",\r\n
        """
    private static let csv = table("CSV", shipped("handbook-transactions"), [Array(csvText.utf8)])
    private static let zippedCSV = table("gzip of CSV", shipped("handbook-transactions"), [compressed(Array(csvText.utf8))])
    private static let ndjson = table(
        "NDJSON", shipped("handbook-transactions", format: "ndjson"),
        [Array((jsonRow + "\n" + jsonRow.replacing("0", with: "\\u0031") + "\n").utf8)])
    private static let json = table(
        "JSON list", shipped("handbook-transactions", format: "json"),
        [Array("[\(jsonRow),\n \(jsonRow)]".utf8)])
    private static let jsonRow = """
        {"TRANSACTION_ID": 0, "TX_DATETIME": "2018-04-01 00:00:31", "CUSTOMER_ID": "596", "TERMINAL_ID": 3156, "TX_AMOUNT": 57.16, \
        "more": [1, {"a": null}]}
        """
    private static let xml = table(
        "ISO 20022", shipped("iso20022-pacs008"),
        ["", "<!DOCTYPE a [<!ENTITY b \"c\">]>"].map { doctype in
            Array(
                """
                <?xml version="1.0" encoding="UTF-8"?>\(doctype)
                <Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"><FIToFICstmrCdtTrf><GrpHdr><MsgId>m</MsgId><NbOfTxs>1</NbOfTxs>\
                <CreDtTm>2026-04-01T09:30:00+05:30</CreDtTm></GrpHdr><CdtTrfTxInf><PmtId><EndToEndId>e1</EndToEndId><TxId>t&amp;1</TxId>\
                </PmtId><IntrBkSttlmAmt Ccy="INR">1250.50</IntrBkSttlmAmt><DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct>\
                <CdtrAcct><Id><Othr><Id>991</Id></Othr></Id></CdtrAcct></CdtTrfTxInf></FIToFICstmrCdtTrf></Document>
                """.utf8)
        })

    /// Reads a file to its end, row by row and once more from a row that was met, which must be the same.
    private static func table(_ name: String, _ mapping: Mapping, _ corpus: [[UInt8]]) -> FuzzTarget {
        // The first must be right: what is all wrong is refused at the door and tests little.
        if let first = corpus.first {
            withFile(first) { file in
                let hasRecord = rows(of: file, mapping).0.contains { if case .record = $0.outcome { true } else { false } }
                precondition(hasRecord, "\(name): input that should be right holds no record")
            }
        }
        return FuzzTarget(name: name, corpus: corpus) { bytes, generator in
            withFile(bytes) { file in
                let (items, error) = rows(of: file, mapping)
                guard let place = items.indices.randomElement(using: &generator) else { return }
                let (rest, restError) = rows(of: file, mapping, from: items[place].position)
                precondition(rest.elementsEqual(items[place...]) && error == restError, "a reader that goes on meets other rows")
            }
        }
    }

    private static let options = ReadOptions(now: Timestamp(microseconds: 1_800_000_000_000_000))

    private static func rows(
        of file: String, _ mapping: Mapping, from position: RowPosition? = nil
    ) -> ([DatasetItem], DatasetError.Code?) {
        var items: [DatasetItem] = []
        do throws(DatasetError) {
            let reader = try DatasetReader(file: file, mapping: mapping, options: options)
            if let position { try reader.skip(to: position) }
            while let item = try reader.next() { items.append(item) }
        } catch {
            return (items, error.code)
        }
        return (items, nil)
    }

    /// A file without a name, which goes when it is closed.
    private static func withFile(_ bytes: [UInt8], _ body: (String) -> Void) {
        var path = Array("\(FileManager.default.temporaryDirectory.path)/vigil-fuzz-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        precondition(descriptor >= 0 && unlink(path) == 0)
        precondition(bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count)
        defer { close(descriptor) }
        body("/proc/self/fd/\(descriptor)")
    }

    // MARK: mappings

    private static let mapping = FuzzTarget(
        name: "mapping",
        corpus: ["handbook-transactions", "iso20022-pacs008", "iso20022-pacs002"].compactMap { Mapping.shippedText($0) }.map { Array($0.utf8) }
    ) { bytes, _ in
        _ = try? Mapping(parsing: String(decoding: bytes, as: UTF8.self), name: "fuzz")
    }

    /// A mapping that is shipped, for its own format or for another.
    private static func shipped(_ name: String, format: String? = nil) -> Mapping {
        var text = Mapping.shippedText(name) ?? ""
        if let format { text += "\nformat: {type: \(format)}\n" }
        do { return try Mapping(parsing: text, name: name) } catch { preconditionFailure("the target's mapping is wrong: \(error)") }
    }

    // MARK: models

    private static let xgboostJSON = model("XGBoost JSON", "json")
    private static let xgboostUBJSON = model("XGBoost UBJSON", "ubj")

    private static func model(_ name: String, _ format: String) -> FuzzTarget {
        FuzzTarget(name: name, corpus: models(format)) { bytes, _ in
            if let model = try? XGBoostModel(bytes) { score(model.forest) }
        }
    }

    private static let forest = FuzzTarget(
        name: "forest", corpus: models("ubj").compactMap { try? XGBoostModel($0).forest.encoded }
    ) { bytes, _ in
        if let forest = try? Forest(encoded: bytes) { score(forest) }
    }

    private static func models(_ format: String) -> [[UInt8]] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Models/Fixtures")
        let models = ["logistic", "dart"].compactMap { try? [UInt8](Data(contentsOf: folder.appending(path: "\($0).\(format)"))) }
        precondition(models.count == 2, "the models of Tests/Models/Fixtures are missing")
        return models
    }

    private static func score(_ forest: Forest) {
        guard forest.featureCount < 1_000 else { return }
        _ = forest.margin([Float](repeating: 0.5, count: forest.featureCount))
    }
}
