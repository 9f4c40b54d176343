import Foundation
import Records

/// The figures that a prediction is made from: one complaint at one time, by what was known then.
struct CashOutCase: Sendable {
    /// How the machines' figures are called, in their order.
    enum Expert: Int, CaseIterable {
        /// Where this money has already been taken out.
        case thisMoney
        /// Where the accounts that hold the money used to withdraw.
        case holders
        /// Where they took out money of earlier complaints.
        case holdersCashOuts
        /// Where money of earlier complaints went that ran through some of the same accounts.
        case linked
        /// Where money of any earlier complaint went.
        case pastCashOuts
        /// Where people withdraw.
        case popularity
        /// How near it is to the place of the complaint.
        case nearness
    }

    /// Whether transfers to a suspect were found.
    let isTraced: Bool
    /// For each machine and expert the log of its share by this expert, relative to equal shares; 0 where the expert knows nothing.
    private(set) var machines: [[Double]]
    /// What says whether the money is gone.
    let gone: [Double]
    /// When the case is looked at.
    let time: Timestamp
    private let sinceMovement: Double
    private let hasWithdrawal: Double
    private let isRunning: Double
    private let share: Double
    private let longitude: Double

    /// The windows that are looked ahead, an hour each.
    static let windowCount = 72
    static let hazardCount = 8 + 2 * harmonics
    private static let harmonics = 4
    static let goneCount = 9

    // MARK: Machines

    init(_ complaint: Complaint, at time: Timestamp, history: CashHistory, memory: CashOutMemory) {
        let trace = MoneyTrace(of: complaint, in: history, before: time)
        self.time = time
        isTraced = trace.isFound
        machines = Self.machines(complaint, trace, at: time, history, memory)
        let hours = { (moment: Timestamp) in max((time - moment).seconds / 3_600, 0) }
        let sinceFirst = log1p(hours(trace.firstInflow ?? complaint.occurredAt))
        sinceMovement = hours(trace.lastMovement ?? complaint.occurredAt)
        share = trace.isFound ? min(max(trace.balance / trace.inflow, 0), 1) : 1
        hasWithdrawal = trace.withdrawals.isEmpty ? 0 : 1
        isRunning = trace.withdrawals.last.map { hours($0.time) < 2 } ?? false ? 1 : 0
        longitude = complaint.location?.longitude ?? history.machines.all.first?.place.longitude ?? 0
        let quiet = log1p(sinceMovement)
        gone = [1, share, share * share, sinceFirst, share * sinceFirst, quiet, share * quiet, hasWithdrawal, isRunning]
    }

    private static func machines(
        _ complaint: Complaint, _ trace: MoneyTrace, at time: Timestamp, _ history: CashHistory, _ memory: CashOutMemory
    ) -> [[Double]] {
        let machines = history.machines
        let count = machines.count
        guard count > 0 else { return [] }
        var evidence = Array(repeating: Array(repeating: 0.0, count: count), count: Expert.allCases.count)
        func add(_ expert: Expert, _ machine: Int, _ weight: Double) { evidence[expert.rawValue][machine] += weight }

        for withdrawal in trace.withdrawals {
            add(.thisMoney, withdrawal.machine, exp(-(time - withdrawal.time).seconds / (12 * 3_600)))
        }
        let holders = trace.shares
        let before = trace.firstInflow ?? complaint.occurredAt
        for (account, share) in holders {
            for movement in history.movements(from: account, in: (before - .days(90))..<before) {
                guard case .atm(let id) = movement.target, let machine = machines.indices[id] else { continue }
                add(.holders, machine, share * exp(-(before - movement.time).days / 30))
            }
        }
        let links = memory.links(to: Set(trace.accounts.keys).union(complaint.suspectAccountIDs), except: complaint)
        for (index, past) in memory.traces.enumerated() where past.complaint != complaint {
            for withdrawal in past.trace.withdrawals where withdrawal.time < time {
                let age = (time - withdrawal.time).days
                add(.pastCashOuts, withdrawal.machine, exp(-age / 21))
                if let link = links[index] { add(.linked, withdrawal.machine, link * exp(-age / 14)) }
                if let share = holders[withdrawal.accountID] { add(.holdersCashOuts, withdrawal.machine, share * exp(-age / 21)) }
            }
        }
        for (machine, number) in history.withdrawalCounts(in: (time - .days(30))..<time).enumerated() {
            add(.popularity, machine, Double(number))
        }
        var columns = evidence.enumerated().map { expert, weights in
            logShares(weights, machines, isSpread: expert != Expert.popularity.rawValue)
        }
        if let place = complaint.location {
            let logs = machines.distances(to: place).map { -log(0.5 + $0 / 1_000) }
            let mean = logs.reduce(0, +) / Double(count)
            columns[Expert.nearness.rawValue] = logs.map { $0 - mean }
        }
        return (0..<count).map { machine in columns.map { $0[machine] } }
    }

