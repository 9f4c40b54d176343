import EventLog
import Records
import Synchronization

/// The payments observed last, as their observations keep them, so that whoever follows the store's own log need not read back what this
/// process has just written: the log says which and in what order, and they are here.
///
/// It may forget: what is not in it must be read. What is in it counts only once the log says that it was stored.
final class LatestPayments: Sendable {
    private struct Generations {
        var young: [TransactionKey: Transaction] = [:]
        var old: [TransactionKey: Transaction] = [:]
    }

    private static let maxPayments = 50_000

    private let generations = Mutex(Generations())

    func insert(_ observed: ObservedTransaction) {
        var payment = observed.transaction
        payment.location = observed.location
        // An observation does not keep these.
        payment.timeZone = nil
        payment.merchantCategoryCode = nil
        generations.withLock { generations in
            generations.young[payment.key] = payment
            if generations.young.count >= Self.maxPayments / 2 {
                generations.old = generations.young
                generations.young = [:]
            }
        }
    }

    /// Those of these keys, in their order; nil where one is not here. A log brings each key once: those found are forgotten.
    func take(_ keys: [LoggedEvent.Key]) -> [Transaction]? {
        generations.withLock { generations in
            var found: [Transaction] = []
            found.reserveCapacity(keys.count)
            for key in keys {
                let key = TransactionKey(bankID: key.owner, transactionID: key.id)
                if let payment = generations.young.removeValue(forKey: key) ?? generations.old.removeValue(forKey: key) { found.append(payment) }
            }
            return found.count == keys.count ? found : nil
        }
    }
}
