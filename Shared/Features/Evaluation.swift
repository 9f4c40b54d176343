import Geo
import Records

/// A feature set prepared for evaluation: which windows to find, which features read them.
struct EvaluationPlan: Sendable {
    struct Window: Sendable, Hashable {
        var length: Int64
        var delay: Int64
    }

    struct Step: Sendable {
        /// Where the value goes.
        var index: Int
        var aggregation: Aggregation
        /// Into the windows of its entity; a pair's window is one of the customer's.
        var window: Int
    }

    private(set) var transactionSteps: [Step] = []
    private(set) var customerSteps: [Step] = []
    private(set) var terminalSteps: [Step] = []
    private(set) var pairSteps: [Step] = []
    private(set) var customerWindows: [Window] = []
    private(set) var terminalWindows: [Window] = []
    /// How far back the customer's usual amount looks: the longest window among the features that ask for it.
    private(set) var usualWindow: Int64 = 0

    init(set: FeatureSet) {
        for (index, definition) in set.definitions.enumerated() {
            let window = Window(length: definition.window.microseconds, delay: definition.delay.microseconds)
            var step = Step(index: index, aggregation: definition.aggregation, window: 0)
            switch definition.entity {
            case .transaction:
                transactionSteps.append(step)
            case .customer:
                step.window = EvaluationPlan.place(window, in: &customerWindows)
                customerSteps.append(step)
            case .terminal:
                step.window = EvaluationPlan.place(window, in: &terminalWindows)
                terminalSteps.append(step)
            case .pair:
                step.window = EvaluationPlan.place(window, in: &customerWindows)
                pairSteps.append(step)
            }
            if definition.aggregation.needsUsualAmount { usualWindow = max(usualWindow, window.length) }
        }
    }

    private static func place(_ window: Window, in windows: inout [Window]) -> Int {
        if let index = windows.firstIndex(of: window) { return index }
        windows.append(window)
        return windows.count - 1
    }
}

/// All features at one moment.
struct Evaluation {
    let plan: EvaluationPlan
    let time: Int64
    /// NaN where entities are asked about and no transaction is at hand.
    let amount: Double
    let place: Coordinate?
    let labelDelay: Int64
    let utcOffsetSeconds: Int
    let customer: EntityHistory?
    let terminal: EntityHistory?
    /// The terminal's index, as the customer's events name it.
    let terminalIndex: UInt32?

    /// Writes the values in the set's order.
    /// - Returns: the amount over what is usual for the customer; NaN if that is unknown.
    func fill(_ values: UnsafeMutableBufferPointer<Double>) -> Double {
        for step in plan.transactionSteps { values[step.index] = ofTransaction(step.aggregation) }
        if let terminal {
            let view = EntityView(terminal, windows: plan.terminalWindows, at: time, labelDelay: labelDelay, pattern: nil)
            for step in plan.terminalSteps { values[step.index] = view.value(step.aggregation, window: step.window) }
        } else {
            for step in plan.terminalSteps { values[step.index] = .nan }
        }
        guard let customer else {
            for step in plan.customerSteps { values[step.index] = .nan }
            for step in plan.pairSteps { values[step.index] = .nan }
            return .nan
        }
        let pattern = SpendingPattern(of: customer, at: time, window: plan.usualWindow, labelDelay: labelDelay, amount: amount)
        let view = EntityView(customer, windows: plan.customerWindows, at: time, labelDelay: labelDelay, pattern: pattern)
        for step in plan.customerSteps { values[step.index] = view.value(step.aggregation, window: step.window) }
        for step in plan.pairSteps {
            values[step.index] = terminalIndex.map { view.value(step.aggregation, window: step.window, with: $0) } ?? .nan
        }
        return pattern.amountToUsual
    }