    /// The log of each machine's share of the evidence, relative to equal shares. With little evidence all shares come near to equal: the
    /// prior weighs as much as `prior` withdrawals.
    private static func logShares(_ evidence: [Double], _ machines: CashMachines, isSpread: Bool) -> [Double] {
        let prior = isSpread ? 0.5 : 20
        let total = evidence.reduce(0, +)
        guard total > 0 else { return evidence }
        var spread = evidence
        if isSpread {
            spread = Array(repeating: 0, count: evidence.count)
            for (machine, weight) in evidence.enumerated() where weight > 0 {
                for (near, part) in machines.kernels[machine] { spread[near] += weight * part }
            }
        }
        let even = 1 / Double(evidence.count)
        return spread.map { log(($0 + prior * even) / (total + prior) / even) }
    }

    /// The same with other figures for the machines.
    func withMachines(_ machines: [[Double]]) -> CashOutCase {
        var copy = self
        copy.machines = machines
        return copy
    }

    // MARK: Time

    /// What the chance of a withdrawal in a window hangs on, given that there was none in those before and that there is one at last.
    func hazard(window: Int) -> [Double] {
        let middle = time + .minutes(window * 60 + 30)
        // The hour by the sun, which needs no table of time zones.
        let solar = (Double(middle.seconds) + longitude * 240).truncatingRemainder(dividingBy: 86_400) / 86_400
        let ahead = log1p(Double(window))
        var row = [
            1, ahead, window == 0 ? 1 : 0, log1p(sinceMovement + Double(window)), window < 2 ? isRunning : 0, hasWithdrawal, share,
            isTraced ? 1 : 0,
        ]
        for harmonic in 1...Self.harmonics {
            row.append(sin(2 * .pi * solar * Double(harmonic)))
            row.append(cos(2 * .pi * solar * Double(harmonic)))
        }
        return row
    }
}

extension MoneyTrace {
    /// Which account holds how much of what is left; when nothing is left, all that it ran through alike.
    fileprivate var shares: [String: Double] {
        let left = balance
        guard left > 0 else { return accounts.mapValues { _ in 1 / Double(accounts.count) } }
        return accounts.mapValues { $0.balance / left }
    }
}

/// The money of past complaints, traced as far as it could be by some time.
struct CashOutMemory: Sendable {
    struct Past: Sendable {
        let complaint: Complaint
        let trace: MoneyTrace
        /// Those that the trace reached, and those that were named.
        let accounts: Set<String>
    }

    /// Traces that no later movement can change, by the complaint's place in the history. Whoever asks about many complaints of one history
    /// keeps it, so that each is traced about once.
    typealias Settled = [Int: Past]

    private(set) var traces: [Past] = []

    private static let reach = TimeSpan.days(90)
    private static let maxComplaints = 2_000

    /// - Parameter time: complaints reported before it, and money that moved before it, count.
    init(_ history: CashHistory, before time: Timestamp) {
        var settled: Settled = [:]
        self.init(history, before: time, settled: &settled)
    }

    init(_ history: CashHistory, before time: Timestamp, settled: inout Settled) {
        let complaints = history.complaints(reportedIn: (time - Self.reach)..<time).suffix(Self.maxComplaints)
        for index in complaints.indices where !complaints[index].suspectAccountIDs.isEmpty {
            if let known = settled[index] {
                if known.trace.isFound { traces.append(known) }
                continue
            }
            let complaint = complaints[index]
            let trace = MoneyTrace(of: complaint, in: history, before: time)
            let past = Past(complaint: complaint, trace: trace, accounts: Set(trace.accounts.keys).union(complaint.suspectAccountIDs))
            if time >= MoneyTrace.settled(complaint) { settled[index] = past }
            if trace.isFound { traces.append(past) }
        }
    }

    /// How closely earlier complaints hang together with some accounts, by their place in `traces`: 1 for a shared account, half as much
    /// for one by way of a third complaint.
    func links(to accounts: Set<String>, except complaint: Complaint) -> [Int: Double] {
        var links: [Int: Double] = [:]
        var reached = accounts
        for weight in [1.0, 0.5] {
            var next = reached
            for (index, past) in traces.enumerated()
            where links[index] == nil && past.complaint != complaint && !past.accounts.isDisjoint(with: reached) {
                links[index] = weight
                next.formUnion(past.accounts)
            }
            reached = next
        }
        return links
    }
}
