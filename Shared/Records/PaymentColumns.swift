/// Payments as columns, for what runs over a whole file of them: some fifty bytes each, ids as numbers. Only what features are made of
/// is here.
public struct PaymentColumns: Sendable {
    /// What became known of a payment.
    public struct KnownLabel: Sendable, Hashable {
        /// Of the payment.
        public var row: UInt32
        public var isFraud: Bool
        /// Microseconds since 1970.
        public var knownAt: Int64
    }

    /// In place of a terminal's number where a payment has none.
    public static let noTerminal = UInt32.max

    /// Microseconds since 1970, of each payment in the order in which they came.
    public private(set) var times: [Int64] = []
    /// Into `customerIDs`.
    public private(set) var customers: [UInt32] = []
    /// Into `terminalIDs`, or `noTerminal`.
    public private(set) var terminals: [UInt32] = []
    /// In the order in which they came.
    public private(set) var labels: [KnownLabel] = []
    public private(set) var customerIDs = NumberedIdentifiers()
    public private(set) var terminalIDs = NumberedIdentifiers()
    /// Payments left out because an earlier one had the same bank and id.
    public private(set) var duplicateCount = 0
    /// Those among them that say something else than the earlier one, as far as columns tell.
    public private(set) var conflictCount = 0

    private var minorUnits: [Int64] = []
    private var locations: [UInt32: Coordinate] = [:]
    /// Of each payment's own clock, `noOffset` where it states none; empty as long as none does.
    private var utcOffsets: [Int32] = []
    private static let noOffset = Int32.min
    private var currencies: [Currency] = []
    private var currencyOfRow: [UInt8] = []
    private var keys = PaymentKeys()

    public init() {}

    public var count: Int { times.count }

    /// Appends a payment; one whose key was met before only adds its label to that.
    ///
    /// - Parameters:
    ///   - location: where it was made, when that is known better than by the terminal.
    ///   - utcOffsetSeconds: of its own clock, east of UTC; nil where it states none.
    public mutating func append(
        bank: UnsafeBufferPointer<UInt8>, id: UnsafeBufferPointer<UInt8>, time: Int64, customer: UnsafeBufferPointer<UInt8>,
        terminal: UnsafeBufferPointer<UInt8>?, amount: Money, location: Coordinate? = nil, utcOffsetSeconds: Int? = nil,
        label: (isFraud: Bool, knownAt: Int64)?
    ) {
        let (row, isNew) = keys.append(bank: bank, id: id)
        if let label { labels.append(KnownLabel(row: row, isFraud: label.isFraud, knownAt: label.knownAt)) }
        guard isNew else {
            duplicateCount += 1
            let isSame = times[Int(row)] == time && self.amount(of: Int(row)) == amount
                && customers[Int(row)] == customerIDs.existingNumber(of: customer)
                && terminals[Int(row)] == (terminal.map { terminalIDs.existingNumber(of: $0) } ?? PaymentColumns.noTerminal)
            if !isSame { conflictCount += 1 }
            return
        }
        times.append(time)
        customers.append(customerIDs.number(of: customer))
        terminals.append(terminal.map { terminalIDs.number(of: $0) } ?? PaymentColumns.noTerminal)
        minorUnits.append(amount.minorUnits)
        currencyOfRow.append(number(of: amount.currency))
        if let location { locations[row] = location }
        if utcOffsetSeconds != nil, utcOffsets.isEmpty { utcOffsets = [Int32](repeating: Self.noOffset, count: times.count - 1) }
        if utcOffsetSeconds != nil || !utcOffsets.isEmpty {
            utcOffsets.append(utcOffsetSeconds.flatMap { Int32(exactly: $0) } ?? Self.noOffset)
        }
    }

    /// As above.
    public mutating func append(_ transaction: Transaction, label: Label?) {
        // Each in a variable of its own: bytes are borrowed by what may have to change the text's form.
        var bank = transaction.key.bankID
        var id = transaction.key.transactionID
        var customer = transaction.customerID
        let known = label.flatMap { $0.key == transaction.key ? (isFraud: $0.isFraud, knownAt: $0.knownAt.microseconds) : nil }
        bank.withUTF8 { bank in
            id.withUTF8 { id in
                customer.withUTF8 { customer in
                    func add(_ terminal: UnsafeBufferPointer<UInt8>?) {
                        append(
                            bank: bank, id: id, time: transaction.eventTime.microseconds, customer: customer, terminal: terminal,
                            amount: transaction.amount, location: transaction.location, utcOffsetSeconds: transaction.utcOffsetSeconds,
                            label: known)
                    }
                    if var terminal = transaction.terminalID { terminal.withUTF8 { add($0) } } else { add(nil) }
                }
            }
        }
    }

    /// Replaces what is known by labels that came apart; those of payments that are not here are left out.
    public mutating func setLabels(_ others: [Label]) {
        labels = others.compactMap { label in
            keys.row(of: label.key).map { KnownLabel(row: $0, isFraud: label.isFraud, knownAt: label.knownAt.microseconds) }
        }
    }

