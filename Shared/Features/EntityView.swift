import Records

/// One entity's history as known at one moment, with what several features share computed once.
struct EntityView {
    /// What a window holds of unusually large payments, among at most `SpendingPattern.maxUnusual` of its newest.
    struct Unusual {
        /// Of those not proven genuine.
        var count = 0
        var newest: Int64 = .min
        /// Of all payments, though of ordinary ones only among `SpendingPattern.maxPayments`; in multiples of the usual amount.
        var largestToUsual: Float = 0
    }

    private let history: HistoryView
    private let windows: UnsafeBufferPointer<EvaluationPlan.Window>
    /// Indices into the history, one an age of the plan.
    private let cuts: UnsafeMutableBufferPointer<Int>
    private let unusual: UnsafeMutableBufferPointer<Unusual>
    let pattern: SpendingPattern?
    private let time: Int64
    /// Known at `time`; by event time.
    private let frauds: [NotedPayment]
    private let run: FraudRun?
    /// How long before `time` all payments are kept still: less than some windows only where `time` lies far behind the newest of them.
    private let reach: Int64
    private let horizon: Int64
    private let usual: EvaluationPlan.Window?

    /// Looks at a history; the view must not leave `body`.
    /// - Parameters:
    ///   - amount: of the payment that is judged.
    ///   - lastCuts: see `HistoryView.follow`; nil where it is searched anew.
    @inline(__always)
    static func with<Result>(
        _ history: HistoryView, plan: EvaluationPlan.EntityPlan, at time: Int64, labelDelay: Int64, amount: Double,
        lastCuts: UnsafeMutableBufferPointer<UInt32>?, _ body: (EntityView) -> Result
    ) -> Result {
        plan.windows.withUnsafeBufferPointer { windows in
            withUnsafeTemporaryAllocation(of: Int.self, capacity: plan.ages.count) { cuts in
                plan.ages.withUnsafeBufferPointer { ages in
                    if let lastCuts { history.follow(ages, at: time, from: lastCuts, into: cuts) } else {
                        history.find(ages, at: time, into: cuts)
                    }
                }
                return withUnsafeTemporaryAllocation(of: Unusual.self, capacity: plan.unusualWindows.count) { unusual in
                    plan.unusualWindows.withUnsafeBufferPointer { wanted in
                        findUnusual(history, wanted, windows, at: time, labelDelay: labelDelay, into: unusual)
                        if plan.asksForLargest { findLargest(history, wanted, windows, cuts, into: unusual) }
                    }
                    let pattern = plan.usual.map { usual in
                        SpendingPattern(
                            of: history, range: cuts[usual.oldest]..<cuts[usual.newest], at: time, labelDelay: labelDelay, amount: amount)
                    }
                    var frauds: [NotedPayment] = []
                    var run: FraudRun?
                    if !history.frauds.isEmpty, plan.asksForFrauds {
                        frauds = history.frauds.filter { $0.time <= time && $0.isKnownFraud(by: time) }
                        if let length = plan.runLength, !frauds.isEmpty {
                            run = FraudRun(of: history, after: time &- length, known: frauds, at: time, labelDelay: labelDelay)
                        }
                    }
                    return body(
                        EntityView(
                            history: history, windows: windows, cuts: cuts, unusual: unusual, pattern: pattern, time: time,
                            frauds: frauds, run: run, reach: history.reach(at: time, horizon: plan.horizon), horizon: plan.horizon,
                            usual: plan.usual))
                }
            }
        }
    }

    @inline(__always)
    private init(
        history: HistoryView, windows: UnsafeBufferPointer<EvaluationPlan.Window>, cuts: UnsafeMutableBufferPointer<Int>,
        unusual: UnsafeMutableBufferPointer<Unusual>, pattern: SpendingPattern?, time: Int64, frauds: [NotedPayment], run: FraudRun?,
        reach: Int64, horizon: Int64, usual: EvaluationPlan.Window?
    ) {
        self.history = history
        self.windows = windows
        self.cuts = cuts
        self.unusual = unusual
        self.pattern = pattern
        self.time = time
        self.frauds = frauds
        self.run = run
        self.reach = reach
        self.horizon = horizon
        self.usual = usual
    }

