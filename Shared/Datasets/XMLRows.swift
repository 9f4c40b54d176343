import CLibXML2
import Foundation

/// Rows of an XML file: each element of one name is a row, read as they come. Namespaces are passed over.
///
/// A column is a path of element names below the message, such as `CdtTrfTxInf/PmtId/EndToEndId`, an attribute at its end as
/// `…/IntrBkSttlmAmt/@Ccy`; several, of which the first that is there counts, are joined by `|`. A path may be made of several joined by
/// `+`, all of which must be there and get a hyphen between them; `#` is the row's number in its message. What stands before the row in
/// the elements around it belongs to the row too: a group's header, a batch's debtor. Of an element that a row repeats the last one counts;
/// a path that ends in `=FRAD` is there where any of them says so.
///
/// Where the format says which element counts a message's rows, a message that has another number of them gets a refused row at its end: what
/// was lost on the way must not pass for the whole.
///
/// The message is what a `Document` holds, wherever that lies: alone, or beside its business header in an envelope. Without one it is
/// the root.
///
/// A document type declaration is refused, so there are no entities to expand and nothing to fetch.
final class XMLRows {
    private let input: XMLInput
    private let reader: OpaquePointer
    private let name: String
    /// For each column its paths with their parts, the best first.
    private let columns: [[[String]]]
    private let wanted: Set<String>
    /// Of paths the words that some columns ask for.
    private let words: [String: Set<String>]
    private let recordPath: [String]
    private let messageName: String?
    /// The path of the element that says how many rows its message has.
    private let countPath: String?
    /// Words that mean none, so that a path with one is not there.
    private let missing: Set<[UInt8]>
    /// Names of the open elements.
    private var open: [String] = []
    /// How many of `open` are the envelope: up to the message's own element.
    private var envelope = 1
    private var hasMetMessage = false
    private var isInRow = false
    private var rowInMessage = 0
    private var values: [String: [UInt8]] = [:]
    private var text: [UInt8] = []
    private var row = 0
    private var rowStart = RowPosition(row: 0, line: 0, byteOffset: 0)
    private var fault: (column: String, reason: String)?
    private var bytes: UnsafeMutableBufferPointer<UInt8> = .allocate(capacity: 4_096)

    init(_ window: ByteWindow, columns: [String], format: FileFormat, name: String) throws(DatasetError) {
        self.name = name
        recordPath = format.records
        messageName = format.message
        countPath = format.count
        missing = Set(format.missing.map { Array($0.utf8) })
        self.columns = columns.map { column in
            column.split(separator: "|").map { path in path.split(separator: "+").map { $0.trimmingCharacters(in: .whitespaces) } }
        }
        wanted = Set(self.columns.joined().joined() + (countPath.map { [$0] } ?? []))
        words = Dictionary(
            wanted.filter { $0.contains("=") }.map { path in
                let parts = path.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                return (parts[0], [parts[1]])
            }, uniquingKeysWith: { $0.union($1) })
        let input = XMLInput(window)
        self.input = input
        let made = xmlReaderForIO(
            { context, buffer, count in
                guard let context, let buffer else { return -1 }
                return Unmanaged<XMLInput>.fromOpaque(context).takeUnretainedValue().read(buffer, count)
            }, { _ in 0 }, Unmanaged.passUnretained(input).toOpaque(), nil, nil,
            CInt(VIGIL_XML_PARSE_NONET) | CInt(VIGIL_XML_PARSE_NOCDATA))
        guard let made else { throw DatasetError(.unreadable, "there is no memory to read \(name)") }
        reader = made
        xmlTextReaderSetErrorHandler(
            made,
            { context, message, _, _ in
                guard let context, let message else { return }
                Unmanaged<XMLInput>.fromOpaque(context).takeUnretainedValue().note(String(cString: message))
            }, Unmanaged.passUnretained(input).toOpaque())
    }

    deinit {
        xmlFreeTextReader(reader)
        bytes.deallocate()
    }

    /// There is no way into the middle of an XML file but through what comes before.
    func skip(to position: RowPosition) throws(DatasetError) {
        while row < position.row - 1, try nextRow() {}
    }

