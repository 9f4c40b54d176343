/// What the rows of a file are.
public enum RecordKind: String, Sendable, Hashable, CaseIterable {
    case transactions
    case labels
    case terminals
    case customers
    case merchants
    case complaints
    case context
    case jurisdictions

    /// The gateway's name for one of them, which begins the names of its fields: `transaction.amount.minor_units`.
    public var recordName: String {
        switch self {
        case .transactions: "transaction"
        case .labels: "label"
        case .terminals: "terminal"
        case .customers: "customer"
        case .merchants: "merchant"
        case .complaints: "complaint"
        case .context: "context_signal"
        case .jurisdictions: "jurisdiction"
        }
    }
}

/// Says which column of a file is which field of a record, and how its text is to be read.
///
/// ```yaml
/// record: transactions
/// fields:
///   transaction_id: TX_ID                       # the column, as it is
///   event_time: {column: WHEN, format: dd/MM/yyyy HH:mm, zone: Asia/Kolkata}
///   amount: {column: AMOUNT, decimal: ","}
///   currency: {constant: EUR}
///   customer_id: {column: CUSTOMER, prefix: "b7-"}
///   channel: {column: HOW, map: {P: pos, A: atm}, otherwise: other}
/// only: {DIRECTION: [D]}                        # the other rows are left out
/// ```
///
/// `Mappings/README.md` describes the language whole. Unknown keys and fields are refused when it is loaded, a column that the file
/// lacks when the file is opened.
public struct Mapping: Sendable, Hashable {
    /// A shipped name, or the file it came from.
    public var name: String
    public var kind: RecordKind
    public var format: FileFormat
    public var fields: [FieldMapping]
    /// Which rows are records; all where nothing is said.
    public var choice = RowChoice()

    public init(name: String, kind: RecordKind, format: FileFormat = FileFormat(), fields: [FieldMapping]) {
        self.name = name
        self.kind = kind
        self.format = format
        self.fields = fields
    }

    /// The columns that its fields are read from, and those that say which rows are records.
    public var columnNames: [String] { fields.flatMap(\.columnNames) + choice.columnNames }

    /// The column whose value names a record, where one does that names no person.
    public var idColumn: String? {
        guard let target = Target.all(for: kind).first(where: { $0.name == kind.idField }), !target.isPersonal,
            case .columns(let names) = fields.first(where: { $0.target == target.name })?.source, names.count == 1
        else { return nil }
        return names[0]
    }

    /// Whether a field has a source.
    public func maps(_ target: String) -> Bool { fields.contains { $0.target == target } }

    /// What the contract's field is read from, as a rejects file names it; empty where nothing is.
    ///
    /// - Parameter path: as the gateway's answers name it: `transaction.key.transaction_id`, `complaint.suspect_account_ids[2]`.
    public func columnLabel(of path: String) -> String {
        fields.filter { Target(name: $0.target).isMeant(by: path, in: kind) }.map(\.columnLabel).joined(separator: "+")
    }
}

/// Where one field's value comes from and how it is read.
public struct FieldMapping: Sendable, Hashable {
    public enum Source: Sendable, Hashable {
        /// Column names, or paths in JSON; several are joined by `separator`.
        case columns([String])
        case constant(String)
        /// The row's number in the file, for rows that have no name of their own.
        case rowNumber
    }

    /// How a time is written.
    public enum TimeFormat: Sendable, Hashable {
        case iso8601
        /// A number of seconds, or of parts of one, since 1970.
        case unix(ticksPerSecond: Int64)
        /// In the letters of Unicode's date patterns: `dd/MM/yyyy HH:mm:ss`.
        case pattern(String)
    }

    /// What a text is checked to be, beside its field's own rules.
    public enum Check: String, Sendable, Hashable, CaseIterable {
        /// An IBAN with right check digits.
        case iban
        /// An IBAN with right check digits where it looks like one; any other account number as it is.
        case account
        /// A business identifier code of ISO 9362.
        case bic
    }

    public var target: String
    public var source: Source
    public var check: Check?
    public var separator = ""
    public var prefix = ""
    public var suffix = ""
    /// Stands in for a missing value.
    public var fallback: String?
    public var timeFormat: TimeFormat = .iso8601
    /// An IANA name or an offset, for times that state none; nil is UTC.
    public var zone: String?
    /// Where each row names the zone of its own times.
    public var zoneColumn: String?
    /// Added to a time, in microseconds.
    public var plusMicroseconds: Int64 = 0
    public var decimalPoint: UInt8 = UInt8(ascii: ".")
    /// Whether the mapping says which it is.
    public var statesDecimalPoint = false
    public var groupSeparator: UInt8?
    /// Signs of currencies that may stand before or behind an amount; they do not say which it is in. The longest first.
    public var symbols: [String] = []
    /// The amount is a whole number of minor units.
    public var isMinorUnits = false
    /// The sign is turned round, for files that write debits as negative.
    public var isNegated = false
    public var trueWords: [String] = ["1", "true", "t", "yes", "y"]
    public var falseWords: [String] = ["0", "false", "f", "no", "n"]
    /// A word that is neither true nor false says nothing, instead of being refused.
    public var ignoresUnknown = false
    /// The file's words to ours.
    public var words: [String: String] = [:]
    /// What a word that `words` lacks means; nil refuses it.
    public var otherwise: String?
    /// Splits one value into a list.
    public var listSeparator: String?

    /// The columns that it is read from, and that of its zone.
    var columnNames: [String] {
        let zone = zoneColumn.map { [$0] } ?? []
        return if case .columns(let names) = source { names + zone } else { zone }
    }

