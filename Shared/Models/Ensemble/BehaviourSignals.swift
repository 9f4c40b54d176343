#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How unlike its own past an account and a terminal behave at a payment, out of the windows that the payment's features hold.
///
/// A judgement without labels: it knows nothing of fraud and so of no kind of fraud in particular. It keeps no state, so it is made again from
/// a decision's stored features to the bit. Surprises are in nats, see `TailSurprise`; 0 where nothing is known, and where the features that
/// it reads are not in the set.
struct BehaviourSignals: Sendable {
    private let tailShare: Int?
    private let customerDay: Int?
    private let customerMonth: Int?
    private let terminalDay: Int?
    private let terminalMonth: Int?
    private let unusualDay: Int?
    private let unusualWeek: Int?

    init(featureNames: [String]) {
        let indices = Dictionary(featureNames.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        tailShare = indices["amount_tail_share"]
        (customerDay, customerMonth) = (indices["customer_count_1d"], indices["customer_count_30d"])
        (terminalDay, terminalMonth) = (indices["terminal_count_1d"], indices["terminal_count_30d"])
        (unusualDay, unusualWeek) = (indices["terminal_unusual_count_1d"], indices["terminal_unusual_count_7d"])
    }

    /// An amount that the customer seldom pays, and more payments in a day than the month before it explains.
    func account(_ row: some RandomAccessCollection<Float>) -> Double {
        let share = value(row, tailShare)
        let amount = share > 0 ? -log(min(1, share)) : 0
        return TailSurprise.together(amount, burst(value(row, customerDay), value(row, customerMonth), days: 30, thisOne: 1))
    }

    /// More payments in a day than the month before it explains, and more unusually large ones than the week before it does.
    func terminal(_ row: some RandomAccessCollection<Float>) -> Double {
        TailSurprise.together(
            burst(value(row, terminalDay), value(row, terminalMonth), days: 30, thisOne: 1),
            burst(value(row, unusualDay), value(row, unusualWeek), days: 7, thisOne: 0))
    }

    /// - Parameter thisOne: the payment itself, where it counts.
    private func burst(_ lastDay: Double, _ window: Double, days: Double, thisOne: Double) -> Double {
        guard lastDay.isFinite, window >= lastDay else { return 0 }
        // Half an event more than was seen, so that a first one after nothing is no wonder.
        return TailSurprise.count(lastDay + thisOne, expected: (window - lastDay + 0.5) / (days - 1) + (thisOne > 0 ? 0.5 : 0))
    }

    private func value(_ row: some RandomAccessCollection<Float>, _ index: Int?) -> Double {
        guard let index else { return .nan }
        return Double(row[row.index(row.startIndex, offsetBy: index)])
    }
}
