import Records

/// A mapped field, made ready for one file: its columns have been found and its formats understood.
///
/// A class, because a reader passes plans about several times a row.
final class FieldPlan {
    let target: Target
    /// The field as the contract names it.
    let path: String
    let mapping: FieldMapping
    /// The cells of its columns, in order; empty for a constant and for the row number.
    let cells: [Int]
    /// The cell of its row's own time zone.
    let zoneCell: Int?
    /// One cell, taken as it is.
    let isPlain: Bool
    let fallback: String?
    let usesPoint: Bool
    /// `0` and `1` mean false and true.
    let usesDigits: Bool
    let time: TimeReader?
    let constant: String?
    let constantCurrency: Currency?
    /// What is there goes by the value, so that one word for nothing would make all of them the same.
    let isIdentifier: Bool

    init(target: Target, path: String, mapping: FieldMapping, cells: [Int], zoneCell: Int?) throws(TimeReaderFault) {
        self.target = target
        self.path = path
        self.mapping = mapping
        self.cells = cells
        self.zoneCell = zoneCell
        let hasAffixes = !mapping.prefix.isEmpty || !mapping.suffix.isEmpty
        fallback = mapping.fallback
        usesPoint = mapping.decimalPoint == UInt8(ascii: ".")
        if case .text = target.form { isIdentifier = target.isPersonal || target.name.hasSuffix("_id") } else { isIdentifier = false }
        usesDigits = mapping.falseWords.first == "0" && mapping.trueWords.first == "1"
        isPlain = cells.count == 1 && !hasAffixes && mapping.words.isEmpty
        if case .time = target.form { time = try TimeReader(mapping) } else { time = nil }
        if case .constant(let text) = mapping.source { constant = mapping.prefix + text + mapping.suffix } else { constant = nil }
        if case .currency = target.form { constantCurrency = constant.flatMap { Currency($0) } } else { constantCurrency = nil }
    }
}

/// Reads the fields of the row in a `RowBuffer`, and collects what is wrong with them.
final class FieldReader {
    let buffer: RowBuffer
    let encoding: FileFormat.Encoding
    private let missingWords: [[UInt8]]
    var rowNumber = 0
    private(set) var rejections: [Rejection] = []

    init(buffer: RowBuffer, format: FileFormat) {
        self.buffer = buffer
        encoding = format.encoding
        missingWords = format.missing.map { Array($0.utf8) }.filter { !$0.isEmpty }
    }

    func begin(row: Int) {
        rowNumber = row
        if !rejections.isEmpty { rejections = [] }
    }

    // MARK: Values

    func text(_ plan: FieldPlan?) -> String? {
        guard let plan else { return nil }
        guard let check = plan.mapping.check else { return unchecked(plan) }
        guard let text = unchecked(plan) else { return nil }
        if let reason = check.fault(text), !rejections.contains(where: { $0.field == plan.path }) {
            reject(plan, value: text, reason)
        }
        return text
    }

    private func unchecked(_ plan: FieldPlan) -> String? {
        if let constant = plan.constant { return constant }
        if plan.isPlain {
            guard let bytes = plain(plan) else { return plan.fallback }
            if plan.isIdentifier, let reason = LostIdentifier.faultInFile(bytes) { reject(plan, bytes, reason) }
            return encoding.decode(bytes)
        }
        return composed(plan)
    }

    /// Text for people, in which runs of spaces, tabs and line ends are one space: address fields often have them.
    func prose(_ plan: FieldPlan?) -> String? {
        guard let text = text(plan) else { return nil }
        guard text.utf8.contains(where: { $0 < 0x20 }) else { return text }
        let words = text.split { $0 == " " || $0 == "\t" || $0.isNewline }
        return words.isEmpty ? nil : words.joined(separator: " ")
    }

    func required(_ plan: FieldPlan?) -> String {
        if let plan, plan.mapping.words.isEmpty, plan.cells.contains(where: { buffer.cells[$0].kind == .boolean }) {
            reject(plan, value: raw(plan) ?? "", "is true or false where a name was expected")
            return ""
        }
        if let text = text(plan) { return text }
        missing(plan)
        return ""
    }

