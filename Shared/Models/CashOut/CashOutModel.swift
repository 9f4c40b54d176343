import Foundation
public import Records

/// After a complaint: at which cash machines, in which hours, and how likely the money is gone already.
///
/// Three parts, each fitted by itself and each drawn towards weights that hold in the absence of evidence:
/// - whether there is any withdrawal still to come: a logistic regression on how much of the traced money is left and how long it has lain;
/// - in which hour the next one comes, if one comes: a discrete-time hazard (Cox 1972's logistic form) on the time since the money last
///   moved and the hour of the day;
/// - at which machine it comes: a conditional logit (McFadden 1974) that pools what several experts say, each a distribution over the
///   machines shrunk towards equal shares by how little it has seen. The hour and the machine are taken to be independent.
public struct CashOutModel: Sendable, Hashable, Codable {
    /// For complaints whose money could be followed, in the order of the experts.
    var tracedMachines: [Double]
    /// For the others.
    var untracedMachines: [Double]
    var tracedGone: [Double]
    var untracedGone: [Double]
    var hazard: [Double]
    /// How many complaints the weights were fitted to, beyond those behind the prior weights.
    public internal(set) var complaints = 0

    /// Looks ahead so many hours; what comes later counts as not coming.
    public static let horizonHours = CashOutCase.windowCount

    /// What is known without a single case here: rounded from a fit to eight simulated cities (seeds 1 to 8, `vigil evaluate cash-out`).
    public static let prior = CashOutModel(
        tracedMachines: [0.4, 0.4, -0.1, 0.5, 0.1, 0, 0.05],
        untracedMachines: [0, 0, 0, 0, 0.6, 0.1, 0.05],
        tracedGone: [1.7, -4.8, -0.3, 1, -1, 0.3, 0.2, -1.4, -0.4],
        untracedGone: [-4.7, 0, 0, 1.4, 0, 0.4, 0, 0, 0],
        hazard: [-1.9, 0.3, -0.1, -0.8, 0.7, 0.3, 1.3, 0, 0.3, 0.5, 0.2, 0.6, 0.2, 0.2, 0, 0.1])

    // MARK: Prediction

    /// - Parameters:
    ///   - complaint: its suspect accounts by the names that the history has for them.
    ///   - time: nothing that came to pass or was reported later is looked at.
    public func predict(_ complaint: Complaint, at time: Timestamp, history: CashHistory) -> CashOutPrediction {
        predict(complaint, at: time, history: history, memory: CashOutMemory(history, before: time))
    }

    func predict(_ complaint: Complaint, at time: Timestamp, history: CashHistory, memory: CashOutMemory) -> CashOutPrediction {
        predict(CashOutCase(complaint, at: time, history: history, memory: memory), history.machines)
    }

    func predict(_ found: CashOutCase, _ machines: CashMachines) -> CashOutPrediction {
        let gone = LogitFit.logistic(LogitFit.dot(found.isTraced ? tracedGone : untracedGone, found.gone))
        var left = 1.0
        var windows = (0..<CashOutCase.windowCount).map { window in
            let hazard = LogitFit.logistic(LogitFit.dot(hazard, found.hazard(window: window)))
            defer { left *= 1 - hazard }
            return left * hazard
        }
        let total = max(1 - left, .leastNormalMagnitude)
        for index in windows.indices { windows[index] *= (1 - gone) / total }
        let weights = found.isTraced ? tracedMachines : untracedMachines
        let shares = LogitFit.softmax(found.machines.map { LogitFit.dot(weights, $0) })
        let ranked = shares.indices.sorted { (shares[$1], $0) < (shares[$0], $1) }
        return CashOutPrediction(
            time: found.time, isTraced: found.isTraced, goneProbability: gone, windows: windows,
            machines: ranked.map { .init(machine: machines.all[$0], share: shares[$0], probability: (1 - gone) * shares[$0]) })
    }

    // MARK: Fitting

    /// How strongly the prior weights hold against the cases.
    private static let precision = 1.0
    /// The newest of a history count.
    private static let maxCases = 2_000
    /// A trace now and then misses a withdrawal, or takes the mule's own for one.
    private static let traceDoubt = 0.03

