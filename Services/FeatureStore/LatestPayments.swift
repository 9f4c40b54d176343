import EventLog
import Records
import Synchronization

/// The payments observed last, as their observations keep them, so that whoever follows the store's own log need not read back what this
/// process has just written: the log says which blocks it holds and in what order, and they are here.
///
/// It may forget: what is not in it must be read.
final class LatestPayments: Sendable {
    private struct Generations {
        /// By where their block begins.
        var young: [LogPosition: [Transaction]] = [:]
        var youngPayments = 0
        var old: [LogPosition: [Transaction]] = [:]
    }

    private static let maxPayments = 50_000

    private let generations = Mutex(Generations())

    /// - Parameters:
    ///   - payments: of one block, all that it holds.
    ///   - position: of the first.
    func insert(_ payments: [Transaction], at position: LogPosition) {
        generations.withLock { generations in
            generations.young[position] = payments
            generations.youngPayments += payments.count
            if generations.youngPayments >= Self.maxPayments / 2 {
                generations.old = generations.young
                generations.young = [:]
                generations.youngPayments = 0
            }
        }
    }

    /// The payments of a block; nil where they are not here. A log brings each once: those found are forgotten.
    func take(_ run: LogRun) -> [Transaction]? {
        let first = LogPosition(transactionID: run.transactionID, sequence: run.sequences.lowerBound)
        return generations.withLock { generations in
            guard let payments = generations.young[first] ?? generations.old[first], payments.count == run.count else { return nil }
            if generations.young.removeValue(forKey: first) != nil { generations.youngPayments -= payments.count }
            generations.old[first] = nil
            return payments
        }
    }
}

extension ObservedTransaction {
    /// The payment as its observation keeps it.
    var asObserved: Transaction {
        var payment = transaction
        payment.location = location
        payment.merchantCategoryCode = nil
        payment.details = nil
        return payment
    }
}