    func time(_ plan: FieldPlan?) -> Timestamp? {
        guard let plan, let reader = plan.time else { return nil }
        return withBytes(plan) { bytes in
            guard let bytes else { return nil }
            var clock: ZoneClock?
            if plan.zoneCell != nil, !reader.statesOffset(bytes) {
                clock = rowZone(plan).flatMap { ZoneClock.named($0) }
                if clock == nil { return rejectZone(plan) }
            }
            if let time = reader.read(bytes, on: clock) { return time }
            reject(plan, bytes, reader.expectation)
            return nil
        }
    }

    private func rowZone(_ plan: FieldPlan) -> String? {
        plan.zoneCell.flatMap { cell($0, plan) }.map { encoding.decode($0) }
    }

    /// The zone of a time, as its value states it, or else its row or its mapping.
    func zone(_ plan: FieldPlan?) -> String? {
        guard let plan, let reader = plan.time else { return nil }
        return withBytes(plan) { $0.flatMap { reader.statedZone($0) } } ?? rowZone(plan) ?? plan.mapping.zone
    }

    func requiredTime(_ plan: FieldPlan?) -> Timestamp {
        let before = rejections.count
        if let time = time(plan) { return time }
        if rejections.count == before { missing(plan) }
        return RecordLimits.earliestTime
    }

    func number(_ plan: FieldPlan?) -> Double? {
        guard let plan else { return nil }
        return withBytes(plan) { bytes in
            guard let bytes else { return nil }
            if plan.usesPoint {
                if let value = readDouble(bytes) { return value }
            } else {
                let pointed = bytes.map { $0 == plan.mapping.decimalPoint ? UInt8(ascii: ".") : $0 }
                if let value = pointed.withUnsafeBufferPointer({ readDouble($0) }) { return value }
            }
            reject(plan, bytes, "is not a number" + AmountText.commaHint(bytes, plan.mapping))
            return nil
        }
    }

    func boolean(_ plan: FieldPlan?) -> Bool? {
        guard let plan else { return nil }
        return withBytes(plan) { bytes in
            guard let bytes else { return nil }
            if bytes.count == 1, plan.usesDigits {
                if bytes[0] == UInt8(ascii: "0") { return false }
                if bytes[0] == UInt8(ascii: "1") { return true }
            }
            let word = encoding.decode(bytes).lowercased()
            if plan.mapping.trueWords.contains(word) { return true }
            if plan.mapping.falseWords.contains(word) { return false }
            if plan.mapping.ignoresUnknown { return nil }
            let known = plan.mapping.trueWords + plan.mapping.falseWords
            reject(plan, bytes, "is neither true nor false; known are \(known.joined(separator: ", "))")
            return nil
        }
    }

