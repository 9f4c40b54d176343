import Contracts
import Features
import RPC
import RecordCoding
import Records
import StandardContracts

extension FeatureStoreHandlers {
    /// Of entities of any kind, in the order of the messages, from the replicas that keep them.
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
                        places,
                        isHere ? try await features(of: wanted, at: time) : try await replica.features(of: wanted, at: time, from: owner)
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
                guard let key = BehaviourKey(message) else {
                    throw RPCError.invalidArgument([FieldViolation(field: "entities[\(place)]", description: "names no entity")])
                }
                behaving.append((place, key))
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
            guard let values = await behaviour.values(of: behaving.map(\.key), at: time) else {
                let isFull = await behaviour.usage.refused > 0
                throw RPCError(
                    .unavailable,
                    isFull
                        ? "an entity is not here, and may have found no room: see VIGIL_FEATURES_BEHAVIOUR_MAX_MEBIBYTES"
                        : "the behaviour of these entities is still being read from the log")
            }
            for (entity, values) in zip(behaving, values) { tell(entity.place, values) }
        }
        return answers
    }

    static func catalogue(of set: BehaviourSet) -> [FeaturesV1.Feature] {
        set.views.map { view in
            FeaturesV1.Feature(
                name: view.name, entity: view.entity.rawValue, description: view.description, aggregation: view.aggregation.name,
                windowSeconds: view.window.microseconds / 1_000_000, owner: view.owner, type: "double")
        }
    }
}
