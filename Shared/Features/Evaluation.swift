import Geo
import Records

/// A feature set prepared for evaluation: which windows to find, which features read them. A class, so that handing it to an evaluation
/// costs one reference count and not one for each list.
final class EvaluationPlan: Sendable {
    /// The events in (time − delay − length, time − delay].
    struct Window: Sendable, Hashable {
        var length: Int64
        var delay: Int64
        /// Where it ends and where it begins: into the entity's ages, which windows share.
        var newest = 0
        var oldest = 0
        /// Into the entity's `unusualWindows`; of no meaning where no feature asks for unusual payments in it.
        var unusual = 0
    }

    struct Step: Sendable {
        /// Where the value goes.
        var index: Int
        var aggregation: Aggregation
        /// Into the windows of its entity; a pair's window is one of the customer's.
        var window: Int
    }

    /// What is asked of one kind of entity.
    struct EntityPlan: Sendable {
        var steps: [Step] = []
        var windows: [Window] = []
        /// How long before now windows begin and end; each once, the youngest first.
        var ages: [Int64] = []
        /// Those in which a feature asks for unusual payments, in the order in which features ask.
        var unusualWindows: [Int] = []
        /// Whether a feature asks for the largest payment in one of them.
        var asksForLargest = false
        /// The window of what is usual: the longest among the features that ask for it; nil where none does.
        var usual: Window?
        /// Whether a feature asks for known frauds.
        var asksForFrauds = false
        /// The window of the last run of them: the longest among the features that ask for it; nil where none does.
        var runLength: Int64?
        /// How far behind the newest event all is kept.
        var horizon: Int64 = 0

        /// - Returns: the place of the definition's window, which is noted if it is new.
        fileprivate mutating func place(_ definition: FeatureDefinition) -> Int {
            let length = definition.window.microseconds
            let delay = definition.delay.microseconds
            var place = windows.firstIndex { $0.length == length && $0.delay == delay }
            if place == nil {
                windows.append(Window(length: length, delay: delay))
                place = windows.count - 1
            }
            let window = place ?? 0
            if definition.aggregation.readsFraudRun { runLength = max(runLength ?? 0, length) }
            asksForFrauds = asksForFrauds || runLength != nil || definition.aggregation.countsKnownFrauds
            if definition.aggregation.readsWindow {
                windows[window].newest = age(delay)
                windows[window].oldest = age(delay &+ length)
            }
            asksForLargest = asksForLargest || definition.aggregation == .largestUnusual
            if definition.aggregation.asksForUnusualPayments, !unusualWindows.contains(window) {
                windows[window].unusual = unusualWindows.count
                unusualWindows.append(window)
            }
            return window
        }

        /// Puts the ages in order, as a search takes them.
        fileprivate mutating func sortAges() {
            let sorted = ages.sorted()
            func moved(_ window: Window) -> Window {
                var window = window
                guard !ages.isEmpty else { return window }
                window.newest = sorted.firstIndex(of: ages[window.newest]) ?? 0
                window.oldest = sorted.firstIndex(of: ages[window.oldest]) ?? 0
                return window
            }
            windows = windows.map(moved)
            usual = usual.map(moved)
            ages = sorted
        }

        fileprivate mutating func age(_ age: Int64) -> Int {
            if let index = ages.firstIndex(of: age) { return index }
            ages.append(age)
            return ages.count - 1
        }
    }

    let transactionSteps: [Step]
    let pairSteps: [Step]
    let customer: EntityPlan
    let terminal: EntityPlan
    /// Which value is the amount over the customer's usual amount; nil if none is.
    let amountToUsualIndex: Int?

    /// Whether a value depends on payments being proven genuine.
    var asksWhatIsGenuine: Bool { customer.usual != nil || !customer.unusualWindows.isEmpty || !terminal.unusualWindows.isEmpty }

    init(set: FeatureSet) {
        var transactionSteps: [Step] = []
        var pairSteps: [Step] = []
        var customer = EntityPlan()
        var terminal = EntityPlan()
        var usualWindow: Int64 = 0
        for (index, definition) in set.definitions.enumerated() {
            let aggregation = definition.aggregation
            switch definition.entity {
            case .transaction: transactionSteps.append(Step(index: index, aggregation: aggregation, window: 0))
            case .customer: customer.steps.append(Step(index: index, aggregation: aggregation, window: customer.place(definition)))
            case .pair: pairSteps.append(Step(index: index, aggregation: aggregation, window: customer.place(definition)))
            case .terminal: terminal.steps.append(Step(index: index, aggregation: aggregation, window: terminal.place(definition)))
            }
            if aggregation.needsUsualAmount { usualWindow = max(usualWindow, definition.window.microseconds) }
        }
        if usualWindow > 0 {
            customer.usual = Window(
                length: usualWindow, delay: 0, newest: customer.age(0), oldest: customer.age(usualWindow))
        }
        customer.sortAges()
        terminal.sortAges()
        customer.horizon = set.horizon.microseconds + FeatureEngine.maxLateness.microseconds
        terminal.horizon = customer.horizon
        self.transactionSteps = transactionSteps
        self.pairSteps = pairSteps
        self.customer = customer
        self.terminal = terminal
        amountToUsualIndex = set.definitions.firstIndex { $0.entity == .customer && $0.aggregation == .amountToUsual }
    }
}

