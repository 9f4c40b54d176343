/// What a map shows: one signal, and which of its two sums makes the heat.
enum Layer: String, Sendable, Hashable, CaseIterable {
    /// Scored transactions, hot where the scores add up: the number of frauds to expect.
    case risk
    /// Scored transactions, hot where there are many.
    case transactions
    /// Transactions labelled fraud.
    case fraud
    /// Decisions above the alert threshold.
    case alerts
    /// Complaints.
    case complaints
    /// Complaints to expect in the hours to come.
    case forecast

    /// Those of what has happened.
    static let recorded = allCases.filter { $0 != .forecast }

    var signal: Signal {
        switch self {
        case .risk, .transactions: .transaction
        case .fraud: .fraud
        case .alerts: .alert
        case .complaints: .complaint
        case .forecast: .forecast
        }
    }

    /// Whether it shows payments, which have a risk and a channel; others show crimes.
    var isOfPayments: Bool {
        switch self {
        case .risk, .transactions, .fraud, .alerts: true
        case .complaints, .forecast: false
        }
    }

    /// What makes a cell hot.
    func heat(of tally: Tally) -> Double {
        switch self {
        case .risk, .forecast: tally.riskSum
        case .transactions, .fraud, .alerts, .complaints: Double(tally.count)
        }
    }

    var summary: String {
        switch self {
        case .risk: "Scored transactions, weighed by their risk: expected frauds by cell"
        case .transactions: "Scored transactions by cell"
        case .fraud: "Transactions labelled fraud by cell"
        case .alerts: "Decisions above the alert threshold by cell"
        case .complaints: "Complaints by cell"
        case .forecast: "Complaints to expect by cell, in the hours to come"
        }
    }
}

/// How many events, and the sum of their risk scores.
struct Tally: Sendable, Hashable {
    var count = 0
    var riskSum = 0.0

    var meanRisk: Double { count == 0 ? 0 : riskSum / Double(count) }

    static func += (tally: inout Tally, other: Tally) {
        tally.count += other.count
        tally.riskSum += other.riskSum
    }
}
