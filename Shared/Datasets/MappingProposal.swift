import Records

/// The mapping that fits an unknown file best, by its columns' names and what is in its first rows; for a person to look at.
public struct MappingProposal: Sendable {
    static let maxRows = 200

    /// The mapping's text. What could not be found is in it as a comment that says so.
    public let yaml: String
    /// Fields that are left to a person: required ones without a column, and others whose values may be read in more than one way.
    public let open: [String]
    /// How many rows it was proposed from.
    public let rowCount: Int

    /// Whether the file names its columns; a CSV file that begins with data does not.
    public let hasNames: Bool

    /// - Throws: `DatasetError` when the file cannot be read, or has no columns.
    public init(file: String, kind: RecordKind) throws(DatasetError) {
        let sample = try FileSample(file: file, maxRows: Self.maxRows)
        guard !sample.columns.isEmpty else { throw DatasetError(.unsupported, "\(file) has no columns to look at") }
        let columns = ProposedColumns(sample, kind)
        var lines: [String] = []
        var open: [String] = []
        var used: Set<String> = []
        for target in columns.targets {
            let isRequired = target.isRequired || target.name == "currency" && columns.chosen["amount"] != nil
            let line = columns.line(target) ?? Self.substitute(target)
            used.formUnion(line?.columns ?? [])
            if let line, !line.isOpen {
                lines.append("  \(target.name): \(line.text)")
            } else if isRequired || line != nil && columns.chosen[target.name] != nil {
                open.append(target.name)
                lines.append("  # \(target.name): \(line?.text ?? "which column?")" + (isRequired ? " It is required." : ""))
            }
        }
        let unused = sample.columns.map(\.name).filter { !used.contains($0) }
        var text = "# Proposed from the first \(sample.rowCount) rows; look at every line.\n"
        if !sample.hasNames { text += "# The file begins with data, not with names: name its columns in their order.\n" }
        text += "record: \(kind.rawValue)\n"
        if let format = sample.formatLine { text += "format: \(format)\n" }
        text += "fields:\n" + lines.joined(separator: "\n") + "\n"
        if !unused.isEmpty { text += "# Not used: \(unused.joined(separator: ", "))\n" }
        yaml = text
        self.open = open
        rowCount = sample.rowCount
        hasNames = sample.hasNames
    }

    /// What can stand in for a column that is not there, or what a person should think of.
    private static func substitute(_ target: Target) -> ProposedLine? {
        switch target.name {
        case "transaction_id", "complaint_id", "signal_id":
            ProposedLine("which column? It must be another in each row of all files.", isOpen: true)
        case "currency": ProposedLine("{constant: EUR}   # which currency is it?", isOpen: true)
        case "crime_type": ProposedLine("{constant: unknown}   # what kind of crime?", isOpen: true)
        case "kind" where target.isRequired:
            if case .choice = target.form {
                ProposedLine("{constant: pos}   # pos, atm or online?", isOpen: true)
            } else {
                ProposedLine("{constant: unknown}   # what kind of signal?", isOpen: true)
            }
        default: nil
        }
    }

    static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "-") }
        // A bare word may read as a number or as true.
        let isWord = text.first?.isLetter == true && !["true", "false", "yes", "no", "null", "on", "off", "y", "n"].contains(text.lowercased())
        return isPlain && isWord ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