    func choice<T: RawRepresentable<String> & CaseIterable>(_ plan: FieldPlan?, _: T.Type) -> T? {
        guard let plan, let word = text(plan) else { return nil }
        if let value = T(rawValue: word) ?? T(rawValue: word.lowercased()) { return value }
        reject(plan, value: word, "is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        return nil
    }

    func merchantCategoryCode(_ plan: FieldPlan?) -> MerchantCategoryCode? {
        guard let plan, let text = text(plan) else { return nil }
        if let code = MerchantCategoryCode(text) { return code }
        reject(plan, value: text, "is not a merchant category code of four digits (ISO 18245)")
        return nil
    }

    func bic(_ plan: FieldPlan?) -> BIC? {
        guard let plan, let text = text(plan) else { return nil }
        if let code = BIC(text) { return code }
        reject(plan, value: text, "is not a BIC of ISO 9362")
        return nil
    }

    func list(_ plan: FieldPlan?) -> [String] {
        guard let plan, let text = text(plan) else { return [] }
        guard let separator = plan.mapping.listSeparator, !separator.isEmpty else { return [text] }
        var items: [String] = []
        var rest = text[...]
        while let range = rest.firstRange(of: separator) {
            items.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        items.append(String(rest))
        return items.map { item in String(item.drop { $0 == " " }) }.filter { !$0.isEmpty }
    }

    func currency(_ plan: FieldPlan?) -> Currency? {
        guard let plan else { return nil }
        if let constant = plan.constantCurrency { return constant }
        guard let code = text(plan) else { return nil }
        if let currency = Currency(code) { return currency }
        reject(plan, value: code, "is not a currency code of ISO 4217")
        return nil
    }

    func requiredProse(_ plan: FieldPlan?) -> String {
        if let text = prose(plan) { return text }
        missing(plan)
        return ""
    }

    /// Both or neither.
    func place(_ latitude: FieldPlan?, _ longitude: FieldPlan?) -> Coordinate? {
        guard let latitude, let longitude else { return nil }
        let before = rejections.count
        switch (number(latitude), number(longitude)) {
        case (let north?, let east?): return Coordinate(latitude: north, longitude: east)
        case (nil, nil): break
        case (nil, _): if rejections.count == before { missing(latitude) }
        case (_, nil): if rejections.count == before { missing(longitude) }
        }
        return nil
    }

    func money(_ plan: FieldPlan?, _ currencyPlan: FieldPlan?) -> Money? {
        guard let plan, let currencyPlan else { return nil }
        return withBytes(plan) { bytes -> Money? in
            guard let bytes else { return nil }
            let mapping = plan.mapping
            if !mapping.symbols.isEmpty || mapping.groupSeparator != nil && bytes.contains(where: { $0 >= 0x80 }) {
                var text = AmountText.withoutSymbols(AmountText.plainGroups(encoding.decode(bytes)), mapping.symbols)
                return text.withUTF8 { money(plan, currencyPlan, $0, as: bytes) }
            }
            return money(plan, currencyPlan, bytes, as: bytes)
        }
    }

    /// - Parameter written: the value as it stands in the file.
    private func money(
        _ plan: FieldPlan, _ currencyPlan: FieldPlan, _ bytes: UnsafeBufferPointer<UInt8>, as written: UnsafeBufferPointer<UInt8>
    ) -> Money? {
        let before = rejections.count
        guard let currency = currency(currencyPlan) else {
            if rejections.count == before { missing(currencyPlan) }
            return nil
        }
        do throws(AmountFault) {
            if let cell = plan.cells.first, case .text = buffer.cells[cell].kind { try AmountText.checkPoint(bytes, plan.mapping, currency) }
            var money = try AmountText.read(bytes, plan.mapping, currency)
            if plan.mapping.isNegated { money.minorUnits = -money.minorUnits }
            return money
        } catch {
            reject(plan, written, error.reason + (error.isNoNumber ? AmountText.commaHint(bytes, plan.mapping) + AmountText.hint(bytes, plan.mapping) : ""))
            return nil
        }
    }

    /// What a field's cells hold, joined and not translated; nil where they hold nothing that can be shown.
    func raw(_ plan: FieldPlan) -> String? {
        if case .rowNumber = plan.mapping.source { return plan.mapping.prefix + String(rowNumber) + plan.mapping.suffix }
        let parts = plan.cells.compactMap { index -> String? in
            switch buffer.cells[index].kind {
            case .missing, .null, .structure: return nil
            case .text, .number, .boolean:
                let bytes = trimmed(buffer.value(index))
                return bytes.isEmpty ? nil : encoding.decode(UnsafeBufferPointer(rebasing: bytes.prefix(DatasetLimits.maxFieldBytes)))
            }
        }
        return parts.isEmpty ? nil : plan.mapping.prefix + parts.joined(separator: plan.mapping.separator) + plan.mapping.suffix
    }

    /// The bytes of one cell whatever it holds, an object or a list too; nil when it is missing.
    func document(_ plan: FieldPlan) -> UnsafeBufferPointer<UInt8>? {
        guard let index = plan.cells.first else { return nil }
        switch buffer.cells[index].kind {
        case .missing, .null: return nil
        case .structure, .text, .number, .boolean: return buffer.value(index)
        }
    }

    // MARK: Bytes

    /// The value as bytes; nil when there is none.
    private func withBytes<T>(_ plan: FieldPlan, _ body: (UnsafeBufferPointer<UInt8>?) -> T) -> T {
        if plan.isPlain, let bytes = plain(plan) { return body(bytes) }
        guard var text = plan.isPlain ? plan.fallback : text(plan) else { return body(nil) }
        return text.withUTF8 { body($0) }
    }

    /// Trimmed; nil when missing or refused.
    @inline(__always)
    private func plain(_ plan: FieldPlan) -> UnsafeBufferPointer<UInt8>? { cell(plan.cells[0], plan) }

    @inline(__always)
    private func cell(_ index: Int, _ plan: FieldPlan) -> UnsafeBufferPointer<UInt8>? {
        switch buffer.cells[index].kind {
        case .missing, .null: return nil
        case .structure:
            reject(plan, value: "", "is an object or a list where one value was expected")
            return nil
        case .text, .number, .boolean: break
        }
        let bytes = encoding.trimmed(buffer.value(index))
        if bytes.isEmpty || isMissingWord(bytes) { return nil }
        if bytes.count > DatasetLimits.maxFieldBytes {
            reject(plan, value: "", "is longer than \(DatasetLimits.maxFieldBytes) bytes")
            return nil
        }
        return bytes
    }

    @inline(__always)
    func isMissingWord(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        if missingWords.isEmpty { return false }
        return missingWords.contains { $0.count == bytes.count && $0.elementsEqual(bytes) }
    }

    /// A value of several columns, with a prefix, or translated by the mapping's words.
    private func composed(_ plan: FieldPlan) -> String? {
        if let constant = plan.constant { return constant }
        let mapping = plan.mapping
        var value: String
        if plan.cells.isEmpty {
            value = String(rowNumber)
        } else {
            var parts: [String] = []
            for index in plan.cells {
                guard let bytes = cell(index, plan) else { continue }
                if plan.isIdentifier, mapping.words.isEmpty, let reason = LostIdentifier.faultInFile(bytes) { reject(plan, bytes, reason) }
                parts.append(encoding.decode(bytes))
            }
            guard !parts.isEmpty else { return mapping.fallback }
            value = parts.joined(separator: mapping.separator)
        }
        if !mapping.words.isEmpty {
            if let word = mapping.words[value.lowercased()] {
                value = word
            } else if let otherwise = mapping.otherwise {
                value = otherwise
            }
        }
        return mapping.prefix + value + mapping.suffix
    }

    // MARK: Refusals

    /// Of a field that has a fault already, that is why it is missing.
    func missing(_ plan: FieldPlan?) {
        guard let plan, !rejections.contains(where: { $0.field == plan.path }) else { return }
        rejections.append(Rejection(field: plan.path, column: plan.mapping.columnLabel, value: "", reason: "is missing"))
    }

    /// What a record's own check found.
    ///
    /// - Parameter plans: of the fields that it is about.
    func reject(_ violation: Violation, _ plans: [FieldPlan]) {
        let value = plans.count == 1 ? text(plans[0]) ?? "" : ""
        let isTurned = violation.reason == "is negative" && plans.contains { $0.mapping.isNegated }
        rejections.append(
            Rejection(
                field: violation.field, column: plans.map(\.mapping.columnLabel).joined(separator: "+"),
                value: shown(value, of: (plans.first { $0.target.isPersonal } ?? plans.first)?.target),
                reason: violation.reason + (isTurned ? ", since the mapping says `negate`" : "")))
    }

    private func reject(_ plan: FieldPlan, _ bytes: UnsafeBufferPointer<UInt8>, _ reason: String) {
        reject(plan, value: encoding.decode(bytes), reason)
    }

    /// A time that cannot be told because its row names no zone, or one that does not exist.
    private func rejectZone(_ plan: FieldPlan) -> Timestamp? {
        let zone = rowZone(plan)
        let reason = zone == nil ? "states no offset, and its row no time zone" : "is in a time zone that is no IANA name and no offset such as +05:30"
        let rejection = Rejection(
            field: plan.path, column: plan.mapping.zoneColumn ?? "", value: shown(zone ?? "", of: Target(name: "time_zone")), reason: reason)
        if !rejections.contains(rejection) { rejections.append(rejection) }
        return nil
    }

    /// Once, however often the field is read.
    func reject(_ plan: FieldPlan, value: String, _ reason: String) {
        let rejection = Rejection(
            field: plan.path, column: plan.mapping.columnLabel, value: shown(value, of: plan.target), reason: reason)
        if !rejections.contains(rejection) { rejections.append(rejection) }
    }
}
