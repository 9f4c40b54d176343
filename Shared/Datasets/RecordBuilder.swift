import Records

/// Makes records out of rows.
final class RecordBuilder {
    private let kind: RecordKind
    private let options: ReadOptions
    private let fields: FieldReader
    private let sieve: RowSieve
    private let plans: [String: FieldPlan]
    /// In the mapping's order.
    private let allPlans: [FieldPlan]
    private let attributes: [FieldPlan]

    // A transaction is made a million times a file, so its plans are looked up once.
    private let bankID, transactionID, eventTime, timeZone, customerID, accountID, cardID, terminalID: FieldPlan?
    private let merchantID, merchantCategoryCode, counterpartyAccountID, deviceID, channel, amount, currency: FieldPlan?
    private let latitude, longitude, isFraud, knownAt, labelSource: FieldPlan?
    private let ipAddress, email, phone, debtorAgentBIC, creditorAgentBIC: FieldPlan?

    /// Nil until a row has gone the long way, which proves the mapping's constants, and where the mapping knows no short way.
    private var plainPayments: PlainPayments?
    private var hasProvenConstants = false

    private let format: FileFormat

    init(kind: RecordKind, plans: [FieldPlan], fields: FieldReader, sieve: RowSieve, format: FileFormat, options: ReadOptions) {
        self.kind = kind
        self.sieve = sieve
        self.format = format
        self.options = options
        self.fields = fields
        let named = Dictionary(plans.map { ($0.target.name, $0) }) { first, _ in first }
        self.plans = named
        allPlans = plans
        attributes = plans.filter { $0.target.name.hasPrefix(Target.attributePrefix) }
        bankID = named["bank_id"]
        transactionID = named["transaction_id"]
        eventTime = named["event_time"]
        timeZone = named["time_zone"]
        customerID = named["customer_id"]
        accountID = named["account_id"]
        cardID = named["card_id"]
        terminalID = named["terminal_id"]
        merchantID = named["merchant_id"]
        merchantCategoryCode = named["merchant_category_code"]
        counterpartyAccountID = named["counterparty_account_id"]
        deviceID = named["device_id"]
        channel = named["channel"]
        amount = named["amount"]
        currency = named["currency"]
        latitude = named["location.latitude"]
        longitude = named["location.longitude"]
        ipAddress = named["details.ip_address"]
        email = named["details.email"]
        phone = named["details.phone"]
        debtorAgentBIC = named["details.debtor_agent_bic"]
        creditorAgentBIC = named["details.creditor_agent_bic"]
        isFraud = named["label.is_fraud"] ?? named["is_fraud"]
        knownAt = named["label.known_at"] ?? named["known_at"]
        labelSource = named["label.source"] ?? named["source"]
    }

    /// What the row that the buffer holds is.
    func item(_ position: RowPosition) -> DatasetItem {
        let outcome = sieve.leavesOut ? .nothing : build(row: position.row)
        guard case .rejected = outcome else { return DatasetItem(position: position, outcome: outcome) }
        return DatasetItem(position: position, outcome: outcome, content: RowContent(allPlans, kind, fields))
    }

    /// A row that broke a rule of its format, so that no field was read.
    ///
    /// - Parameter showsCells: whether the buffer holds the row's cells all the same.
    func refusal(_ position: RowPosition, column: String?, _ reason: String, showsCells: Bool) -> DatasetItem {
        let plan = allPlans.first { if case .columns(let names) = $0.mapping.source { column.map(names.contains) ?? false } else { false } }
        let value = showsCells ? plan.flatMap { fields.raw($0) } ?? "" : ""
        let rejection = Rejection(
            field: plan?.path ?? "", column: column ?? "", value: shown(value, of: plan?.target), reason: reason)
        return DatasetItem(
            position: position, outcome: .rejected([rejection]), content: showsCells ? RowContent(allPlans, kind, fields) : nil)
    }

    /// Takes the row that the buffer holds into columns, if it is a transaction.
    /// - Returns: nil if it was taken, else what became of it.
    func append(_ position: RowPosition, to payments: inout PaymentColumns) -> DatasetItem? {
        if sieve.leavesOut { return DatasetItem(position: position, outcome: .nothing) }
        if plainPayments?.append(fields.buffer, to: &payments) == true { return nil }
        let item = item(position)
        guard case .record(.transaction(let row)) = item.outcome else { return item }
        payments.append(row.transaction, label: row.label)
        if !hasProvenConstants {
            hasProvenConstants = true
            plainPayments = PlainPayments(allPlans, format: format, options: options)
        }
        return nil
    }

    /// The record of the row that the buffer holds; `.nothing` for a label that is not known yet.
    private func build(row: Int) -> DatasetItem.Outcome {
        fields.begin(row: row)
        let record: DatasetRecord?
        switch kind {
        case .transactions: record = .transaction(transaction())
        case .labels: record = label(key: key(), isRequired: true).map { .label($0) }
        case .terminals: record = .terminal(terminal())
        case .customers: record = .customer(customer())
        case .merchants: record = .merchant(merchant())
        case .complaints: record = .complaint(complaint())
        case .context: record = .contextSignal(contextSignal())
        case .jurisdictions: record = .jurisdiction(jurisdiction())
        }
        guard let record else { return fields.rejections.isEmpty ? .nothing : .rejected(fields.rejections) }
        if fields.rejections.isEmpty, options.validates {
            for violation in record.validate(now: options.now) {
                let violation = violation.within(kind.recordName)
                fields.reject(violation, allPlans.filter { $0.target.isMeant(by: violation.field, in: kind) })
            }
        }
        return fields.rejections.isEmpty ? .record(record) : .rejected(fields.rejections)
    }

