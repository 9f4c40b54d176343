import Features
import Records
import ServiceRuntime

/// The part of the key space that one replica keeps.
struct Slice: Sendable, Hashable {
    let ring: ReplicaRing
    let name: String

    func owns(customer id: String) -> Bool { ring.owner(ofCustomer: id) == name }
    func owns(terminal id: String) -> Bool { ring.owner(ofTerminal: id) == name }
    func owns(_ key: BehaviourKey) -> Bool { ring.owner(of: key) == name }
    /// Who writes what becomes known of a transaction into the table of labels.
    func owns(_ key: TransactionKey) -> Bool { ring.owner(of: "transaction", "\(key.bankID)/\(key.transactionID)") == name }

    /// Of the snapshots: memory of another ring is another memory.
    func snapshotVersion(_ version: String) -> String { "\(version) ring \(ring.generation)" }

    /// The place in the gateway's log that a store which keeps everything has come to.
    static let wholeConsumerName = "ingestion"
    static func consumerName(_ replica: String) -> String { "\(wholeConsumerName)/\(replica)" }
}

extension ReplicaRing {
    func owner(of key: BehaviourKey) -> String {
        owner(of: key.entity.rawValue, key.counterparty.isEmpty ? key.id : "\(key.id)/\(key.counterparty)")
    }
}