    /// Over what is usual for the customer; NaN if that is unknown.
    @inline(__always)
    var amountToUsual: Double {
        guard let pattern, let usual, usual.length <= reach else { return .nan }
        return pattern.amountToUsual
    }

    /// Values that rest on payments of which some may be kept no longer become NaN: a part of a sum must not pass for the sum.
    @inline(__always)
    func clearUnknown(_ steps: UnsafeBufferPointer<EvaluationPlan.Step>, in values: UnsafeMutableBufferPointer<Double>) {
        if reach == .max { return }
        for step in steps where !isKnown(step) { values[step.index] = .nan }
    }

    private func isKnown(_ step: EvaluationPlan.Step) -> Bool {
        if step.aggregation.needsUsualAmount, let usual, usual.length > reach { return false }
        return windows[step.window].length &+ windows[step.window].delay <= reach
    }

    @inline(__always)
    private func range(_ window: Int) -> Range<Int> { cuts[windows[window].oldest]..<cuts[windows[window].newest] }

    @inline(__always)
    func value(_ aggregation: Aggregation, window: Int) -> Double {
        switch aggregation {
        case .count: return Double(range(window).count)
        case .sum: return history.events.ticks(in: range(window)) / Histories.ticksPerUnit
        case .mean:
            let range = range(window)
            guard !range.isEmpty else { return .nan }
            return history.events.ticks(in: range) / Histories.ticksPerUnit / Double(range.count)
        case .daysSinceLast:
            return history.lastTime(notAfter: time, horizon: horizon).map { days(since: $0) } ?? .nan
        case .knownFraudCount: return Double(fraudCount(window))
        case .knownFraudShare:
            let frauds = fraudCount(window)
            return frauds == 0 ? 0 : Double(frauds) / Double(range(window).count)
        case .amountToUsual: return pattern?.amountToUsual ?? .nan
        case .amountZScore: return pattern?.amountZScore ?? .nan
        case .amountTailShare: return pattern?.amountTailShare ?? .nan
        case .amountToLargestOrdinary: return pattern?.amountToLargestOrdinary ?? .nan
        case .ordinaryCount: return Double(pattern?.ordinaryCount ?? 0)
        case .usualAmount: return pattern?.usualAmount ?? .nan
        case .unusualCount: return Double(unusual[windows[window].unusual].count)
        case .unusualShare:
            let count = range(window).count
            return count == 0 ? 0 : Double(unusual[windows[window].unusual].count) / Double(count)
        case .largestUnusual:
            let largest = unusual[windows[window].unusual].largestToUsual
            return largest >= 1 ? Double(largest) : 0
        case .daysSinceUnusual:
            let found = unusual[windows[window].unusual]
            return found.count == 0 ? .nan : days(since: found.newest)
        case .ordinaryAmountFraudCount: return Double(run?.count(after: time &- windows[window].length) ?? 0)
        case .daysSinceOrdinaryAmountFraud: return run.map { days(since: $0.last) } ?? .nan
        case .fraudRunLength: return Double(run?.length ?? 0)
        case .fraudRunAgeDays: return run.map { days(since: $0.first) } ?? .nan
        case .fraudRunAgeLimitDays: return run?.paymentBefore.map { days(since: $0) } ?? .nan
        case .genuineSinceFraud: return run.map { Double($0.genuineSince) } ?? .nan
        case .decayedFraud: return run?.decayed ?? 0
        case .amount, .isNight, .isWeekend, .distanceKilometres: return .nan
        }
    }