    private func key() -> TransactionKey {
        TransactionKey(bankID: bankID == nil ? options.bankID : fields.required(bankID), transactionID: fields.required(transactionID))
    }

    private func transaction() -> LabelledTransaction {
        let money = fields.money(amount, currency)
        if money == nil, fields.rejections.isEmpty { fields.missing(amount) }
        let transaction = Transaction(
            key: key(), eventTime: fields.requiredTime(eventTime), timeZone: fields.text(timeZone) ?? fields.zone(eventTime),
            customerID: fields.required(customerID), accountID: fields.text(accountID), cardID: fields.text(cardID),
            terminalID: fields.text(terminalID), merchantID: fields.text(merchantID),
            merchantCategoryCode: fields.merchantCategoryCode(merchantCategoryCode),
            counterpartyAccountID: fields.text(counterpartyAccountID), deviceID: fields.text(deviceID),
            channel: fields.choice(channel, Channel.self) ?? .other, amount: money ?? Money(minorUnits: 0, currency: .eur),
            location: fields.place(latitude, longitude), details: details())
        return LabelledTransaction(transaction: transaction, label: label(key: transaction.key, isRequired: false))
    }

    private func details() -> TransactionDetails? {
        let details = TransactionDetails(
            ipAddress: fields.text(ipAddress), email: fields.text(email), phone: fields.text(phone),
            debtorAgentBIC: fields.bic(debtorAgentBIC), creditorAgentBIC: fields.bic(creditorAgentBIC))
        return details.isEmpty ? nil : details
    }

    /// Nil when the file does not know it yet.
    private func label(key: TransactionKey, isRequired: Bool) -> Label? {
        guard let isFraud = fields.boolean(isFraud) else { return nil }
        return Label(key: key, isFraud: isFraud, knownAt: fields.requiredTime(knownAt), source: fields.text(labelSource) ?? "import")
    }

    private func terminal() -> Terminal {
        let kind = fields.choice(plans["kind"], Terminal.Kind.self)
        if kind == nil, fields.rejections.isEmpty { fields.missing(plans["kind"]) }
        return Terminal(
            terminalID: fields.required(terminalID), kind: kind ?? .pos, location: fields.place(latitude, longitude),
            institution: fields.prose(plans["institution"]), address: fields.prose(plans["address"]), city: fields.prose(plans["city"]))
    }

    private func merchant() -> Merchant {
        Merchant(
            merchantID: fields.required(merchantID), name: fields.prose(plans["name"]),
            merchantCategoryCode: fields.merchantCategoryCode(merchantCategoryCode), location: fields.place(latitude, longitude),
            city: fields.prose(plans["city"]))
    }

    private func customer() -> Customer {
        Customer(customerID: fields.required(customerID), home: fields.place(plans["home.latitude"], plans["home.longitude"]))
    }

    private func complaint() -> Complaint {
        let occurredAt = fields.requiredTime(plans["occurred_at"])
        return Complaint(
            reporter: Complaint.Reporter(
                kind: fields.choice(plans["reporter.kind"], Complaint.Reporter.Kind.self) ?? options.reporter.kind,
                id: fields.text(plans["reporter.id"]) ?? options.reporter.id),
            complaintID: fields.required(plans["complaint_id"]), crimeType: fields.required(plans["crime_type"]), occurredAt: occurredAt,
            reportedAt: fields.time(plans["reported_at"]) ?? occurredAt, location: fields.place(latitude, longitude),
            amount: fields.money(amount, currency), suspectAccountIDs: fields.list(plans["suspect_account_ids"]),
            channel: fields.choice(channel, Channel.self), district: fields.prose(plans["district"]))
    }

    private func jurisdiction() -> Jurisdiction {
        Jurisdiction(
            id: fields.required(plans["jurisdiction_id"]), name: fields.requiredProse(plans["name"]), rings: fields.rings(plans["rings"]))
    }

    private func contextSignal() -> ContextSignal {
        var values: [String: String] = [:]
        for plan in attributes {
            values[String(plan.target.name.dropFirst(Target.attributePrefix.count))] = fields.text(plan)
        }
        return ContextSignal(
            signalID: fields.required(plans["signal_id"]), kind: fields.required(plans["kind"]),
            start: fields.requiredTime(plans["starts_at"]), end: fields.time(plans["ends_at"]), location: fields.place(latitude, longitude),
            value: fields.number(plans["value"]), attributes: values)
    }
}

extension DatasetRecord {
    func validate(now: Timestamp) -> [Violation] {
        switch self {
        case .transaction(let row): row.transaction.validate(now: now)
        case .label(let label): label.validate(now: now)
        case .terminal(let terminal): terminal.validate(now: now)
        case .customer(let customer): customer.validate(now: now)
        case .merchant(let merchant): merchant.validate(now: now)
        case .complaint(let complaint): complaint.validate(now: now)
        case .contextSignal(let signal): signal.validate(now: now)
        case .jurisdiction(let jurisdiction): jurisdiction.validate(now: now)
        }
    }
}
