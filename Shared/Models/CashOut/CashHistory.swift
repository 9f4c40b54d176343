public import Records

/// What a bank and the police have seen: movements of money and complaints, in order of time. Everything is asked as of a time, and
/// nothing later than that is looked at.
public struct CashHistory: Sendable {
    public let machines: CashMachines
    /// Every one by the time it was reported.
    private(set) var complaints: [Complaint] = []
    /// Movements out of an account by time.
    private var outgoing: [String: [CashMovement]] = [:]
    /// Transfers to an account by time.
    private var incoming: [String: [CashMovement]] = [:]
    /// Times of withdrawals at each machine.
    private var withdrawals: [[Timestamp]]

    public init(machines: CashMachines, movements: [CashMovement] = [], complaints: [Complaint] = []) {
        self.machines = machines
        withdrawals = Array(repeating: [], count: machines.count)
        for movement in movements.sorted(by: { $0.time < $1.time }) { add(movement) }
        for complaint in complaints.sorted(by: { $0.reportedAt < $1.reportedAt }) { add(complaint) }
    }

    /// Takes a movement in; quick when it is the newest of its account.
    public mutating func add(_ movement: CashMovement) {
        outgoing[movement.accountID, default: []].insertInOrder(movement) { $0.time }
        switch movement.target {
        case .account(let account): incoming[account, default: []].insertInOrder(movement) { $0.time }
        case .atm(let id): if let machine = machines.indices[id] { withdrawals[machine].insertInOrder(movement.time) { $0 } }
        }
    }

    /// Takes a complaint in; quick when it is the newest.
    public mutating func add(_ complaint: Complaint) {
        complaints.insertInOrder(complaint) { $0.reportedAt }
    }

    /// What left an account, from a time on and before another.
    func movements(from account: String, in span: Range<Timestamp>) -> ArraySlice<CashMovement> {
        guard let all = outgoing[account] else { return [] }
        return all.slice(span) { $0.time }
    }

    /// What came to an account by transfer, from a time on and before another.
    func transfers(to account: String, in span: Range<Timestamp>) -> ArraySlice<CashMovement> {
        guard let all = incoming[account] else { return [] }
        return all.slice(span) { $0.time }
    }

    /// How many withdrawals each machine has had in a span.
    func withdrawalCounts(in span: Range<Timestamp>) -> [Int] {
        withdrawals.map { $0.slice(span) { $0 }.count }
    }

    func complaints(reportedIn span: Range<Timestamp>) -> ArraySlice<Complaint> {
        complaints.slice(span) { $0.reportedAt }
    }
}

extension Array {
    /// Puts an element after all that are not later.
    fileprivate mutating func insertInOrder(_ element: Element, _ time: (Element) -> Timestamp) {
        let moment = time(element)
        guard let last, time(last) > moment else {
            append(element)
            return
        }
        insert(element, at: firstIndex { time($0) > moment } ?? endIndex)
    }

    /// Those in a span of time, found by halving.
    fileprivate func slice(_ span: Range<Timestamp>, _ time: (Element) -> Timestamp) -> ArraySlice<Element> {
        self[partition(span.lowerBound, time)..<partition(span.upperBound, time)]
    }

    private func partition(_ moment: Timestamp, _ time: (Element) -> Timestamp) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if time(self[middle]) < moment { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
