import Contracts
import EventLog
import Features
import Logging
import Postgres
import RecordCoding
import Records
import ServiceRuntime

/// Takes changes into memory and into the schema, one batch at a time, whether they come by call or by the gateway's log.
///
/// Memory changes before the transaction commits. If the commit then fails, memory knows more than the schema: the writer
/// refuses everything from then on and ``waitForBreakage()`` throws, so that the service starts anew from its log.
actor ObservationWriter: SnapshottedMemory {
    let database: FeatureStoreDatabase
    var memory: ObservationMemory
    /// The latest observations, for health.
    var window: FeatureWindow
    let turnstile = Turnstile()
    private var isBroken = false
    /// What this replica keeps, and by which right; nil where it keeps everything.
    let part: (slice: Slice, membership: ReplicaMembership)?
    private let breakage = AsyncStream.makeStream(of: String.self)

    private let logger: Logger

    init(
        database: FeatureStoreDatabase, featureSet: FeatureSet, part: (slice: Slice, membership: ReplicaMembership)? = nil,
        logger: Logger = Logger(label: "feature-store")
    ) {
        self.database = database
        self.part = part
        self.logger = logger
        version = featureSet.version
        series = SnapshotSeries(.features, version: featureSet.version, slice: part?.slice, format: FeatureSnapshotWriter.format)
        memory = ObservationMemory(featureSet: featureSet)
        window = FeatureWindow(featureCount: featureSet.count)
    }

    nonisolated let version: String
    /// What calls have brought of the gateway's log.
    nonisolated let brought = KnownRuns()
    nonisolated let latestPayments = LatestPayments()
    nonisolated let series: SnapshotSeries

    /// Memory as it was: the newest snapshot that can be read, and a replay of the log behind it. Before anything else.
    ///
    /// - Returns: how many entries were replayed, and behind which snapshot.
    func rebuild() async throws -> (entries: Int, snapshot: StoredSnapshot?) {
        let snapshot = try await restore()
        let position = snapshot?.position ?? .start
        let unfinished = part == nil ? [] : try await database.unfinished(after: position)
        var count = 0
        try await database.forEachEntry(after: position) { payloads in
            for payload in payloads { try self.replay(payload, unfinished) }
            count += payloads.count
        }
        newEntries = count
        return (count, snapshot)
    }

    private func restore() async throws -> StoredSnapshot? {
        for snapshot in try await database.snapshots(of: series) {
            do {
                var reader = FeatureSnapshotReader(set: memory.featureSet)
                try await database.forEachChunk(of: snapshot) { try reader.add($0) }
                memory = try ObservationMemory(reader)
            } catch let error as SnapshotError {
                logger.warning("a snapshot cannot be read", metadata: ["snapshot": "\(snapshot.number)", "reason": "\(error)"])
                continue
            }
            for entry in try await database.lastObservations(upTo: snapshot.position, limit: FeatureWindow.capacity) {
                let observation = try FeaturesV1.Observation(entry: entry)
                guard observation.featureSetVersion == version, let time = observation.eventTime.flatMap({ Timestamp($0) }) else { continue }
                window.add(observation.values, at: time)
            }
            return snapshot
        }
        return nil
    }

    /// - Parameter unfinished: payments of which the log holds a half and nothing more.
    private func replay(_ payload: [UInt8], _ unfinished: Set<TransactionKey>) throws {
        let event = try FeaturesV1.FeatureEvent.Event(entry: payload)
        if let slice = part?.slice { return try replay(event, of: slice, unfinished: unfinished) }
        if let (transaction, values) = try memory.replay(event) { window.add(values, at: transaction.eventTime) }
    }

    /// How many entries of the log no snapshot holds.
    var newEntries = 0

    /// Memory as it is and the last entry of the log that it holds; no commit is under way meanwhile.
    func snapshot() async throws -> (memory: FeatureSnapshotWriter, position: LogPosition, entries: Int) {
        try await turnstile.pass {
            if isBroken { throw BatchError.closed }
            return (memory.snapshot(), try await database.lastPosition(), newEntries)
        }
    }

    /// So many of the new entries are in a snapshot now.
    func haveKept(_ entries: Int) { newEntries -= entries }

    /// Observes transactions in order; those observed before keep their first features.
    func observe(_ transactions: [Transaction]) async throws -> [EncodedObservation] {
        try await turnstile.pass {
            let observations = try await commit(transactions)
            return try transactions.map { transaction in
                guard let observation = observations[transaction.key] else { throw BatchError.incomplete }
                return observation
            }
        }
    }

    /// Takes in what the gateway's log says, and the position with it.
    func take(_ batch: LogConsumer.Batch<FeatureChange?>, claim: (PostgresTransaction) async throws -> [FeatureChange]) async throws {
        try await turnstile.pass { _ = try await commit(claim) }
    }

    /// The features of customers and terminals, as memory has them.
    func features(of entities: [ObservedEntity], at time: Timestamp) throws -> [(values: [Double], newest: Timestamp?)?] {
        if isBroken { throw BatchError.closed }
        return entities.map { memory.features(of: $0, at: time) }
    }

    /// The latest observations.
    func latest() -> FeatureWindow { window }

    /// Throws once memory and schema have parted.
    nonisolated func waitForBreakage() async throws {
        for await reason in breakage.stream { throw ServiceError("memory is ahead of the schema: \(reason)") }
    }

    /// Commits in a transaction that others have a part in.
    private func commit(_ changes: (PostgresTransaction) async throws -> [FeatureChange]) async throws {
        try await guarding { isAhead in
            try await database.pool.withTransaction { transaction in
                let changes = try await changes(transaction)
                var observations = try await self.observedBefore(changes, in: transaction)
                isAhead = !changes.isEmpty
                let effect = try self.remember(changes, &observations)
                _ = try await database.append(effect.lines, labels: effect.labels, in: transaction)
                self.newEntries += effect.lines.count
            }
        }
    }

    /// Commits what a call brings, without a transaction that others have a part in.
    private func commit(_ transactions: [Transaction]) async throws -> [TransactionKey: EncodedObservation] {
        let changes = transactions.map(FeatureChange.transaction)
        return try await guarding { isAhead in
            var observations = try await self.observedBefore(changes, in: nil)
            isAhead = true
            let effect = try self.remember(changes, &observations)
            if !effect.lines.isEmpty { keep(effect, at: try await database.append(effect.lines), &observations) }
            self.newEntries += effect.lines.count
            return observations
        }
    }

    /// - Parameter body: sets its argument as soon as memory may differ from the schema.
    func guarding<R>(_ body: (inout Bool) async throws -> R) async throws -> R {
        if isBroken { throw BatchError.closed }
        var isAhead = false
        do {
            let result = try await body(&isAhead)
            database.log.notifyCommitted()
            return result
        } catch {
            if isAhead {
                isBroken = true
                breakage.continuation.yield("\(error)")
            }
            throw error
        }
    }

    /// The first observations of those transactions that have any. The schema is asked about all: memory forgets those of long ago, and a
    /// name that was used then may be used again.
    private func observedBefore(
        _ changes: [FeatureChange], in transaction: PostgresTransaction?
    ) async throws -> [TransactionKey: EncodedObservation] {
        let keys = changes.compactMap { if case .transaction(let transaction) = $0 { transaction.key } else { nil } }
        return try await database.observations(of: keys, in: transaction).mapValues { try EncodedObservation(entry: $0) }
    }

    struct Effect {
        var lines: [LogLine] = []
        /// Those that lines are observations of.
        var payments: [Transaction] = []
        var labels: [Label] = []
    }

    /// A whole observation and its line, of which health hears.
    func whole(_ observed: ObservedTransaction) -> (observation: EncodedObservation, line: LogLine) {
        let observation = EncodedObservation(FeaturesV1.Observation(observed, version: version))
        window.add(observed.values, at: observed.transaction.eventTime)
        return (observation, LogLine(payload: observation.entry, observed: (observed.transaction.key, observed.transaction.eventTime)))
    }

    /// Notes where lines lie now, for those who follow the log or pass it on.
    ///
    /// - Parameter blocks: where the blocks of lines begin.
    private func keep(_ effect: Effect, at blocks: [LogPosition], _ observations: inout [TransactionKey: EncodedObservation]) {
        // Lines of something else are written in transactions, and those who follow read them.
        guard effect.payments.count == effect.lines.count else { return }
        for (block, payments) in zip(blocks, EventLog.blocks(of: effect.payments)) {
            latestPayments.insert(Array(payments), at: block)
            for (place, payment) in payments.enumerated() { observations[payment.key]?.position = block.advanced(by: place) }
        }
    }

    /// Applies the changes to memory; `observations` holds those made before and gains the new ones.
    ///
    /// - Parameter unobserved: labelled payments that memory may know, but only one side of.
    func remember(
        _ changes: [FeatureChange], _ observations: inout [TransactionKey: EncodedObservation], unobserved: Set<TransactionKey> = []
    ) throws -> Effect {
        var effect = Effect()
        observations.reserveCapacity(observations.count + changes.count)
        for change in changes {
            let event: FeaturesV1.FeatureEvent.Event
            switch change {
            case .transaction(let transaction):
                if observations[transaction.key] != nil { continue }
                let observed = memory.observe(transaction)
                let (observation, line) = whole(observed)
                observations[transaction.key] = observation
                effect.payments.append(observed.asObserved)
                effect.lines.append(line)
                continue
            case .label(let label):
                let isObserved = memory.learn(label) && !unobserved.contains(label.key)
                event = isObserved ? .labelled(.init(label)) : .labelledEarly(.init(label))
                effect.labels.append(label)
            case .terminal(let terminal):
                memory.place(terminal)
                event = .terminalPlaced(.init(terminal))
            case .customer(let customer):
                memory.place(customer)
                event = .customerPlaced(.init(customer))
            }
            effect.lines.append(LogLine(payload: Payload.encode(FeaturesV1.FeatureEvent(event: event)), observed: nil))
        }
        return effect
    }
}
