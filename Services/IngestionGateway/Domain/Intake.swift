import Records

/// Everything but transactions that can be sent.
enum IncomingRecord: Sendable, Hashable {
    case label(Label)
    case complaint(Complaint)
    case terminal(Terminal)
    case customer(Customer)
    case merchant(Merchant)
    case jurisdiction(Jurisdiction)
    case contextSignal(ContextSignal)

    enum Kind: String, Sendable, Hashable, CaseIterable {
        case label, complaint, terminal, customer, merchant, jurisdiction
        case contextSignal = "context_signal"

        /// Whether one name means the same whoever sends it: readers know these records by their names alone.
        var isShared: Bool {
            switch self {
            case .terminal, .merchant, .jurisdiction: true
            case .label, .complaint, .customer, .contextSignal: false
            }
        }
    }

    var kind: Kind {
        switch self {
        case .label: .label
        case .complaint: .complaint
        case .terminal: .terminal
        case .customer: .customer
        case .merchant: .merchant
        case .jurisdiction: .jurisdiction
        case .contextSignal: .contextSignal
        }
    }

    /// What it goes by, under its sender unless its kind is shared: sending that again is a duplicate or a correction.
    var id: String {
        switch self {
        case .label(let label): "\(label.key.bankID)/\(label.key.transactionID)"
        case .complaint(let complaint): complaint.complaintID
        case .terminal(let terminal): terminal.terminalID
        case .customer(let customer): customer.customerID
        case .merchant(let merchant): merchant.merchantID
        case .jurisdiction(let jurisdiction): jurisdiction.id
        case .contextSignal(let signal): signal.signalID
        }
    }

    func validate(now: Timestamp) -> [Violation] {
        switch self {
        case .label(let label): label.validate(now: now)
        case .complaint(let complaint): complaint.validate(now: now)
        case .terminal(let terminal): terminal.validate(now: now)
        case .customer(let customer): customer.validate(now: now)
        case .merchant(let merchant): merchant.validate(now: now)
        case .jurisdiction(let jurisdiction): jurisdiction.validate(now: now)
        case .contextSignal(let signal): signal.validate(now: now)
        }
    }
}

enum IdentifierKind: String, Sendable, CaseIterable {
    case customer, account, card, device, email, phone, ip
}

/// An identifier as the bank sent it, with its token.
struct RawIdentifier: Sendable, Hashable {
    let kind: IdentifierKind
    let token: String
    let value: String
    /// The token of the customer it was seen with; nil for customers themselves and for counterparties.
    let owner: String?
}

/// Turns identifiers of people and their instruments into tokens.
///
/// A customer's identifier means something to one bank only, so the bank is part of what is tokenised; everything else means the same to all,
/// so that one account seen by two banks has one token. An identifier that may be written in several ways is tokenised in the one that
/// stands for it: an IBAN and a card's number without what groups their characters.
struct Tokeniser: Sendable {
    /// The token of an identifier of that kind within a scope, empty where it means the same to all: always the same, and no way back.
    let token: @Sendable (_ kind: IdentifierKind, _ scope: String, _ identifier: String) -> String

    func tokenised(_ transaction: Transaction) -> Transaction {
        var result = transaction
        let bankID = transaction.key.bankID
        result.customerID = customerToken(bankID: bankID, customerID: transaction.customerID)
        result.accountID = transaction.accountID.map(accountToken)
        result.cardID = transaction.cardID.map { token(of: $0, .card, bankID: bankID) }
        result.counterpartyAccountID = transaction.counterpartyAccountID.map(accountToken)
        result.deviceID = transaction.deviceID.map { token(of: $0, .device, bankID: bankID) }
        if var details = transaction.details {
            details.ipAddress = details.ipAddress.map { token(of: $0, .ip, bankID: bankID) }
            details.email = details.email.map { token(of: $0, .email, bankID: bankID) }
            details.phone = details.phone.map { token(of: $0, .phone, bankID: bankID) }
            result.details = details
        }
        return result
    }

    /// The token of an identifier as a bank sends it.
    func token(of identifier: String, _ kind: IdentifierKind, bankID: String) -> String {
        switch kind {
        case .customer: customerToken(bankID: bankID, customerID: identifier)
        case .account: accountToken(identifier)
        case .card: token(kind, "", CardNumber.canonical(identifier))
        case .device: token(kind, "", identifier)
        case .ip: token(kind, "", IPAddress(identifier)?.description ?? identifier)
        case .email: token(kind, "", EmailAddress(identifier)?.description ?? identifier)
        case .phone: token(kind, "", PhoneNumber(identifier)?.description ?? identifier)
        }
    }

    /// The token of a bank's customer. A bank without numbers for its customers calls them by their accounts.
    func customerToken(bankID: String, customerID: String) -> String {
        // Length first, so that no two pairs read the same.
        token(.customer, String(bankID.utf8.count) + ":" + bankID, IBAN.canonical(customerID))
    }

    private func accountToken(_ account: String) -> String { token(.account, "", IBAN.canonical(account)) }

    /// What a transaction's tokens stand for.
    static func identifiers(raw: Transaction, tokenised: Transaction) -> [RawIdentifier] {
        let owner = tokenised.customerID
        var found = [RawIdentifier(kind: .customer, token: owner, value: raw.customerID, owner: nil)]
        func add(_ kind: IdentifierKind, _ token: String?, _ value: String?, owner: String?) {
            if let token, let value { found.append(RawIdentifier(kind: kind, token: token, value: value, owner: owner)) }
        }
        add(.account, tokenised.accountID, raw.accountID, owner: owner)
        add(.card, tokenised.cardID, raw.cardID, owner: owner)
        add(.device, tokenised.deviceID, raw.deviceID, owner: owner)
        add(.account, tokenised.counterpartyAccountID, raw.counterpartyAccountID, owner: nil)
        add(.email, tokenised.details?.email, raw.details?.email, owner: owner)
        add(.phone, tokenised.details?.phone, raw.details?.phone, owner: owner)
        add(.ip, tokenised.details?.ipAddress, raw.details?.ipAddress, owner: owner)
        return found
    }

    /// What a record's tokens stand for.
    static func identifiers(raw: IncomingRecord, tokenised: IncomingRecord) -> [RawIdentifier] {
        switch (raw, tokenised) {
        case (.customer(let raw), .customer(let tokenised)):
            [RawIdentifier(kind: .customer, token: tokenised.customerID, value: raw.customerID, owner: nil)]
        case (.complaint(let raw), .complaint(let tokenised)):
            zip(raw.suspectAccountIDs, tokenised.suspectAccountIDs).map {
                RawIdentifier(kind: .account, token: $1, value: $0, owner: nil)
            }
        default: []
        }
    }

    /// - Parameter sender: the bank whose customer it is.
    func tokenised(_ record: IncomingRecord, sender: String) -> IncomingRecord {
        switch record {
        case .customer(var customer):
            customer.customerID = customerToken(bankID: sender, customerID: customer.customerID)
            return .customer(customer)
        case .complaint(var complaint):
            complaint.suspectAccountIDs = complaint.suspectAccountIDs.map(accountToken)
            return .complaint(complaint)
        case .label, .terminal, .merchant, .jurisdiction, .contextSignal:
            return record
        }
    }
}
