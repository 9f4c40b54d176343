public import Records

/// Where the money of a complaint went, as far as transfers and withdrawals before a time show it.
///
/// Each withdrawal and transfer takes from the complaint's money first. An account is followed for as long as a good part of the money is
/// left on it, and then through a run of withdrawals to its end; what stays after that is the mule's own share, and later withdrawals are
/// of the mule's own life.
public struct MoneyTrace: Sendable {
    struct Account: Sendable {
        /// Of the money, what came and has not left.
        var balance: Double
        /// Of the money, all that came.
        var received: Double
        var lastWithdrawal: Timestamp?
    }

    struct Withdrawal: Sendable {
        let time: Timestamp
        let accountID: String
        let machine: Int
        let amount: Double
        /// Of the money, what was on the account before.
        let held: Double
    }

    /// What came to the suspects; 0 where no transfer to them fits the complaint.
    private(set) var inflow = 0.0
    private(set) var firstInflow: Timestamp?
    /// When the money last moved.
    private(set) var lastMovement: Timestamp?
    private(set) var accounts: [String: Account] = [:]
    /// By time.
    private(set) var withdrawals: [Withdrawal] = []

    /// Victims pay within an hour or so, and remember the time roughly.
    private static let paymentSpan = (before: TimeSpan.minutes(45), after: TimeSpan.hours(3))
    /// Money that has lain so long is not followed any further.
    static let followedFor = TimeSpan.hours(72)
    /// Less than this share of the inflow is not worth following.
    private static let minShare = 0.02
    private static let maxAccounts = 64
    /// Up to so much of what came stays with a mule for good.
    private static let muleShare = 0.25
    private static let runGap = TimeSpan.hours(2)

    /// From when on no movement adds to a complaint's trace.
    static func settled(_ complaint: Complaint) -> Timestamp {
        complaint.occurredAt + paymentSpan.after + followedFor
    }

    var balance: Double { accounts.values.reduce(0) { $0 + $1.balance } }
    var withdrawn: Double { withdrawals.reduce(0) { $0 + $1.amount } }
    var isFound: Bool { inflow > 0 }

    /// Follows a complaint's money through the history before `time`.
    public init(of complaint: Complaint, in history: CashHistory, before time: Timestamp) {
        let span = (complaint.occurredAt - Self.paymentSpan.before)..<max(
            complaint.occurredAt - Self.paymentSpan.before, min(complaint.occurredAt + Self.paymentSpan.after, time))
        // The first suspect was paid by the victim; of later ones only what the trace itself reaches counts.
        var pending: [(time: Timestamp, account: String, amount: Double)] = []
        var room = complaint.amount.map { max($0.amount * 1.1, 1) } ?? .infinity
        for suspect in complaint.suspectAccountIDs {
            for transfer in history.transfers(to: suspect, in: span) where room > 0 {
                let amount = min(transfer.amount, room)
                room -= amount
                inflow += amount
                pending.append((transfer.time, suspect, amount))
            }
            if inflow > 0 { break }
        }
        guard inflow > 0, let first = pending.map(\.time).min() else { return }
        firstInflow = first
        follow(&pending, in: history, until: min(time, first + Self.followedFor))
    }

    /// Movements of all accounts that hold some of the money, in order of time.
    private mutating func follow(
        _ pending: inout [(time: Timestamp, account: String, amount: Double)], in history: CashHistory, until end: Timestamp
    ) {
        var queues: [String: ArraySlice<CashMovement>] = [:]
        while true {
            let arrival = pending.indices.min { pending[$0].time < pending[$1].time }
            let next = queues.filter { isFollowed($0.key, to: $0.value.first?.time) }
                .min { ($0.value[$0.value.startIndex].time, $0.key) < ($1.value[$1.value.startIndex].time, $1.key) }
            if let arrival, next.map({ pending[arrival].time <= $0.value[$0.value.startIndex].time }) ?? true {
                let money = pending.remove(at: arrival)
                guard money.time < end, accounts[money.account] != nil || accounts.count < Self.maxAccounts else { continue }
                accounts[money.account, default: Account(balance: 0, received: 0)].balance += money.amount
                accounts[money.account]?.received += money.amount
                lastMovement = max(lastMovement ?? money.time, money.time)
                // What the account did before the money came has nothing to do with it.
                let queue = queues[money.account] ?? history.movements(from: money.account, in: money.time..<max(end, money.time))
                queues[money.account] = queue.drop { $0.time < money.time }
            } else if let (account, queue) = next, let movement = queue.first {
                queues[account] = queue.dropFirst()
                take(movement, history.machines, &pending)
            } else {
                return
            }
        }
    }

    /// The first withdrawal from a time on that belongs to a run of them, in one account, which takes a good part of what it held. Smaller ones
    /// are as likely of the mule's own life. Told when all is over: of a run that has only begun nobody knows it.
    func cashOut(from time: Timestamp) -> Withdrawal? {
        var runs: [String: [Withdrawal]] = [:]
        var first: Withdrawal?
        func close(_ run: [Withdrawal]) {
            guard let held = run.first?.held, run.reduce(0, { $0 + $1.amount }) > held * Self.muleShare,
                let next = run.first(where: { $0.time >= time }), next.time < first?.time ?? Timestamp(microseconds: .max)
            else { return }
            first = next
        }
        for withdrawal in withdrawals {
            if let last = runs[withdrawal.accountID]?.last, withdrawal.time - last.time >= Self.runGap {
                close(runs.removeValue(forKey: withdrawal.accountID) ?? [])
            }
            runs[withdrawal.accountID, default: []].append(withdrawal)
        }
        for run in runs.values { close(run) }
        return first
    }

    /// - Parameter time: of the account's next movement, if there is one.
    private func isFollowed(_ account: String, to time: Timestamp?) -> Bool {
        guard let time, let account = accounts[account], account.balance > inflow * Self.minShare else { return false }
        if account.balance > account.received * Self.muleShare { return true }
        return account.lastWithdrawal.map { time - $0 < Self.runGap } ?? false
    }

    private mutating func take(
        _ movement: CashMovement, _ machines: CashMachines, _ pending: inout [(time: Timestamp, account: String, amount: Double)]
    ) {
        let held = accounts[movement.accountID]?.balance ?? 0
        let part = min(held, movement.amount)
        accounts[movement.accountID]?.balance -= part
        lastMovement = movement.time
        switch movement.target {
        case .account(let other):
            if part > inflow * Self.minShare { pending.append((movement.time, other, part)) }
        case .atm(let id):
            accounts[movement.accountID]?.lastWithdrawal = movement.time
            if let machine = machines.indices[id] {
                withdrawals.append(Withdrawal(
                        time: movement.time, accountID: movement.accountID, machine: machine, amount: part, held: held))
            }
        }
    }
}
