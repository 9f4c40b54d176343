import Geo
import Records

/// A feature set prepared for evaluation: which windows to find, which features read them. A class, so that handing it to an evaluation
/// costs one reference count and not one for each list.
final class EvaluationPlan: Sendable {
    struct Window: Sendable, Hashable {
        var length: Int64
        var delay: Int64
        /// Whether a feature asks for the unusual payments in it.
        var wantsUnusual: Bool
    }

    struct Step: Sendable {
        /// Where the value goes.
        var index: Int
        var aggregation: Aggregation
        /// Into the windows of its entity; a pair's window is one of the customer's.
        var window: Int
    }

    let transactionSteps: [Step]
    let customerSteps: [Step]
    let terminalSteps: [Step]
    let pairSteps: [Step]
    let customerWindows: [Window]
    let terminalWindows: [Window]
    /// How far back the customer's usual amount looks: the longest window among the features that ask for it.
    let usualWindow: Int64
    /// Which value is the amount over the customer's usual amount; nil if none is.
    let amountToUsualIndex: Int?

    init(set: FeatureSet) {
        var steps: [Entity: [Step]] = [:]
        var customerWindows: [Window] = []
        var terminalWindows: [Window] = []
        var usualWindow: Int64 = 0
        for (index, definition) in set.definitions.enumerated() {
            let window = Window(
                length: definition.window.microseconds, delay: definition.delay.microseconds,
                wantsUnusual: definition.aggregation.asksForUnusualPayments)
            let place =
                switch definition.entity {
                case .transaction: 0
                case .customer, .pair: EvaluationPlan.place(window, in: &customerWindows)
                case .terminal: EvaluationPlan.place(window, in: &terminalWindows)
                }
            steps[definition.entity, default: []].append(Step(index: index, aggregation: definition.aggregation, window: place))
            if definition.aggregation.needsUsualAmount { usualWindow = max(usualWindow, window.length) }
        }
        transactionSteps = steps[.transaction] ?? []
        customerSteps = steps[.customer] ?? []
        terminalSteps = steps[.terminal] ?? []
        pairSteps = steps[.pair] ?? []
        self.customerWindows = customerWindows
        self.terminalWindows = terminalWindows
        self.usualWindow = usualWindow
        amountToUsualIndex = set.definitions.firstIndex { $0.entity == .customer && $0.aggregation == .amountToUsual }
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
            EntityView.with(terminal, windows: plan.terminalWindows, at: time, labelDelay: labelDelay, pattern: nil) { view in
                for step in plan.terminalSteps { values[step.index] = view.value(step.aggregation, window: step.window) }
            }
        } else {
            for step in plan.terminalSteps { values[step.index] = .nan }
        }
        guard let customer else {
            for step in plan.customerSteps { values[step.index] = .nan }
            for step in plan.pairSteps { values[step.index] = .nan }
            return .nan
        }
        let pattern = SpendingPattern(of: customer, at: time, window: plan.usualWindow, labelDelay: labelDelay, amount: amount)
        EntityView.with(customer, windows: plan.customerWindows, at: time, labelDelay: labelDelay, pattern: pattern) { view in
            for step in plan.customerSteps { values[step.index] = view.value(step.aggregation, window: step.window) }
            for step in plan.pairSteps {
                values[step.index] = terminalIndex.map { view.value(step.aggregation, window: step.window, with: $0) } ?? .nan
            }
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

