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
    /// Keys under which a transaction came that says something else than the first, in the order in which they came.
    public let conflicts: [TransactionKey]

    public init(
        transactions: [Transaction], labels: [Label], homes: [String: Coordinate] = [:], terminals: [String: Coordinate] = [:]
    ) {
        var seen: [TransactionKey: Int] = [:]
        seen.reserveCapacity(transactions.count)
        var unique: [Transaction] = []
        unique.reserveCapacity(transactions.count)
        var conflicts: [TransactionKey] = []
        for transaction in transactions {
            let place = seen[transaction.key, default: unique.count]
            if place == unique.count {
                seen[transaction.key] = place
                unique.append(transaction)
            } else if unique[place] != transaction {
                conflicts.append(transaction.key)
            }
        }
        duplicateCount = transactions.count - unique.count
        self.conflicts = conflicts
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
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.roomBytes) { room in
            var digest = Digest(room: room)
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
    }

    /// A hash over texts and decimal numbers, each followed by a separator.
    private struct Digest {
        static let roomBytes = 65_536
        private static let separator: UInt8 = 0x1f
        private static let maxDigits = 20
        /// What is not hashed yet lies at its beginning.
        private let room: UnsafeMutableBufferPointer<UInt8>
        private var pending = 0
        private var hash = SHA256()

        /// - Parameter room: of `roomBytes`, for as long as the digest.
        init(room: UnsafeMutableBufferPointer<UInt8>) { self.room = room }

        mutating func add(_ text: String) {
            var text = text
            text.withUTF8 { bytes in
                if pending + bytes.count >= Self.roomBytes { flush() }
                if bytes.count >= Self.roomBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(bytes)) } else {
                    pending = room[pending...].update(fromContentsOf: bytes)
                }
                room[pending] = Self.separator
                pending += 1
            }
        }

        mutating func add(_ number: Int64) {
            if pending + Self.maxDigits + 2 > Self.roomBytes { flush() }
            if number < 0 {
                room[pending] = UInt8(ascii: "-")
                pending += 1
            }
            var digits = 1
            var limit: UInt64 = 10
            while digits < Self.maxDigits, number.magnitude >= limit {
                digits += 1
                limit &*= 10
            }
            var rest = number.magnitude
            for place in stride(from: pending + digits - 1, through: pending, by: -1) {
                room[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            pending += digits
            room[pending] = Self.separator
            pending += 1
        }

        private mutating func flush() {
            hash.update(bufferPointer: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: room[..<pending])))
            pending = 0
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
