import Records

/// One entity's history as known at one moment, with what several features share computed once.
struct EntityView {
    /// One window of the plan, looked up.
    struct Found {
        var range: Range<Int>
        /// Of the payments in `range`, at most `SpendingPattern.maxPayments` of the newest: unusually large ones, not proven genuine.
        var unusualCount = 0
        var newestUnusual: Int64 = .min
        /// Of all payments; in multiples of the usual amount, zero below one.
        var largestToUsual: Float = 0
    }

    private let history: EntityHistory
    private let events: UnsafeBufferPointer<Event>
    private let found: UnsafeMutableBufferPointer<Found>
    private let windows: [EvaluationPlan.Window]
    private let pattern: SpendingPattern?
    private let time: Int64
    /// Known at `time`; by event time.
    private let frauds: [KnownFraud]
    private let run: FraudRun?

    /// Looks at a history; the view must not leave `body`.
    static func with(
        _ history: EntityHistory, windows: [EvaluationPlan.Window], at time: Int64, labelDelay: Int64, pattern: SpendingPattern?,
        _ body: (EntityView) -> Void
    ) {
        history.events.withUnsafeBufferPointer { events in
            withUnsafeTemporaryAllocation(of: Found.self, capacity: windows.count) { found in
                // Windows mostly come from the shortest to the longest and end alike: each goes on where the last one began.
                var shorter: Found?
                for (index, window) in windows.enumerated() {
                    let range = history.range(endingAt: time &- window.delay, window: window.length)
                    found.initializeElement(at: index, to: Found(range: range))
                    guard window.wantsUnusual else { continue }
                    found[index].lookForUnusual(events, at: time, labelDelay: labelDelay, beyond: shorter)
                    shorter = found[index]
                }
                body(
                    EntityView(
                        history: history, events: events, found: found, windows: windows, pattern: pattern, time: time,
                        labelDelay: labelDelay))
            }
        }
    }

    private init(
        history: EntityHistory, events: UnsafeBufferPointer<Event>, found: UnsafeMutableBufferPointer<Found>,
        windows: [EvaluationPlan.Window], pattern: SpendingPattern?, time: Int64, labelDelay: Int64
    ) {
        self.history = history
        self.events = events
        self.found = found
        self.windows = windows
        self.pattern = pattern
        self.time = time
        frauds = history.frauds.isEmpty ? [] : history.frauds.filter { $0.time <= time && $0.isKnown(by: time) }
        run = frauds.isEmpty ? nil : FraudRun(of: history, known: frauds, at: time, labelDelay: labelDelay)
    }

    func value(_ aggregation: Aggregation, window: Int) -> Double {
        let found = found[window]
        switch aggregation {
        case .count: return Double(found.range.count)
        case .sum: return Double(history.ticks(in: found.range)) / EntityHistory.ticksPerUnit
        case .mean:
            guard !found.range.isEmpty else { return .nan }
            return Double(history.ticks(in: found.range)) / EntityHistory.ticksPerUnit / Double(found.range.count)
        case .daysSinceLast:
            let index = history.endIndex(notAfter: time)
            return index == 0 ? .nan : days(since: events[index - 1].time)
        case .knownFraudCount: return Double(fraudCount(window))
        case .knownFraudShare:
            let frauds = fraudCount(window)
            return frauds == 0 ? 0 : Double(frauds) / Double(found.range.count)
        case .amountToUsual: return pattern?.amountToUsual ?? .nan
        case .amountZScore: return pattern?.amountZScore ?? .nan
        case .amountTailShare: return pattern?.amountTailShare ?? .nan
        case .amountToLargestOrdinary: return pattern?.amountToLargestOrdinary ?? .nan
        case .ordinaryCount: return Double(pattern?.ordinaryCount ?? 0)
        case .usualAmount: return pattern?.usualAmount ?? .nan
        case .unusualCount: return Double(found.unusualCount)
        case .unusualShare:
            return found.range.isEmpty ? 0 : Double(found.unusualCount) / Double(min(found.range.count, SpendingPattern.maxPayments))
        case .largestUnusual: return Double(found.largestToUsual)
        case .daysSinceUnusual: return found.unusualCount == 0 ? .nan : days(since: found.newestUnusual)
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
    func value(_ aggregation: Aggregation, window: Int, with counterpart: UInt32) -> Double {
        let visits = found[window].range.suffix(SpendingPattern.maxPayments)
        switch aggregation {
        case .count:
            var count = 0
            for index in visits where events[index].counterpart == counterpart { count += 1 }
            return Double(count)
        case .daysSinceLast:
            return visits.last { events[$0].counterpart == counterpart }.map { days(since: events[$0].time) } ?? .nan
        default: return .nan
        }
    }

    private func days(since event: Int64) -> Double { Double(time &- event) / Double(Timestamp.microsecondsPerDay) }

    private func fraudCount(_ window: Int) -> Int {
        if frauds.isEmpty { return 0 }
        let end = time &- windows[window].delay
        let start = end &- windows[window].length
        var count = 0
        for fraud in frauds where fraud.time > start && fraud.time <= end { count += 1 }
        return count
    }
}

extension EntityView.Found {
    /// - Parameter shorter: what was found in a window before; it saves its part of the work if this one contains it.
    fileprivate mutating func lookForUnusual(
        _ events: UnsafeBufferPointer<Event>, at time: Int64, labelDelay: Int64, beyond shorter: EntityView.Found?
    ) {
        let newest = range.suffix(SpendingPattern.maxPayments)
        var rest = newest.lowerBound..<newest.upperBound
        if let shorter, shorter.range.upperBound == range.upperBound, shorter.range.lowerBound >= range.lowerBound {
            unusualCount = shorter.unusualCount
            newestUnusual = shorter.newestUnusual
            largestToUsual = shorter.largestToUsual
            rest = newest.lowerBound..<max(newest.lowerBound, shorter.range.lowerBound)
        }
        for index in rest.reversed() where events[index].toUsual >= 1 {
            let toUsual = events[index].toUsual
            largestToUsual = max(largestToUsual, toUsual)
            if toUsual >= SpendingPattern.unusualFactor, !events[index].isProvenGenuine(by: time, labelDelay: labelDelay) {
                unusualCount += 1
                newestUnusual = max(newestUnusual, events[index].time)
            }
        }
    }
}