    /// Of the payments that this customer made at one terminal.
    @inline(__always)
    func value(_ aggregation: Aggregation, window: Int, with counterpart: UInt32) -> Double {
        let visits = range(window).suffix(SpendingPattern.maxVisits)
        switch aggregation {
        case .count:
            var count = 0
            for index in visits { count &+= history.events.counterpart(index) == counterpart ? 1 : 0 }
            return Double(count)
        case .daysSinceLast:
            return visits.last { history.events.counterpart($0) == counterpart }.map { days(since: history.events.time($0)) } ?? .nan
        default: return .nan
        }
    }

    private func days(since event: Int64) -> Double { Double(time &- event) / Double(Timestamp.microsecondsPerDay) }

    @inline(__always)
    private func fraudCount(_ window: Int) -> Int { frauds.isEmpty ? 0 : knownFraudCount(window) }

    @inline(never)
    private func knownFraudCount(_ window: Int) -> Int {
        let end = time &- windows[window].delay
        let start = end &- windows[window].length
        var count = 0
        for fraud in frauds where fraud.time > start && fraud.time <= end { count += 1 }
        return count
    }

    /// Windows mostly come from the shortest to the longest and end alike: each goes on where the last one began.
    @inline(__always)
    private static func findUnusual(
        _ history: HistoryView, _ wanted: UnsafeBufferPointer<Int>, _ windows: UnsafeBufferPointer<EvaluationPlan.Window>,
        at time: Int64, labelDelay: Int64, into found: UnsafeMutableBufferPointer<Unusual>
    ) {
        var shorter = 0..<0
        for (place, window) in wanted.enumerated() {
            found.initializeElement(at: place, to: Unusual())
            guard !history.unusual.isEmpty else { continue }
            let end = time &- windows[window].delay
            let start = history.unusual.endIndex(notAfter: end &- windows[window].length)
            let newest = (start..<history.unusual.endIndex(notAfter: end)).suffix(SpendingPattern.maxUnusual)
            var rest = newest
            if place > 0, shorter.upperBound == newest.upperBound, shorter.lowerBound >= newest.lowerBound {
                found[place] = found[place - 1]
                rest = newest.lowerBound..<shorter.lowerBound
            }
            found[place].look(at: history.unusual, rest, time: time, labelDelay: labelDelay)
            shorter = newest
        }
    }

    /// The largest of ordinary payments, in the same way; those that are unusual are found already.
    @inline(__always)
    private static func findLargest(
        _ history: HistoryView, _ wanted: UnsafeBufferPointer<Int>, _ windows: UnsafeBufferPointer<EvaluationPlan.Window>,
        _ cuts: UnsafeMutableBufferPointer<Int>, into found: UnsafeMutableBufferPointer<Unusual>
    ) {
        var shorter = 0..<0
        for (place, window) in wanted.enumerated() {
            let newest = (cuts[windows[window].oldest]..<cuts[windows[window].newest]).suffix(SpendingPattern.maxPayments)
            var (rest, largest) = (newest, found[place].largestToUsual)
            if place > 0, shorter.upperBound == newest.upperBound, shorter.lowerBound >= newest.lowerBound {
                largest = max(largest, found[place - 1].largestToUsual)
                rest = newest.lowerBound..<shorter.lowerBound
            }
            for index in rest {
                let toUsual = history.events.toUsual(index)
                // False for NaN, where nothing was usual yet.
                largest = toUsual > largest ? toUsual : largest
            }
            found[place].largestToUsual = largest
            shorter = newest
        }
    }
}

extension EntityView.Unusual {
    @inline(__always)
    fileprivate mutating func look(at payments: UnsafeBufferPointer<NotedPayment>, _ range: Range<Int>, time: Int64, labelDelay: Int64) {
        for payment in payments[range] {
            largestToUsual = max(largestToUsual, payment.toUsual)
            if payment.label.isProvenGenuine(eventTime: payment.time, by: time, labelDelay: labelDelay) { continue }
            count += 1
            newest = max(newest, payment.time)
        }
    }
}