    private func ofTransaction(_ aggregation: Aggregation) -> Double {
        guard !amount.isNaN else { return .nan }
        switch aggregation {
        case .amount: return amount
        case .isNight: return Timestamp(microseconds: time).hourOfDay(offsetSeconds: utcOffsetSeconds) <= 6 ? 1 : 0
        case .isWeekend: return Timestamp(microseconds: time).dayOfWeek(offsetSeconds: utcOffsetSeconds) >= 6 ? 1 : 0
        case .distanceKilometres:
            guard let home = customer?.place, let place = place ?? terminal?.place else { return .nan }
            return haversineMetres(
                latitude1: home.latitude, longitude1: home.longitude, latitude2: place.latitude, longitude2: place.longitude) / 1_000
        default: return .nan
        }
    }
}

/// One entity's history as known at one moment, with what several features share computed once.
struct EntityView {
    let history: EntityHistory
    let pattern: SpendingPattern?
    private let time: Int64
    private let labelDelay: Int64
    private let windows: [EvaluationPlan.Window]
    /// Known at `time`; by event time.
    private let frauds: [KnownFraud]
    private let run: FraudRun?

    init(_ history: EntityHistory, windows: [EvaluationPlan.Window], at time: Int64, labelDelay: Int64, pattern: SpendingPattern?) {
        self.history = history
        self.windows = windows
        self.time = time
        self.labelDelay = labelDelay
        self.pattern = pattern
        frauds = history.frauds.isEmpty ? [] : history.frauds.filter { $0.time <= time && $0.isKnown(by: time) }
        run = frauds.isEmpty ? nil : FraudRun(of: history, known: frauds, at: time, labelDelay: labelDelay)
    }

    private func range(_ window: Int) -> Range<Int> {
        history.range(endingAt: time &- windows[window].delay, window: windows[window].length)
    }

    func value(_ aggregation: Aggregation, window: Int) -> Double {
        switch aggregation {
        case .count: return Double(range(window).count)
        case .sum: return Double(history.ticks(in: range(window))) / EntityHistory.ticksPerUnit
        case .mean:
            let range = range(window)
            return range.isEmpty ? .nan : Double(history.ticks(in: range)) / EntityHistory.ticksPerUnit / Double(range.count)
        case .daysSinceLast:
            let index = history.endIndex(notAfter: time)
            return index == 0 ? .nan : days(since: history.events[index - 1].time)
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
        case .unusualCount, .unusualShare, .largestUnusual, .daysSinceUnusual: return unusual(aggregation, range(window))
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
        let visits = range(window).suffix(SpendingPattern.maxPayments)
        switch aggregation {
        case .count: return Double(visits.reduce(0) { $0 + (history.events[$1].counterpart == counterpart ? 1 : 0) })
        case .daysSinceLast:
            return visits.last { history.events[$0].counterpart == counterpart }.map { days(since: history.events[$0].time) } ?? .nan
        default: return .nan
        }
    }

    private func days(since event: Int64) -> Double { Double(time &- event) / Double(Timestamp.microsecondsPerDay) }

    private func fraudCount(_ window: Int) -> Int {
        if frauds.isEmpty { return 0 }
        let end = time &- windows[window].delay
        let start = end &- windows[window].length
        return frauds.reduce(0) { $0 + ($1.time > start && $1.time <= end ? 1 : 0) }
    }

    /// At most `SpendingPattern.maxPayments` are looked at, the newest.
    private func unusual(_ aggregation: Aggregation, _ range: Range<Int>) -> Double {
        var count = 0
        var largest: Float = 0
        var newest: Int64?
        let looked = range.suffix(SpendingPattern.maxPayments)
        history.events.withUnsafeBufferPointer { events in
            for index in looked where events[index].toUsual >= 1 {
                let event = events[index]
                largest = max(largest, event.toUsual)
                if event.toUsual >= SpendingPattern.unusualFactor, !event.isProvenGenuine(by: time, labelDelay: labelDelay) {
                    count += 1
                    newest = event.time
                }
            }
        }
        switch aggregation {
        case .unusualCount: return Double(count)
        case .unusualShare: return looked.isEmpty ? 0 : Double(count) / Double(looked.count)
        case .largestUnusual: return Double(largest)
        default: return newest.map { days(since: $0) } ?? .nan
        }
    }
}
