public import Records

/// Money that leaves an account by an ATM or goes to another account, as its bank saw it.
public struct CashMovement: Sendable, Hashable {
    public enum Target: Sendable, Hashable {
        case atm(String)
        case account(String)
    }

    public var time: Timestamp
    public var accountID: String
    public var target: Target
    /// In major units of the bank's currency.
    public var amount: Double

    public init(time: Timestamp, accountID: String, target: Target, amount: Double) {
        self.time = time
        self.accountID = accountID
        self.target = target
        self.amount = amount
    }

    /// Nil for what is neither a withdrawal nor a transfer, or names no account.
    public init?(_ transaction: Transaction) {
        guard let account = transaction.accountID else { return nil }
        if transaction.channel == .atm, let atm = transaction.terminalID {
            self.init(time: transaction.eventTime, accountID: account, target: .atm(atm), amount: transaction.amount.amount)
        } else if let other = transaction.counterpartyAccountID {
            self.init(time: transaction.eventTime, accountID: account, target: .account(other), amount: transaction.amount.amount)
        } else {
            return nil
        }
    }
}

/// A cash machine that money may be taken out at.
public struct CashMachine: Sendable, Hashable {
    public var id: String
    public var place: Coordinate

    public init(id: String, place: Coordinate) {
        self.id = id
        self.place = place
    }
}
