import Crypto
public import Features
public import Records

/// What a model is trained on: payments, what became known of them, and where people and terminals are.
public struct PaymentHistory: Sendable {
    /// In the order of event time, those of one time in the order of their keys; each key once.
    public let transactions: [Transaction]
    /// In the order in which they became known, those known at one time in the order of their payments' keys.
    public let labels: [Label]
    public var homes: [String: Coordinate]
    public var terminals: [String: Coordinate]
    /// Complaints and the like; empty where none are at hand.
    public var incidents: [KnownIncident] = []
    /// Transactions left out because an earlier one had the same key.
    public let duplicateCount: Int

    public init(
        transactions: [Transaction], labels: [Label], homes: [String: Coordinate] = [:], terminals: [String: Coordinate] = [:]
    ) {
        var seen: Set<TransactionKey> = []
        seen.reserveCapacity(transactions.count)
        let unique = transactions.filter { seen.insert($0.key).inserted }
        duplicateCount = transactions.count - unique.count
        self.transactions = unique.sortedByTime { ($0.eventTime, $0.key) }
        self.labels = labels.sortedByTime { ($0.knownAt, $0.key) }
        self.homes = homes
        self.terminals = terminals
    }

    public init(transactions: [Transaction], labels: [Label], customers: [Customer], terminals: [Terminal]) {
        var homes: [String: Coordinate] = [:]
        for customer in customers { homes[customer.customerID] = customer.home }
        var places: [String: Coordinate] = [:]
        for terminal in terminals { places[terminal.terminalID] = terminal.location }
        self.init(transactions: transactions, labels: labels, homes: homes, terminals: places)
    }

    /// An engine that knows the places and no payments yet.
    public func replay(set: FeatureSet) -> FeatureReplay {
        var replay = FeatureReplay(set: set)
        for (customer, place) in homes.sorted(by: { $0.key < $1.key }) { replay.engine.place(customer: customer, at: place) }
        for (terminal, place) in terminals.sorted(by: { $0.key < $1.key }) { replay.engine.place(terminal: terminal, at: place) }
        return replay
    }

    /// What was known at `time` of each transaction, in the order of `transactions`: its latest label by then; without one, genuine if it
    /// is older than `labelDelay` and the data has no labels of genuine payments at all (chargebacks name frauds only), else nil.
    public func outcomes(knownBy time: Timestamp, labelDelay: TimeSpan) -> [Bool?] {
        var latest: [TransactionKey: Bool] = [:]
        var namesGenuine = false
        for label in labels where label.knownAt <= time {
            latest[label.key] = label.isFraud
            if !label.isFraud { namesGenuine = true }
        }
        return transactions.map { transaction in
            if let isFraud = latest[transaction.key] { return isFraud }
            return !namesGenuine && transaction.eventTime + labelDelay <= time ? false : nil
        }
    }

    /// SHA-256 over the transactions and labels known at `time`: says whether two models saw the same data. Lower-case hexadecimal.
    public func sha256(knownBy time: Timestamp) -> String {
        var hash = SHA256()
        var line: [UInt8] = []
        func add(_ text: String) {
            var text = text
            text.withUTF8 { line.append(contentsOf: $0) }
            line.append(0x1f)
        }
        func add(_ number: Int64) {
            let start = line.count
            var rest = number.magnitude
            repeat {
                line.append(UInt8(ascii: "0") + UInt8(rest % 10))
                rest /= 10
            } while rest > 0
            if number < 0 { line.append(UInt8(ascii: "-")) }
            line[start...].reverse()
            line.append(0x1f)
        }
        func flush() {
            hash.update(data: line)
            line.removeAll(keepingCapacity: true)
        }
        for transaction in transactions where transaction.eventTime <= time {
            add(transaction.key.bankID)
            add(transaction.key.transactionID)
            add(transaction.eventTime.microseconds)
            add(transaction.customerID)
            add(transaction.terminalID ?? "")
            add(transaction.amount.minorUnits)
            add(transaction.amount.currency.code)
            if line.count > 65_536 { flush() }
        }
        add("labels")
        for label in labels where label.knownAt <= time {
            add(label.key.bankID)
            add(label.key.transactionID)
            add(label.isFraud ? "1" : "0")
            add(label.knownAt.microseconds)
            if line.count > 65_536 { flush() }
        }
        flush()
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }
}

extension Array {
    /// By time and key, whatever the order of the file; what has both in common stays as it came.
    fileprivate func sortedByTime(_ rank: (Element) -> (Timestamp, TransactionKey)) -> [Element] {
        func isBefore(_ a: Element, _ b: Element) -> Bool {
            let ((time, key), (otherTime, otherKey)) = (rank(a), rank(b))
            return time == otherTime ? key.precedes(otherKey) : time < otherTime
        }
        guard zip(dropFirst(), self).contains(where: isBefore) else { return self }
        // The standard library's sort is stable today and does not promise it.
        return enumerated().sorted { a, b in
            isBefore(a.element, b.element) || (a.offset < b.offset && !isBefore(b.element, a.element))
        }.map(\.element)
    }
}
