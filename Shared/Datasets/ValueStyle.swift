import Foundation
import Records

/// How the values of a column are written, as a mapping must say it.
enum ValueStyle {
    struct Number {
        /// Empty for plain numbers.
        var keys: String
        var note: String?
        /// A value that these keys would make another number of.
        var contradiction: String?
    }

    /// Four in five: a bad value among them is for the import to refuse, and must not hide what the column is.
    static func mostOf(_ count: Int) -> Int { (count * 4 + 4) / 5 }

    static func areMostly(_ values: [String], _ fit: (String) -> Bool) -> Bool { values.count(where: fit) >= mostOf(values.count) }

    // MARK: Times

    private static let patterns = [
        "yyyy/MM/dd HH:mm:ss", "dd/MM/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm", "MM/dd/yyyy hh:mm:ss a",
        "dd-MM-yyyy HH:mm:ss", "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd MMM yyyy HH:mm:ss", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy",
        "dd-MM-yyyy", "dd-MMM-yyyy", "yyyy/MM/dd", "yyyyMMdd",
    ]

    /// The first format that reads all values, or else most of them; nil where none does.
    static func time(_ values: [String]) -> (key: String, note: String?)? {
        time(values, least: values.count) ?? time(values, least: mostOf(values.count))
    }

    private static func time(_ values: [String], least: Int) -> (key: String, note: String?)? {
        func reads(_ format: FieldMapping.TimeFormat) -> Bool {
            var field = FieldMapping(target: "time", source: .rowNumber)
            field.timeFormat = format
            guard let reader = try? TimeReader(field) else { return false }
            let read = values.count { value in
                var value = value
                return value.withUTF8 { reader.read($0) != nil }
            }
            return read >= least
        }
        let counted = values.filter { $0.count >= 9 && $0.allSatisfy(\.isNumber) && Int64($0) != nil }
        if counted.count >= least, let longest = counted.map(\.count).max() {
            switch longest {
            case 9...10: return ("unix", nil)
            case 12...13: return ("unix_ms", nil)
            case 15...16: return ("unix_us", nil)
            default: break
            }
        }
        if reads(.iso8601) { return ("iso8601", nil) }
        let fitting = patterns.filter { reads(.pattern($0)) }
        guard let first = fitting.first else { return nil }
        let isAmbiguous = fitting.contains { $0.hasPrefix("dd/MM") } && fitting.contains { $0.hasPrefix("MM/dd") }
        return (first, isAmbiguous ? "or MM/dd: no value tells" : nil)
    }

    // MARK: Numbers

    /// - Parameter decimals: how many decimals the currency has, where that is known.
    /// - Returns: nil for what are no numbers.
    static func number(_ values: [String], decimals: Int? = nil) -> Number? {
        guard var style = number(values, least: values.count) ?? number(values, least: mostOf(values.count)) else { return nil }
        style.note = thousandsNote(values, style.keys, decimals)
        return style
    }

    private static func number(_ values: [String], least: Int) -> Number? {
        func are(decimal: Character, group: Character) -> Bool {
            values.count { isNumber($0, decimal: decimal, group: group) } >= least
        }
        /// What has the group mark, but not where one belongs, may have it as the decimal mark.
        func contradiction(decimal: Character, group: Character) -> String? {
            values.first { value in
                value.contains(group) && value.contains(where: \.isNumber) && !isNumber(value, decimal: decimal, group: group)
                    && value.allSatisfy { $0.isNumber || "+-.,".contains($0) }
            }
        }
        if values.count(where: { Double($0) != nil }) >= least { return Number(keys: "") }
        if are(decimal: ".", group: ",") {
            return Number(keys: "group: \",\"", contradiction: contradiction(decimal: ".", group: ","))
        }
        guard are(decimal: ",", group: ".") else { return nil }
        guard values.contains(where: { $0.contains(".") }) else { return Number(keys: "decimal: \",\"") }
        return Number(keys: "decimal: \",\", group: \".\"", contradiction: contradiction(decimal: ",", group: "."))
    }

    private static func isNumber(_ value: String, decimal: Character, group: Character) -> Bool {
        let parts = value.drop { $0 == "-" || $0 == "+" }.split(separator: decimal, omittingEmptySubsequences: false)
        let groups = parts.first?.split(separator: group, omittingEmptySubsequences: false) ?? []
        let areDigits = (groups + parts.dropFirst()).allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isNumber) }
        return areDigits && parts.count <= 2 && groups.dropFirst().allSatisfy { $0.count == 3 }
    }

    /// `1.250` may be one and a quarter, or a thousand and more.
    private static func thousandsNote(_ values: [String], _ keys: String, _ decimals: Int?) -> String? {
        let marked = values.filter { $0.contains { $0 == "." || $0 == "," } }
        guard let example = marked.first, let mark = example.first(where: { $0 == "." || $0 == "," }) else { return nil }
        if mark == ".", decimals == 3 { return nil }
        let areAmbiguous = marked.allSatisfy { value in
            let parts = value.drop { $0 == "-" || $0 == "+" }.split(separator: mark, omittingEmptySubsequences: false)
            return parts.count == 2 && parts[1].count == 3 && (1...3).contains(parts[0].count) && parts[0].first != "0"
                && parts.joined().allSatisfy(\.isNumber)
        }
        guard areAmbiguous else { return nil }
        return switch keys {
        case "": "or group: \".\", if \(example) is a thousand and more: no value tells"
        case "group: \",\"": "or decimal: \",\", if \(example) is less than a thousand: no value tells"
        default: nil
        }
    }
}
