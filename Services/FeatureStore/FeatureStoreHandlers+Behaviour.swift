import Contracts
import Features
import RPC
import RecordCoding
import Records
import StandardContracts

extension FeatureStoreHandlers {
    /// Of entities of any kind, in the order of the messages, from the replicas that keep them; those that cannot be answered now say why.
    ///
    /// - Parameter onlyHere: refuse what another replica keeps.
    func features(of messages: [FeaturesV1.EntityKey], at time: Timestamp, onlyHere: Bool) async throws -> [FeaturesV1.EntityFeatures] {
        guard let replica else { return try await features(of: messages, at: time) }
        var places: [String: [Int]] = [:]
        for (place, message) in messages.enumerated() {
            let owner = replica.slice.ring.owner(of: message) ?? replica.slice.name
            if onlyHere, owner != replica.slice.name { throw replica.isElsewhere("entities[\(place)]", owner) }
            places[owner, default: []].append(place)
        }
        var answers = messages.map { FeaturesV1.EntityFeatures(entity: $0) }
        try await withThrowingTaskGroup(of: (places: [Int], features: [FeaturesV1.EntityFeatures]).self) { group in
            for (owner, places) in places {
                let wanted = places.map { messages[$0] }
                group.addTask {
                    let isHere = owner == replica.slice.name
                    return (
                        places, isHere ? try await features(of: wanted, at: time) : await replica.features(of: wanted, at: time, from: owner)
                    )
                }
            }
            for try await part in group {
                for (place, features) in zip(part.places, part.features) { answers[place] = features }
            }
        }
        return answers
    }

    /// Of entities that are kept here.
    private func features(of messages: [FeaturesV1.EntityKey], at time: Timestamp) async throws -> [FeaturesV1.EntityFeatures] {
        var observed: [(place: Int, entity: ObservedEntity)] = []
        var behaving: [(place: Int, key: BehaviourKey)] = []
        for (place, message) in messages.enumerated() {
            switch message.entity {
            case .customerID(let id): observed.append((place, .customer(id)))
            case .terminalID(let id): observed.append((place, .terminal(id)))
            default:
                if let key = BehaviourKey(message) { behaving.append((place, key)) }
            }
        }
        var answers = messages.map { FeaturesV1.EntityFeatures(entity: $0) }
        func tell(_ place: Int, _ features: (values: [Double], newest: Timestamp?)?) {
            guard let features else { return }
            answers[place].found = true
            answers[place].values = features.values
            answers[place].newestEventTime = features.newest.map { .init($0) }
        }
        if !observed.isEmpty {
            let features = try await answeringEnd { try await writer.features(of: observed.map(\.entity), at: time) }
            for (entity, features) in zip(observed, features) { tell(entity.place, features) }
        }
        if !behaving.isEmpty {
            for (entity, behaviour) in zip(behaving, await behaviour.behaviour(of: behaving.map(\.key), at: time)) {
                switch behaviour {
                case .known(let values, let newest): tell(entity.place, (values, newest))
                case .neverSeen: break
                case .unread: answers[entity.place].unavailable = "behaviour is still being read from the log"
                case .unkept: answers[entity.place].unavailable = Self.mayHaveFoundNoRoom(entity.key)
                }
            }
        }
        return answers
    }

    private static func mayHaveFoundNoRoom(_ key: BehaviourKey) -> String {
        let name = key.counterparty.isEmpty ? key.id : "\(key.id) paying \(key.counterparty)"
        return "the \(key.entity.rawValue) \(name) is not here, and may have found no room: see VIGIL_FEATURES_BEHAVIOUR_MAX_MEBIBYTES"
    }

    /// That each names an entity or a transaction that there may be.
    static func check(_ entities: [FeaturesV1.EntityKey], keys: [RecordsV1.TransactionKey] = []) throws {
        func violations(_ faults: [[Fault]], _ field: String) -> [FieldViolation] {
            faults.enumerated().flatMap { place, faults in
                faults.map { FieldViolation(field: "\(field)[\(place)]\($0.field)", description: $0.what) }
            }
        }
        let violations = violations(keys.map(\.faults), "keys") + violations(entities.map(\.faults), "entities")
        if !violations.isEmpty { throw RPCError.invalidArgument(violations) }
    }

    static func catalogue(of set: BehaviourSet) -> [FeaturesV1.Feature] {
        set.views.map { view in
            FeaturesV1.Feature(
                name: view.name, entity: view.entity.rawValue, description: view.description, aggregation: view.aggregation.name,
                windowSeconds: view.window.microseconds / 1_000_000, owner: view.owner, type: "double")
        }
    }
}

/// What keeps a message from naming anything, and in which field: with a dot in front, or empty for the whole message.
private typealias Fault = (field: String, what: String)

private func missing(_ named: KeyValuePairs<String, String>) -> [Fault] {
    named.filter(\.value.isEmpty).map { (".\($0.key)", "is missing") }
}

extension RecordsV1.TransactionKey {
    fileprivate var faults: [Fault] { missing(["bank_id": bankID, "transaction_id": transactionID]) }
}

extension FeaturesV1.EntityKey {
    fileprivate var faults: [Fault] {
        let named: KeyValuePairs<String, String>
        switch entity {
        case .customerID(let id): named = ["customer_id": id]
        case .terminalID(let id): named = ["terminal_id": id]
        case .accountID(let id): named = ["account_id": id]
        case .cardID(let id): named = ["card_id": id]
        case .deviceID(let id): named = ["device_id": id]
        case .merchantID(let id): named = ["merchant_id": id]
        case .pair(let pair): named = ["pair.account_id": pair.accountID, "pair.counterparty_account_id": pair.counterpartyAccountID]
        case .cell(let quadkey):
            let isOne = quadkey.utf8.count == BehaviourEngine.cellZoom && quadkey.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "3")).contains($0) }
            return isOne ? [] : [(".cell", "is not the quadkey of a square at zoom level \(BehaviourEngine.cellZoom)")]
        case nil: return [("", "names no entity")]
        }
        return missing(named)
    }
}