    func next(into buffer: RowBuffer) throws(DatasetError) -> RowEvent? {
        guard try nextRow() else { return nil }
        if let fault { return .refused(rowStart, column: fault.column, reason: fault.reason) }
        buffer.clear()
        var offset = 0
        for (index, paths) in columns.enumerated() {
            guard let value = paths.lazy.compactMap({ self.value(of: $0) }).first else { continue }
            reserve(offset + value.count)
            for (place, byte) in value.enumerated() { bytes[offset + place] = byte }
            buffer.cells[index] = Cell(start: Int32(offset), count: Int32(value.count), kind: .text)
            offset += value.count
        }
        buffer.bytes = bytes.baseAddress
        return .row(rowStart)
    }

    /// Nil where a part is not there.
    private func value(of parts: [String]) -> [UInt8]? {
        if parts.count == 1 { return values[parts[0]] }
        var whole: [UInt8] = []
        for part in parts {
            guard let value = part == "#" ? Array("\(rowInMessage)".utf8) : values[part] else { return nil }
            if !whole.isEmpty { whole.append(UInt8(ascii: "-")) }
            whole += value
        }
        return whole
    }

    private func reserve(_ count: Int) {
        guard count > bytes.count else { return }
        let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(count, 2 * bytes.count))
        larger.initialize(repeating: 0)
        _ = larger.update(fromContentsOf: bytes)
        bytes.deallocate()
        bytes = larger
    }

    /// Reads to the end of the next row's element; false at the end of the file. The row's values stay until the next call.
    private func nextRow() throws(DatasetError) -> Bool {
        clearRow()
        while true {
            switch xmlTextReaderRead(reader) {
            case 1: if try take() { return true }
            case 0:
                if let error = input.error { throw error }
                // Most often a message of another kind than the mapping's.
                guard row > 0 || hasMetMessage else {
                    let path = recordPath.joined(separator: "/")
                    throw DatasetError(.unsupported, "\(name) has no element \(path), which the mapping's `records:` names")
                }
                return false
            default: throw broken()
            }
        }
    }

    /// Takes in the node that the reader is at; true at the end of a row.
    private func take() throws(DatasetError) -> Bool {
        switch Int(xmlTextReaderNodeType(reader)) {
        case Int(VIGIL_XML_ELEMENT):
            let isEmpty = xmlTextReaderIsEmptyElement(reader) == 1
            try begin(elementName())
            return isEmpty ? end() : false
        case Int(VIGIL_XML_END_ELEMENT): return end()
        case Int(VIGIL_XML_TEXT), Int(VIGIL_XML_CDATA), Int(VIGIL_XML_SIGNIFICANT_WHITESPACE):
            if text.count <= DatasetLimits.maxFieldBytes, let value = xmlTextReaderConstValue(reader) {
                text.append(contentsOf: UnsafeBufferPointer(start: value, count: length(value)))
            }
        case Int(VIGIL_XML_DOCUMENT_TYPE), Int(VIGIL_XML_ENTITY_REFERENCE), Int(VIGIL_XML_ENTITY):
            throw DatasetError(
                .unsupported, "\(name), line \(line), has a document type declaration or an entity; such files are refused unread")
        default: break
        }
        return false
    }

    private func elementName() -> String { xmlTextReaderConstLocalName(reader).map { String(cString: $0) } ?? "" }
    private var line: Int { Int(xmlTextReaderGetParserLineNumber(reader)) }

    private func begin(_ element: String) throws(DatasetError) {
        guard open.count < DatasetLimits.maxJSONDepth else {
            throw DatasetError(.unsupported, "\(name), line \(line), is nested more than \(DatasetLimits.maxJSONDepth) deep")
        }
        open.append(element)
        text.removeAll(keepingCapacity: true)
        let isInDocument = open.count > 1 && open[open.count - 2] == "Document"
        // A row of another kind of file may have a document among its own elements, or be one.
        if isInDocument, envelope == 1, !isInRow, !recordPath.contains("Document") { beginMessage() }
        if open.count == envelope, element == messageName { hasMetMessage = true }
        guard let path = path() else { return }
        if isRecord {
            isInRow = true
            rowInMessage += 1
            row += 1
            rowStart = RowPosition(row: row, line: line, byteOffset: Int64(xmlTextReaderByteConsumed(reader)))
        }
        // A new element of a name takes the place of the last one.
        let within = path + "/"
        for key in values.keys where (key == path || key.hasPrefix(within)) && !(isInRow && key.contains("=")) { values[key] = nil }
        for attribute in wanted where attribute.hasPrefix(within + "@") {
            let name = attribute.dropFirst(within.utf8.count + 1)
            guard let value = xmlTextReaderGetAttribute(reader, String(name)) else { continue }
            values[attribute] = Array(UnsafeBufferPointer(start: value, count: length(value)))
            vigil_xml_free(value)
        }
    }

    /// What was read so far is another message's, or the envelope's.
    private func beginMessage() {
        envelope = open.count
        rowInMessage = 0
        values.removeAll(keepingCapacity: true)
    }

    /// True where a row is to tell that the message has not as many as it says.
    private func endMessage() -> Bool {
        guard messageName == nil || open.last == messageName, let countPath, let count = values[countPath] else { return false }
        let stated = String(decoding: count, as: UTF8.self)
        if Int(stated) == rowInMessage { return false }
        clearRow()
        row += 1
        rowStart = RowPosition(row: row, line: line, byteOffset: Int64(xmlTextReaderByteConsumed(reader)))
        let isShort = Int(stated).map { $0 > rowInMessage } ?? false
        fault = (countPath, "says \(stated.prefix(20)), and its message has \(rowInMessage)" + (isShort ? ": was a row lost on the way?" : ""))
        return true
    }

    /// True when the element that ends is a row.
    private func end() -> Bool {
        defer {
            if isRecord { isInRow = false }
            if open.count == envelope { envelope = 1 }
            open.removeLast()
            text.removeAll(keepingCapacity: true)
        }
        guard let path = path() else { return open.count == envelope && endMessage() }
        if let words = words[path] {
            let word = String(decoding: trimmed(text), as: UTF8.self)
            if words.contains(word) { values[path + "=" + word] = Array(word.utf8) }
        }
        if wanted.contains(path), values[path] == nil {
            let value = trimmed(text)
            if value.count > DatasetLimits.maxFieldBytes {
                fault = (path, "is longer than \(DatasetLimits.maxFieldBytes) bytes")
            } else if !value.isEmpty, !missing.contains(value) {
                values[path] = value
            }
        }
        return isRecord
    }

    private var isRecord: Bool {
        guard open.count - envelope >= recordPath.count else { return false }
        return open.suffix(recordPath.count).elementsEqual(recordPath) && !recordPath.isEmpty
    }

    /// Of the innermost open element, below the message; nil in the envelope.
    private func path() -> String? {
        guard open.count > envelope else { return nil }
        return open[envelope...].joined(separator: "/")
    }

    private func clearRow() {
        fault = nil
        guard row > 0 else { return }
        let record = recordPath.joined(separator: "/")
        for key in values.keys where key == record || key.contains(record + "/") { values[key] = nil }
    }

    private func trimmed(_ bytes: [UInt8]) -> [UInt8] {
        guard let first = bytes.firstIndex(where: { $0 > 0x20 }), let last = bytes.lastIndex(where: { $0 > 0x20 }) else { return [] }
        return Array(bytes[first...last])
    }

    private func broken() -> DatasetError {
        if let error = input.error { return error }
        let message = input.firstMessage ?? "it is not XML"
        // Where everything has been read and elements are open, the rest is missing; libxml2 may call that extra content.
        let isRead = Int64(xmlTextReaderByteConsumed(reader)) >= input.bytesHandedOut || message.hasPrefix("Extra content")
        if !open.isEmpty, input.isAtEnd, isRead { return DatasetError(.truncated, "\(name) ends in the middle of its XML, on line \(line)") }
        return DatasetError(.corrupt, "\(name) is not XML: line \(line): \(message)")
    }

    private func length(_ text: UnsafePointer<UInt8>) -> Int {
        var count = 0
        while text[count] != 0 { count += 1 }
        return count
    }
}

/// Hands the bytes of a window to libxml2.
private final class XMLInput {
    private let window: ByteWindow
    /// Why reading stopped.
    private(set) var error: DatasetError?
    private(set) var isAtEnd = false
    private(set) var bytesHandedOut: Int64 = 0
    /// What libxml2 said first; the rest follows from that.
    private(set) var firstMessage: String?

    init(_ window: ByteWindow) {
        self.window = window
    }

    func note(_ message: String) {
        if firstMessage == nil { firstMessage = message.trimmingCharacters(in: .whitespacesAndNewlines) }
    }

    func read(_ target: UnsafeMutablePointer<CChar>, _ count: CInt) -> CInt {
        do {
            if window.count == 0, try !window.fill() {
                isAtEnd = true
                return 0
            }
        } catch {
            self.error = error
            return -1
        }
        let taken = min(Int(count), window.count)
        UnsafeMutableRawPointer(target).copyMemory(from: window.bytes, byteCount: taken)
        window.consume(taken)
        bytesHandedOut += Int64(taken)
        return CInt(taken)
    }
}
