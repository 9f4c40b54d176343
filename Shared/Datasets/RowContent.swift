import Records

/// What a row says, as a rejects file may show it: values that name a person, or may, are masked.
public struct RowContent: Sendable, Hashable {
    public struct Value: Sendable, Hashable {
        /// As the contract names it.
        public var field: String
        public var text: String
    }

    /// The record's own name, such as the bank's transaction id; empty where there is none.
    public var id: String
    /// In the mapping's order; those without a value are missing.
    public var values: [Value]

    /// A row that has been read into cells.
    init(_ plans: [FieldPlan], _ kind: RecordKind, _ fields: FieldReader) {
        let found = plans.compactMap { plan in
            fields.raw(plan).map { (plan.target, Value(field: plan.path, text: shown($0, of: plan.target))) }
        }
        id = found.first { $0.0.name == kind.idField }?.1.text ?? ""
        values = found.map(\.1)
    }

    /// A record that was read, and refused elsewhere.
    public init(_ record: DatasetRecord) {
        let kind = record.kind
        let targets = Dictionary(Target.all(for: kind).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let found = record.fieldTexts.compactMap { name, text -> (String, Value)? in
            guard let text, !text.isEmpty else { return nil }
            let target = targets[name] ?? Target(name: name)
            return (name, Value(field: target.path(in: kind), text: shown(text, of: target)))
        }
        id = found.first { $0.0 == kind.idField }?.1.text ?? ""
        values = found.map(\.1)
    }
}

extension Rejection {
    /// With the column and the value, which whoever refuses a record that was read does not know: it names a field alone.
    ///
    /// - Parameter content: nil where nothing of the row could be read.
    public func located(in mapping: Mapping, _ content: RowContent?) -> Rejection {
        var located = self
        if column.isEmpty { located.column = mapping.columnLabel(of: field) }
        if value.isEmpty { located.value = content?.values.first { $0.field == field }?.text ?? "" }
        return located
    }
}

extension RecordKind {
    /// The field that names a record.
    var idField: String {
        switch self {
        case .transactions, .labels: "transaction_id"
        case .terminals: "terminal_id"
        case .customers: "customer_id"
        case .merchants: "merchant_id"
        case .complaints: "complaint_id"
        case .context: "signal_id"
        case .jurisdictions: "jurisdiction_id"
        }
    }
}

extension DatasetRecord {
    public var kind: RecordKind {
        switch self {
        case .transaction: .transactions
        case .label: .labels
        case .terminal: .terminals
        case .customer: .customers
        case .merchant: .merchants
        case .complaint: .complaints
        case .contextSignal: .context
        case .jurisdiction: .jurisdictions
        }
    }

    /// Its fields by a mapping's names for them.
    fileprivate var fieldTexts: [(String, String?)] {
        switch self {
        case .transaction(let row): Self.texts(of: row.transaction)
        case .label(let label):
            [
                ("bank_id", label.key.bankID), ("transaction_id", label.key.transactionID), ("is_fraud", "\(label.isFraud)"),
                ("known_at", label.knownAt.iso8601), ("source", label.source),
            ]
        case .terminal(let terminal):
            [("terminal_id", terminal.terminalID), ("kind", terminal.kind.rawValue)] + Self.texts(of: terminal.location, "location")
                + [("institution", terminal.institution), ("address", terminal.address), ("city", terminal.city)]
        case .merchant(let merchant):
            [
                ("merchant_id", merchant.merchantID), ("name", merchant.name),
                ("merchant_category_code", merchant.merchantCategoryCode.map { "\($0)" }), ("city", merchant.city),
            ] + Self.texts(of: merchant.location, "location")
        case .customer(let customer): [("customer_id", customer.customerID)] + Self.texts(of: customer.home, "home")
        case .complaint(let complaint):
            [
                ("complaint_id", complaint.complaintID), ("crime_type", complaint.crimeType), ("occurred_at", complaint.occurredAt.iso8601),
                ("reported_at", complaint.reportedAt.iso8601), ("district", complaint.district),
            ] + Self.texts(of: complaint.location, "location")
        case .contextSignal(let signal):
            [("signal_id", signal.signalID), ("kind", signal.kind), ("starts_at", signal.start.iso8601), ("ends_at", signal.end?.iso8601)]
                + Self.texts(of: signal.location, "location")
        case .jurisdiction(let jurisdiction): [("jurisdiction_id", jurisdiction.id), ("name", jurisdiction.name)]
        }
    }

    private static func texts(of transaction: Transaction) -> [(String, String?)] {
        [
            ("bank_id", transaction.key.bankID), ("transaction_id", transaction.key.transactionID),
            ("event_time", transaction.eventTime.iso8601), ("time_zone", transaction.timeZone), ("customer_id", transaction.customerID),
            ("account_id", transaction.accountID), ("card_id", transaction.cardID), ("terminal_id", transaction.terminalID),
            ("merchant_id", transaction.merchantID),
            ("merchant_category_code", transaction.merchantCategoryCode.map { "\($0)" }),
            ("counterparty_account_id", transaction.counterpartyAccountID), ("device_id", transaction.deviceID),
            ("channel", transaction.channel.rawValue), ("amount", "\(transaction.amount.minorUnits)"),
            ("currency", transaction.amount.currency.code),
        ] + texts(of: transaction.location, "location") + texts(of: transaction.details)
    }

    private static func texts(of details: TransactionDetails?) -> [(String, String?)] {
        guard let details else { return [] }
        return [
            ("details.ip_address", details.ipAddress), ("details.email", details.email), ("details.phone", details.phone),
            ("details.debtor_agent_bic", details.debtorAgentBIC?.description),
            ("details.creditor_agent_bic", details.creditorAgentBIC?.description),
        ]
    }

    private static func texts(of place: Coordinate?, _ name: String) -> [(String, String?)] {
        guard let place else { return [] }
        return [("\(name).latitude", "\(place.latitude)"), ("\(name).longitude", "\(place.longitude)")]
    }
}
