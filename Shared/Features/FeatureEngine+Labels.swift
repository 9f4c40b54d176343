public import Records

/// What becomes known of transactions.
extension FeatureEngine {
    /// Takes a label in; it counts for requests at or after `label.knownAt`. Of several about one transaction that which became known last
    /// counts, whatever the order in which they come; of those that became known within one second, that which comes last.
    /// - Returns: false if the transaction is unknown, or so old that no window reaches it any more.
    @discardableResult
    public mutating func learn(_ label: Label) -> Bool {
        let fingerprint = fingerprint(of: label.key)
        guard let customer = customer(of: fingerprint), let index = customers[customer].events.index(of: fingerprint) else { return false }
        learn(isFraud: label.isFraud, knownAt: label.knownAt.microseconds, at: index, ofCustomer: customer)
        return true
    }

    /// As ``learn(_:)``; a label of an unknown transaction waits until that is observed, as long as there is room (see `EarlyLabels`).
    /// - Returns: whether the transaction was known.
    @discardableResult
    public mutating func learnOrAwait(_ label: Label) -> Bool {
        if learn(label) { return true }
        earlyLabels.insert(EarlyLabels.Word(label), of: fingerprint(of: label.key))
        if earlyLabels.count > EarlyLabels.maxCount {
            earlyLabels.makeRoom(forgettingUpTo: customers.newestTime.map { $0 &- retention.horizonMicroseconds } ?? .min)
        }
        return false
    }

    /// As `learn(_:)`, of a payment that was observed by numbers; nothing happens if it is so old that it was let go.
    /// - Parameter rank: how many payments of the same customer at the same terminal and time were observed before it.
    mutating func learn(isFraud: Bool, knownAt: Int64, time: Int64, customer: UInt32, terminal: UInt32, rank: Int) {
        guard let index = customers[customer].index(at: time, counterpart: terminal, rank: rank) else { return }
        learn(isFraud: isFraud, knownAt: knownAt, at: index, ofCustomer: customer)
    }

    private mutating func learn(isFraud: Bool, knownAt: Int64, at index: Int, ofCustomer customer: UInt32) {
        let event = customers[customer].events[index]
        let label = EventLabel(isFraud: isFraud, eventTime: event.time, knownAt: knownAt)
        guard !label.isOlder(than: event.label) else { return }
        customers.setLabel(label, at: index, of: customer)
        passOnLabel(at: index, ofCustomer: customer)
    }

    /// The label that came before a transaction which is remembered now.
    mutating func learnWhatWaits(for fingerprint: UInt64, ofCustomer customer: UInt32) {
        guard !earlyLabels.isEmpty, let word = earlyLabels.take(of: fingerprint),
            let index = customers[customer].events.index(of: fingerprint)
        else { return }
        learn(isFraud: word.isFraud, knownAt: word.knownAt, at: index, ofCustomer: customer)
    }

    /// What is known on the customer's side of a transaction that is remembered at its terminal only now.
    mutating func passOnLabel(of fingerprint: UInt64, ofCustomer customer: UInt32) {
        guard let index = customers[customer].events.index(of: fingerprint) else { return }
        passOnLabel(at: index, ofCustomer: customer)
    }

    private mutating func passOnLabel(at index: Int, ofCustomer customer: UInt32) {
        let (event, rank) = (customers[customer].events[index], customers[customer].rank(at: index))
        guard event.counterpart != Self.none, event.label != .unknown else { return }
        let found = terminals[event.counterpart].index(at: event.time, counterpart: customer, rank: rank)
        if let found { terminals.setLabel(event.label, at: found, of: event.counterpart) }
    }
}

/// Labels that have come before their transaction.
///
/// Some wait in vain: their transaction was let go long ago, or another replica observes it. So no more than `maxCount` are kept. When there
/// are more, a quarter of the room is freed: of those that no window could reach any more, and then of those that wait longest. All of it
/// follows from the order in which labels and transactions come, so a replay leaves the same.
struct EarlyLabels: Sendable {
    static let maxCount = 65_536

    struct Word: Sendable, Hashable {
        let isFraud: Bool
        let knownAt: Int64
    }

    /// By the transaction's fingerprint, each with its place in the order of arrival.
    private var words: [UInt64: (word: Word, arrival: Int)] = [:]
    private var arrivals = 0

    var count: Int { words.count }
    var isEmpty: Bool { words.isEmpty }

    /// For a snapshot.
    var inOrderOfArrival: [(fingerprint: UInt64, word: Word)] {
        words.sorted { $0.value.arrival < $1.value.arrival }.map { ($0.key, $0.value.word) }
    }

    /// Keeps a word about a transaction, unless one is kept that became known later.
    mutating func insert(_ word: Word, of fingerprint: UInt64) {
        if let kept = words[fingerprint]?.word, kept.knownAt > word.knownAt { return }
        words[fingerprint] = (word, arrivals)
        arrivals += 1
    }

    mutating func take(of fingerprint: UInt64) -> Word? { words.removeValue(forKey: fingerprint)?.word }

    /// - Parameter time: what was known by then is of no use.
    mutating func makeRoom(forgettingUpTo time: Int64) {
        words = words.filter { $0.value.word.knownAt > time }
        let surplus = words.count - Self.maxCount / 4 * 3
        guard surplus > 0 else { return }
        let firstKept = words.values.map(\.arrival).sorted()[surplus]
        words = words.filter { $0.value.arrival >= firstKept }
    }
}

extension EarlyLabels.Word {
    fileprivate init(_ label: Label) { self.init(isFraud: label.isFraud, knownAt: label.knownAt.microseconds) }
}