    /// Weights from past complaints, with what came of them as the bank saw it: withdrawals from the accounts that the money reached.
    ///
    /// A complaint counts once all of ``horizonHours`` after it lie before `time`. With no such complaint the prior weights stay as they
    /// are.
    public static func fitted(to histories: [CashHistory], before time: Timestamp, prior: CashOutModel = .prior) -> CashOutModel {
        var cases: [LearningCase] = []
        for history in histories { cases += learningCases(history, before: time) }
        let due = cases.filter { $0.next != nil }
        var model = prior
        func machines(_ prior: [Double], _ cases: [LearningCase]) -> [Double] {
            LogitFit.choice(
                alternatives: cases.map(\.found.machines), chosen: cases.compactMap { $0.next?.machine }, prior: prior,
                precision: precision)
        }
        model.tracedMachines = machines(prior.tracedMachines, due)
        // The same cases without what tracing says of them.
        model.untracedMachines = machines(prior.untracedMachines, due.map { $0.untraced })
        func gone(_ prior: [Double], _ row: (LearningCase) -> [Double]) -> [Double] {
            LogitFit.binary(
                rows: cases.map(row), outcomes: cases.map { $0.next == nil }, doubt: traceDoubt, prior: prior, precision: precision)
        }
        model.tracedGone = gone(prior.tracedGone, \.found.gone)
        model.untracedGone = gone(prior.untracedGone, \.untracedGone)
        var rows: [[Double]] = []
        var outcomes: [Bool] = []
        for (found, next) in due.compactMap({ learning in learning.next.map { (learning.found, $0) } }) {
            for window in 0...next.window {
                rows.append(found.hazard(window: window))
                outcomes.append(window == next.window)
            }
        }
        model.hazard = LogitFit.binary(rows: rows, outcomes: outcomes, prior: prior.hazard, precision: precision)
        model.complaints = prior.complaints + cases.count
        return model
    }

    /// A past complaint as it stood when it was reported, and what came of it.
    private struct LearningCase {
        let found: CashOutCase
        /// The next withdrawal; nil when none came within the horizon.
        let next: (machine: Int, window: Int)?
        let untracedMachines: [[Double]]
        let untracedGone: [Double]

        var untraced: LearningCase {
            LearningCase(
                found: found.withMachines(untracedMachines), next: next, untracedMachines: untracedMachines, untracedGone: untracedGone)
        }
    }

    private static func learningCases(_ history: CashHistory, before time: Timestamp) -> [LearningCase] {
        let horizon = TimeSpan.hours(horizonHours)
        guard time > .epoch + horizon else { return [] }
        var settled: CashOutMemory.Settled = [:]
        return history.complaints(reportedIn: .epoch..<(time - horizon)).suffix(maxCases).compactMap { complaint in
            guard !complaint.suspectAccountIDs.isEmpty else { return nil }
            let reported = complaint.reportedAt
            let memory = CashOutMemory(history, before: reported, settled: &settled)
            let found = CashOutCase(complaint, at: reported, history: history, memory: memory)
            // Of what could not be followed nobody knows what came.
            guard found.isTraced else { return nil }
            let later = MoneyTrace(of: complaint, in: history, before: reported + horizon)
            let next = later.cashOut(from: reported).map { withdrawal in
                (machine: withdrawal.machine, window: min(Int((withdrawal.time - reported).seconds / 3_600), horizonHours - 1))
            }
            var blind = complaint
            blind.suspectAccountIDs = []
            let untraced = CashOutCase(blind, at: reported, history: history, memory: memory)
            return LearningCase(found: found, next: next, untracedMachines: untraced.machines, untracedGone: untraced.gone)
        }
    }
}

/// What comes after a complaint, as far as it can be foreseen.
public struct CashOutPrediction: Sendable {
    public struct Machine: Sendable {
        public let machine: CashMachine
        /// That the next withdrawal is here, if there is one.
        public let share: Double
        /// That there is a next withdrawal and it is here.
        public let probability: Double
    }

    /// As of when.
    public let time: Timestamp
    /// Whether transfers to a suspect account were found that fit the complaint.
    public let isTraced: Bool
    /// That no withdrawal comes any more within the horizon.
    public let goneProbability: Double
    /// For each hour after `time`, that the next withdrawal comes in it; with `goneProbability` they sum to 1.
    public let windows: [Double]
    /// All machines, the likeliest first.
    public let machines: [Machine]

    /// That the next withdrawal comes at this machine in this hour after `time`.
    public func probability(machine: Int, window: Int) -> Double { machines[machine].share * windows[window] }
}
