import Foundation
public import Records

/// Judges a cash-out model on complaints whose outcome is known: each is asked when it was reported, with what was known then.
public struct CashOutEvaluation: Sendable {
    /// A withdrawal of a complaint's money as the judge knows it.
    public struct Outcome: Sendable {
        public let complaintID: String
        public let time: Timestamp
        public let atmID: String

        public init(complaintID: String, time: Timestamp, atmID: String) {
            self.complaintID = complaintID
            self.time = time
            self.atmID = atmID
        }
    }

    /// How well stated probabilities agree with what happens.
    public struct Reliability: Sendable, Hashable, Codable {
        /// The gap between stated and observed, averaged over ten equally filled bins (expected calibration error).
        public let meanGap: Double
        /// The gap in the worst of the bins.
        public let maxGap: Double
        public let statements: Int
        /// By rising probability, equally filled.
        public let bins: [Bin]

        public struct Bin: Sendable, Hashable, Codable {
            /// The mean of what is stated.
            public let stated: Double
            /// The share that came true.
            public let observed: Double
            public let statements: Int
        }
    }

    public struct Report: Sendable {
        /// Complaints of money sent to an account.
        public let complaints: Int
        /// Those with a withdrawal still to come within the horizon, of which hits are a share.
        public let open: Int
        /// The next withdrawal is at one of the model's five first machines.
        public let hitAt5: Double
        /// … at one of the five with most withdrawals in the 30 days before.
        public let hitAt5MostUsed: Double
        /// … at one of the five nearest to the complaint's place.
        public let hitAt5Nearest: Double
        /// … at one of the five where most money of earlier complaints has been seen to go.
        public let hitAt5PastCashOuts: Double
        /// That the money is gone.
        public let gone: Reliability
        /// Each of the five first machines: that the next withdrawal is there.
        public let machines: Reliability
        /// Each of the first 24 hours: that the next withdrawal is in it.
        public let hours: Reliability
        /// Each of the first machine's first 24 hours, and those of the four after it: that the next withdrawal is there and then.
        public let machineHours: Reliability
    }

    private var statements = Statements()
    private var complaints = 0
    private var hits: [Hit] = []

    private struct Statements {
        var gone: [Statement] = []
        var machines: [Statement] = []
        var hours: [Statement] = []
        var machineHours: [Statement] = []
    }

    private struct Hit {
        let model, mostUsed, nearest, pastCashOuts: Bool
    }

    private struct Statement {
        let probability: Double
        let isTrue: Bool
    }

    public init() {}

    private static let top = 5
    private static let hoursJudged = 24

    /// Adds the complaints of one history.
    ///
    /// - Parameters:
    ///   - end: complaints whose horizon ends after it are left out, for what comes of them is not known.
    ///   - outcomes: all withdrawals of the complaints' money. The model never sees them.
    public mutating func add(_ model: CashOutModel, _ history: CashHistory, outcomes: [Outcome], end: Timestamp) {
        let horizon = TimeSpan.hours(CashOutModel.horizonHours)
        let byComplaint = Dictionary(grouping: outcomes, by: \.complaintID)
        var settled: CashOutMemory.Settled = [:]
        for complaint in history.complaints where complaint.channel == .transfer && complaint.reportedAt + horizon <= end {
            let reported = complaint.reportedAt
            let memory = CashOutMemory(history, before: reported, settled: &settled)
            let prediction = model.predict(complaint, at: reported, history: history, memory: memory)
            let next = byComplaint[complaint.complaintID]?.filter { reported <= $0.time && $0.time < reported + horizon }
                .min { $0.time < $1.time }
            complaints += 1
            record(prediction, next)
            guard let next else { continue }
            let machines = history.machines
            let counts = history.withdrawalCounts(in: (reported - .days(30))..<reported).map(Double.init)
            let near = complaint.location.map { machines.distances(to: $0).map { -$0 } } ?? counts
            var past = Array(repeating: 0.0, count: machines.count)
            for withdrawal in memory.traces.flatMap(\.trace.withdrawals) { past[withdrawal.machine] += 1 }
            func isAmongTop(_ scores: [Double]) -> Bool {
                scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(Self.top).contains { machines.all[$0].id == next.atmID }
            }
            hits.append(
                Hit(
                    model: prediction.machines.prefix(Self.top).contains { $0.machine.id == next.atmID }, mostUsed: isAmongTop(counts),
                    nearest: isAmongTop(near), pastCashOuts: isAmongTop(past)))
        }
    }

    private mutating func record(_ prediction: CashOutPrediction, _ next: Outcome?) {
        statements.gone.append(Statement(probability: prediction.goneProbability, isTrue: next == nil))
        let hour = next.map { Int(($0.time - prediction.time).seconds / 3_600) }
        for window in 0..<Self.hoursJudged {
            statements.hours.append(Statement(probability: prediction.windows[window], isTrue: hour == window))
        }
        for (rank, machine) in prediction.machines.prefix(Self.top).enumerated() {
            let isHere = next?.atmID == machine.machine.id
            statements.machines.append(Statement(probability: machine.probability, isTrue: isHere))
            for window in 0..<Self.hoursJudged {
                statements.machineHours.append(
                    Statement(probability: prediction.probability(machine: rank, window: window), isTrue: isHere && hour == window))
            }
        }
    }

    /// Nil before any complaint with a withdrawal still to come has been added.
    public var report: Report? {
        guard !hits.isEmpty else { return nil }
        func share(_ isHit: (Hit) -> Bool) -> Double { Double(hits.count(where: isHit)) / Double(hits.count) }
        return Report(
            complaints: complaints, open: hits.count, hitAt5: share(\.model), hitAt5MostUsed: share(\.mostUsed),
            hitAt5Nearest: share(\.nearest), hitAt5PastCashOuts: share(\.pastCashOuts), gone: Self.reliability(statements.gone),
            machines: Self.reliability(statements.machines), hours: Self.reliability(statements.hours),
            machineHours: Self.reliability(statements.machineHours))
    }

    private static let bins = 10

    private static func reliability(_ statements: [Statement]) -> Reliability {
        let sorted = statements.sorted { $0.probability < $1.probability }
        let filled = (0..<bins).compactMap { bin -> Reliability.Bin? in
            let part = sorted[(sorted.count * bin / bins)..<(sorted.count * (bin + 1) / bins)]
            guard !part.isEmpty else { return nil }
            return Reliability.Bin(
                stated: part.reduce(0) { $0 + $1.probability } / Double(part.count),
                observed: Double(part.count { $0.isTrue }) / Double(part.count), statements: part.count)
        }
        let sum = filled.reduce(0) { $0 + abs($1.stated - $1.observed) * Double($1.statements) }
        return Reliability(
            meanGap: sum / Double(max(sorted.count, 1)), maxGap: filled.map { abs($0.stated - $0.observed) }.max() ?? 0,
            statements: sorted.count, bins: filled)
    }
}