    /// What to call its source in a rejects file.
    var columnLabel: String {
        switch source {
        case .columns(let names): names.joined(separator: "+")
        case .constant: "(constant)"
        case .rowNumber: "(row number)"
        }
    }

    /// A transaction's label, which comes to be known only later.
    var isOfLabel: Bool { target.hasPrefix("label.") }

    public init(target: String, source: Source) {
        self.target = target
        self.source = source
    }
}

/// A field that a mapping may fill.
struct Target: Sendable {
    enum Form: Sendable {
        case text
        case time
        case amount
        case currency
        case number
        case boolean
        case choice([String])
        case merchantCategoryCode
        case bic
        case list
        /// An area in GeoJSON.
        case area
    }

    var name: String
    var form: Form = .text
    var isRequired = false
    /// Shown only masked in a rejects file.
    var isPersonal = false

    /// The field as the contract names it, under its record.
    var pathInRecord: String {
        switch name {
        case "bank_id", "transaction_id": "key." + name
        case "amount": "amount.minor_units"
        case "currency": "amount.currency"
        default: name
        }
    }

    /// The field as the contract and the gateway's answers name it.
    func path(in kind: RecordKind) -> String { isOfLabel ? name : "\(kind.recordName).\(pathInRecord)" }

    /// Whether a refusal of the contract's field speaks of this one: of the field itself, a part of it or what it is a part of.
    func isMeant(by path: String, in kind: RecordKind) -> Bool {
        let own = self.path(in: kind)
        return path == own || path.hasPrefix(own + "[") || own.hasPrefix(path + ".")
    }

    /// A transaction's label is a record of its own.
    private var isOfLabel: Bool { name.hasPrefix("label.") }

    static func all(for kind: RecordKind) -> [Target] {
        switch kind {
        case .transactions: transactionTargets
        case .labels: keyTargets + labelTargets(prefix: "", isRequired: true)
        case .terminals: terminalTargets
        case .customers:
            [Target(name: "customer_id", isRequired: true, isPersonal: true)] + place("home", isPersonal: true)
        case .merchants: merchantTargets
        case .complaints: complaintTargets
        case .context: contextTargets
        case .jurisdictions:
            [
                Target(name: "jurisdiction_id", isRequired: true), Target(name: "name", isRequired: true),
                Target(name: "rings", form: .area, isRequired: true),
            ]
        }
    }

    private static let channels = Form.choice(["pos", "atm", "ecommerce", "mobile", "transfer", "branch", "other"])
    private static let keyTargets = [Target(name: "bank_id"), Target(name: "transaction_id", isRequired: true)]

    private static func labelTargets(prefix: String, isRequired: Bool) -> [Target] {
        [
            Target(name: prefix + "is_fraud", form: .boolean, isRequired: isRequired),
            Target(name: prefix + "known_at", form: .time, isRequired: isRequired),
            Target(name: prefix + "source"),
        ]
    }

    private static func place(_ name: String, isPersonal: Bool = false) -> [Target] {
        [
            Target(name: name + ".latitude", form: .number, isPersonal: isPersonal),
            Target(name: name + ".longitude", form: .number, isPersonal: isPersonal),
        ]
    }

    private static let transactionTargets =
        keyTargets + [
            Target(name: "event_time", form: .time, isRequired: true),
            Target(name: "time_zone"),
            Target(name: "customer_id", isRequired: true, isPersonal: true),
            Target(name: "account_id", isPersonal: true),
            Target(name: "card_id", isPersonal: true),
            Target(name: "terminal_id"),
            Target(name: "merchant_id"),
            Target(name: "merchant_category_code", form: .merchantCategoryCode),
            Target(name: "counterparty_account_id", isPersonal: true),
            Target(name: "device_id", isPersonal: true),
            Target(name: "channel", form: channels),
            Target(name: "amount", form: .amount, isRequired: true),
            Target(name: "currency", form: .currency, isRequired: true),
        ] + place("location") + [
            Target(name: "details.ip_address", isPersonal: true), Target(name: "details.email", isPersonal: true),
            Target(name: "details.phone", isPersonal: true),
            Target(name: "details.debtor_agent_bic", form: .bic), Target(name: "details.creditor_agent_bic", form: .bic),
        ] + labelTargets(prefix: "label.", isRequired: false)

    private static let terminalTargets =
        [
            Target(name: "terminal_id", isRequired: true),
            Target(name: "kind", form: .choice(["pos", "atm", "online"]), isRequired: true),
        ] + place("location") + [Target(name: "institution"), Target(name: "address"), Target(name: "city")]

    private static let merchantTargets =
        [
            Target(name: "merchant_id", isRequired: true), Target(name: "name"),
            Target(name: "merchant_category_code", form: .merchantCategoryCode),
        ] + place("location") + [Target(name: "city")]

    private static let complaintTargets =
        [
            Target(name: "reporter.kind", form: .choice(["bank", "agency"])),
            Target(name: "reporter.id"),
            Target(name: "complaint_id", isRequired: true),
            Target(name: "crime_type", isRequired: true),
            Target(name: "occurred_at", form: .time, isRequired: true),
            Target(name: "reported_at", form: .time),
        ] + place("location") + [
            Target(name: "amount", form: .amount),
            Target(name: "currency", form: .currency),
            Target(name: "suspect_account_ids", form: .list, isPersonal: true),
            Target(name: "channel", form: channels),
            Target(name: "district"),
        ]

    private static let contextTargets =
        [
            Target(name: "signal_id", isRequired: true),
            Target(name: "kind", isRequired: true),
            Target(name: "starts_at", form: .time, isRequired: true),
            Target(name: "ends_at", form: .time),
        ] + place("location") + [Target(name: "value", form: .number)]

    /// Context signals take any `attributes.NAME`.
    static let attributePrefix = "attributes."
}