    /// What each payment turned out to be in the end: its latest label; without one, genuine if there are no labels of genuine payments at
    /// all (chargebacks name frauds only), else nil.
    public func outcomes() -> [Bool?] {
        let namesGenuine = labels.contains { !$0.isFraud }
        var outcomes = [Bool?](repeating: namesGenuine ? nil : false, count: count)
        var knownAt = [Int64](repeating: .min, count: count)
        for label in labels where label.knownAt >= knownAt[Int(label.row)] {
            knownAt[Int(label.row)] = label.knownAt
            outcomes[Int(label.row)] = label.isFraud
        }
        return outcomes
    }

    /// Rows in the order of their times, those of one time in the order of their keys, whatever the order in which they came; nil where they
    /// came so.
    public var order: [Int]? {
        guard times.indices.dropFirst().contains(where: { isBefore($0, $0 - 1) }) else { return nil }
        return times.indices.sorted { isBefore($0, $1) }
    }

    private func isBefore(_ row: Int, _ other: Int) -> Bool {
        times[row] == times[other] ? keys.isBefore(row, other) : times[row] < times[other]
    }

    public func amount(of row: Int) -> Money { Money(minorUnits: minorUnits[row], currency: currencies[Int(currencyOfRow[row])]) }

    /// Where a payment was made, if the bank knew it better than the terminal's place.
    public func location(of row: Int) -> Coordinate? { locations.isEmpty ? nil : locations[UInt32(row)] }

    /// How far a payment's own clock was from UTC, in seconds east; nil where it states none.
    public func utcOffsetSeconds(of row: Int) -> Int? {
        utcOffsets.isEmpty || utcOffsets[row] == Self.noOffset ? nil : Int(utcOffsets[row])
    }

    /// The bank's own id of a payment, without the bank's.
    public func withID<Result>(of row: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
        try keys.withID(of: row, body)
    }

    private mutating func number(of currency: Currency) -> UInt8 {
        if let last = currencyOfRow.last, currencies[Int(last)] == currency { return last }
        if let index = currencies.firstIndex(of: currency) { return UInt8(index) }
        // ISO 4217 lists fewer than 256.
        currencies.append(currency)
        return UInt8(currencies.count - 1)
    }
}

/// The keys of payments, each once.
private struct PaymentKeys: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var bankIDs = NumberedIdentifiers()
    /// One a row; empty as long as there is one bank.
    private var banks: [UInt32] = []
    /// Whether each id so far was longer than the one before it, or as long and greater, as those that count payments are: then none came
    /// twice, and no table is needed to know it.
    private var grows = true
    private var rows: [TransactionKey: UInt32] = [:]

    /// - Returns: the key's row, and whether it was not met before.
    mutating func append(bank: UnsafeBufferPointer<UInt8>, id: UnsafeBufferPointer<UInt8>) -> (row: UInt32, isNew: Bool) {
        let bankNumber = bankIDs.number(of: bank)
        if bankNumber > 0, banks.isEmpty { banks = [UInt32](repeating: 0, count: ends.count) }
        if grows, bankNumber > 0 || !isGreater(id) {
            grows = false
            rows.reserveCapacity(ends.count * 2)
            for row in ends.indices { rows[key(of: row)] = UInt32(row) }
        }
        let row = UInt32(ends.count)
        if !grows {
            let key = TransactionKey(bankID: bankIDs[Int(bankNumber)], transactionID: String(decoding: id, as: UTF8.self))
            if let met = rows[key] { return (met, false) }
            rows[key] = row
        }
        bytes.append(contentsOf: id)
        ends.append(bytes.count)
        if bankNumber > 0 || !banks.isEmpty { banks.append(bankNumber) }
        return (row, true)
    }

    mutating func row(of key: TransactionKey) -> UInt32? {
        if grows {
            grows = false
            for row in ends.indices { rows[self.key(of: row)] = UInt32(row) }
        }
        return rows[key]
    }

    func withID<Result>(of row: Int, _ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { try body(UnsafeBufferPointer(rebasing: $0[range(row)])) }
    }

    private func range(_ row: Int) -> Range<Int> { (row == 0 ? 0 : ends[row - 1])..<ends[row] }

    private func key(of row: Int) -> TransactionKey {
        TransactionKey(
            bankID: bankIDs[banks.isEmpty ? 0 : Int(banks[row])],
            transactionID: withID(of: row) { String(decoding: $0, as: UTF8.self) })
    }

    /// Than the last one; of one bank.
    private func isGreater(_ id: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !ends.isEmpty else { return true }
        return withID(of: ends.count - 1) { $0.comparison(to: id) < 0 }
    }

    /// As `TransactionKey.precedes(_:)`.
    func isBefore(_ row: Int, _ other: Int) -> Bool {
        let comparison = withID(of: row) { id in withID(of: other) { id.comparison(to: $0) } }
        if comparison != 0 || banks.isEmpty { return comparison < 0 }
        return key(of: row).precedes(key(of: other))
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Below zero where this comes first: the shorter, then byte by byte.
    fileprivate func comparison(to other: UnsafeBufferPointer<UInt8>) -> Int {
        if count != other.count { return count - other.count }
        for (byte, its) in zip(self, other) where byte != its { return Int(byte) - Int(its) }
        return 0
    }
}
