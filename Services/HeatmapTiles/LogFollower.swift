import EventLog
import Logging
import Postgres
import Records
import Synchronization

/// Takes a log into the map: into the database in the transaction that moves the position, then into memory.
///
/// Memory has a position of its own. It takes in every event after that, also those that a crash or another replica had stored already, so
/// memory is always the sum of the log's events up to its position. When the log goes on behind what memory has, the process must end and
/// rebuild.
final class LogFollower: Sendable {
    /// Memory lacks events that the database has.
    struct MemoryBehind: Error, CustomStringConvertible {
        let consumer: String

        var description: String {
            "the map in memory lacks events of the \(consumer) log that the database has; it is rebuilt at the next start"
        }
    }

    private let consumer: LogConsumer
    private let store: MapStore
    private let map: LiveMap
    private let position: Mutex<LogPosition>
    private let now: @Sendable () -> Timestamp

    /// - Parameter position: how far the map in memory has read this log.
    init(
        _ consumer: LogConsumer, store: MapStore, map: LiveMap, position: LogPosition,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.now = now
        self.consumer = consumer
        self.store = store
        self.map = map
        self.position = Mutex(position)
    }

    /// Follows for ever.
    ///
    /// - Throws: ``MemoryBehind``, or when an event cannot be stored.
    func run(
        from source: (LogPosition, _ deliver: ([LogConsumer.Positioned<MapEvent?>]) async throws -> Void) async throws -> Void
    ) async throws {
        try await consumer.follow(from: source) { (batch: LogConsumer.Batch<MapEvent?>) in try await self.take(batch) }
    }

    func take(_ batch: LogConsumer.Batch<MapEvent?>) async throws {
        guard let last = batch.events.last else { return }
        let known = position.withLock { $0 }
        guard batch.following <= known else { throw MemoryBehind(consumer: consumer.name) }
        let fresh = batch.events.filter { $0.position > known }
        var change = try await self.change(for: fresh)
        // A terminal's place is known from now on.
        let thisHour = CubeHour.containing(microsecondsSince1970: now().microseconds) ?? 0
        if !change.sites.isEmpty { change.knownHour = max(change.knownHour, thisHour) }
        try await store.pool.withTransaction { transaction in
            let claimed = try await consumer.claim(batch, in: transaction)
            guard !claimed.isEmpty else { return }
            var stored = change
            if claimed.count != fresh.count {
                stored = try await self.change(for: claimed, in: transaction)
                stored.knownHour = max(stored.knownHour, change.knownHour)
            }
            try await store.save(stored, in: transaction)
        }
        map.apply(change)
        position.withLock { $0 = max($0, last.position) }
    }

    /// What events change that come after all those that memory, or the store, has: complaints among them replace what was told before.
    private func change(
        for events: [LogConsumer.Positioned<MapEvent?>], in transaction: PostgresTransaction? = nil
    ) async throws -> MapState.Change {
        let versions = events.compactMap { position, event -> MapEvent? in
            guard case .complaint(var complaint) = event else { return event }
            complaint.version = .init(transactionID: position.transactionID, sequence: position.sequence)
            return .complaint(complaint)
        }
        let complaints = versions.compactMap { event -> ComplaintNote? in
            if case .complaint(let complaint) = event { complaint } else { nil }
        }
        var former: [ComplaintNote.Key: ComplaintNote] = [:]
        if let first = complaints.first {
            let keys = Set(complaints.compactMap(\.key))
            former = if let transaction {
                try await store.complaints(keys, before: first.version, in: transaction)
            } else {
                try await store.pool.withTransaction { try await store.complaints(keys, before: first.version, in: $0) }
            }
        }
        return map.current.change(for: versions, former: former)
    }
}