/// What is asked about: a payment, or entities at one moment.
struct Occasion {
    /// Microseconds since 1970.
    let time: Int64
    /// NaN where entities are asked about and no transaction is at hand.
    let amount: Double
    let place: Coordinate?
    /// Of the payment's own clock; nil where it states none.
    let utcOffsetSeconds: Int?
}

extension Occasion {
    init(_ transaction: Transaction) {
        self.init(
            time: transaction.eventTime.microseconds, amount: transaction.amount.amount, place: transaction.location,
            utcOffsetSeconds: transaction.utcOffsetSeconds)
    }
}

/// All features on one occasion.
struct Evaluation {
    let plan: EvaluationPlan
    let occasion: Occasion
    let labelDelay: Int64
    /// Of the clock of payments that state none of their own.
    let setsOffsetSeconds: Int
    let customer: HistoryView?
    let terminal: HistoryView?
    /// The terminal's index, as the customer's events name it.
    let terminalIndex: UInt32?
    /// Where the windows of both entities lay when they were last looked at; nil where that is not kept.
    let lastCuts: FollowedWindows.Cuts?

    /// Writes the values in the set's order.
    /// - Returns: the amount over what is usual for the customer; NaN if that is unknown.
    @inline(__always)
    func fill(_ values: UnsafeMutableBufferPointer<Double>) -> Double {
        plan.transactionSteps.withUnsafeBufferPointer { steps in
            for step in steps { values[step.index] = ofTransaction(step.aggregation) }
        }
        plan.terminal.steps.withUnsafeBufferPointer { steps in
            guard let terminal else {
                for step in steps { values[step.index] = .nan }
                return
            }
            EntityView.with(
                terminal, plan: plan.terminal, at: occasion.time, labelDelay: labelDelay, amount: .nan, lastCuts: lastCuts?.ofTerminal
            ) { view in
                for step in steps { values[step.index] = view.value(step.aggregation, window: step.window) }
                view.clearUnknown(steps, in: values)
            }
        }
        guard let customer else {
            for step in plan.customer.steps { values[step.index] = .nan }
            for step in plan.pairSteps { values[step.index] = .nan }
            return .nan
        }
        return EntityView.with(
            customer, plan: plan.customer, at: occasion.time, labelDelay: labelDelay, amount: occasion.amount, lastCuts: lastCuts?.ofCustomer
        ) { view in
            plan.customer.steps.withUnsafeBufferPointer { steps in
                for step in steps { values[step.index] = view.value(step.aggregation, window: step.window) }
                view.clearUnknown(steps, in: values)
            }
            plan.pairSteps.withUnsafeBufferPointer { steps in
                for step in steps {
                    values[step.index] = terminalIndex.map { view.value(step.aggregation, window: step.window, with: $0) } ?? .nan
                }
                view.clearUnknown(steps, in: values)
            }
            return view.amountToUsual
        }
    }

    private func ofTransaction(_ aggregation: Aggregation) -> Double {
        guard !occasion.amount.isNaN else { return .nan }
        let offset = occasion.utcOffsetSeconds ?? setsOffsetSeconds
        switch aggregation {
        case .amount: return occasion.amount
        case .isNight: return Timestamp(microseconds: occasion.time).hourOfDay(offsetSeconds: offset) <= 6 ? 1 : 0
        case .isWeekend: return Timestamp(microseconds: occasion.time).dayOfWeek(offsetSeconds: offset) >= 6 ? 1 : 0
        case .distanceKilometres:
            guard let home = customer?.place, let place = occasion.place ?? terminal?.place else { return .nan }
            return haversineMetres(
                latitude1: home.latitude, longitude1: home.longitude, latitude2: place.latitude, longitude2: place.longitude) / 1_000
        default: return .nan
        }
    }
}

/// Where the windows of each customer and terminal lay when it was last looked at: see `HistoryView.follow`.
final class FollowedWindows {
    /// Of one customer and one terminal: an index for each age of its plan.
    struct Cuts {
        let ofCustomer: UnsafeMutableBufferPointer<UInt32>
        let ofTerminal: UnsafeMutableBufferPointer<UInt32>
    }

    private let customers: UnsafeMutablePointer<UInt32>
    private let terminals: UnsafeMutablePointer<UInt32>
    private let agesOfCustomer: Int
    private let agesOfTerminal: Int

    init(customers: Int, terminals: Int, plan: EvaluationPlan) {
        agesOfCustomer = plan.customer.ages.count
        agesOfTerminal = plan.terminal.ages.count
        self.customers = .allocate(capacity: customers * agesOfCustomer)
        self.customers.initialize(repeating: 0, count: customers * agesOfCustomer)
        self.terminals = .allocate(capacity: terminals * agesOfTerminal)
        self.terminals.initialize(repeating: 0, count: terminals * agesOfTerminal)
    }

    deinit {
        customers.deallocate()
        terminals.deallocate()
    }

    /// - Parameter terminal: `FeatureEngine.none` for a payment without one.
    @inline(__always)
    func cuts(customer: UInt32, terminal: UInt32) -> Cuts {
        let terminal = terminal == FeatureEngine.none ? 0 : Int(terminal)
        return Cuts(
            ofCustomer: .init(start: customers + Int(customer) &* agesOfCustomer, count: agesOfCustomer),
            ofTerminal: .init(start: terminals + terminal &* agesOfTerminal, count: agesOfTerminal))
    }
}
