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
        var digest = Digest()
        for index in transactions.indices where transactions[index].eventTime <= time {
            digest.add(transactions[index].key.bankID)
            digest.add(transactions[index].key.transactionID)
            digest.add(transactions[index].eventTime.microseconds)
            digest.add(transactions[index].customerID)
            digest.add(transactions[index].terminalID ?? "")
            digest.add(transactions[index].amount.minorUnits)
            digest.add(transactions[index].amount.currency.code)
        }
        digest.add("labels")
        for index in labels.indices where labels[index].knownAt <= time {
            digest.add(labels[index].key.bankID)
            digest.add(labels[index].key.transactionID)
            digest.add(labels[index].isFraud ? "1" : "0")
            digest.add(labels[index].knownAt.microseconds)
        }
        return digest.finalized()
    }

    /// A hash over texts and decimal numbers, each followed by a separator.
    private struct Digest {
        private static let separator: UInt8 = 0x1f
        private static let maxPendingBytes = 65_536
        private static let maxDigits = 20
        private var hash = SHA256()
        private var pending: [UInt8] = []

        mutating func add(_ text: String) {
            pending.append(contentsOf: text.utf8)
            end()
        }

        mutating func add(_ number: Int64) {
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.maxDigits) { digits in
                var first = Self.maxDigits
                var rest = number.magnitude
                repeat {
                    first -= 1
                    digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                } while rest > 0
                if number < 0 { pending.append(UInt8(ascii: "-")) }
                pending.append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
            }
            end()
        }

        private mutating func end() {
            pending.append(Self.separator)
            if pending.count > Self.maxPendingBytes { flush() }
        }

        private mutating func flush() {
            hash.update(data: pending)
            pending.removeAll(keepingCapacity: true)
        }

        /// Lower-case hexadecimal.
        mutating func finalized() -> String {
            flush()
            return hash.finalize().map { byte in
                let digits = String(byte, radix: 16)
                return digits.utf8.count == 1 ? "0" + digits : digits
            }.joined()
        }
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
