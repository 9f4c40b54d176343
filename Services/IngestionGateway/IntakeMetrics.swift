import Records
import ServiceRuntime

/// What `/metrics` tells of what comes in. Of what comes by the thousand, whole batches are counted.
struct IntakeMetrics: Sendable {
    /// What became of something that came.
    enum Outcome: String, CaseIterable {
        case accepted, duplicate
        /// Something in it is missing or wrong.
        case invalid
        /// It contradicts what is stored.
        case conflict
        /// Too much waited.
        case overloaded
        /// It could not be stored.
        case failed
    }

    /// What is counted of the rows of files of one kind.
    struct FileRows: Sendable {
        fileprivate let accepted, duplicate, rejected, empty, failed: MetricCounter

        func count(_ outcome: RowOutcome) {
            switch outcome {
            case .accepted: accepted.add()
            case .duplicate: duplicate.add()
            case .empty: empty.add()
            case .rejected: rejected.add()
            case .failed: failed.add()
            }
        }
    }

    /// What is written at once.
    enum Queue: String, CaseIterable {
        case transactions, records
    }

    static let transaction = "transaction"
    /// Of a request that holds nothing.
    static let unknown = "unknown"
    private static let kinds = [transaction] + IncomingRecord.Kind.allCases.map(\.rawValue)

    private let registry: MetricsRegistry
    private let outcomes: [String: [Outcome: MetricCounter]]
    private let commits: [Queue: (rows: MetricHistogram, seconds: MetricHistogram)]
    private let overQuota: [String: (refused: MetricCounter, heldBack: MetricCounter)]
    private let decided: MetricCounter
    private let pending: MetricCounter

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        func counters(_ kind: String) -> [Outcome: MetricCounter] {
            .init(uniqueKeysWithValues: Outcome.allCases.map { outcome in
                (
                    outcome,
                    registry.counter(
                        "vigil_ingestion_records_total", help: "Transactions and records that came, by kind and by what became of them.",
                        labels: [("kind", kind), ("outcome", outcome.rawValue)])
                )
            })
        }
        outcomes = .init(uniqueKeysWithValues: (Self.kinds + [Self.unknown]).map { ($0, counters($0)) })
        commits = .init(uniqueKeysWithValues: Queue.allCases.map { queue in
            let labels = [("queue", queue.rawValue)]
            return (
                queue,
                (
                    registry.histogram("vigil_ingestion_commit_rows", help: "Transactions or records in one commit.", labels: labels),
                    registry.timer("vigil_ingestion_commit_seconds", help: "Time from a batch's being taken to its being durable.", labels: labels)
                )
            )
        })
        func decisions(_ state: String) -> MetricCounter {
            registry.counter(
                "vigil_ingestion_decisions_total", help: "Transactions acknowledged, with their decision or before it.", labels: [("state", state)])
        }
        decided = decisions("decided")
        pending = decisions("pending")
        func overQuota(_ kind: String, _ effect: String) -> MetricCounter {
            registry.counter(
                "vigil_ingestion_over_quota_total",
                help: "Times that a bank's quota was used up, by what it did: refused a call, or held back a stream or file.",
                labels: [("kind", kind), ("effect", effect)])
        }
        self.overQuota = .init(
            uniqueKeysWithValues: (Self.kinds + [Self.unknown]).map { ($0, (overQuota($0, "refused"), overQuota($0, "held_back"))) })
    }

    func count(_ outcome: Outcome, _ count: Int = 1, of kind: String = transaction) {
        if count > 0 { outcomes[kind]?[outcome]?.add(count) }
    }

    func committed(_ rows: Int, of queue: Queue, since start: ContinuousClock.Instant) {
        commits[queue]?.rows.record(rows)
        commits[queue]?.seconds.record(.now - start)
    }

    func acknowledged(decided: Int, pending: Int) {
        self.decided.add(decided)
        self.pending.add(pending)
    }

    /// Something came above its bank's quota.
    ///
    /// - Parameter isRefused: false where its stream or file is held back.
    func overQuota(_ kind: String, isRefused: Bool) { (isRefused ? overQuota[kind]?.refused : overQuota[kind]?.heldBack)?.add() }

    func fileRows(_ kind: String) -> FileRows {
        func counter(_ outcome: String) -> MetricCounter {
            registry.counter(
                "vigil_ingestion_file_rows_total", help: "Rows of files, by kind and by what became of them.",
                labels: [("kind", kind), ("outcome", outcome)])
        }
        return FileRows(
            accepted: counter("accepted"), duplicate: counter("duplicate"), rejected: counter("rejected"), empty: counter("empty"),
            failed: counter("failed"))
    }

    func tellWaiting(in queue: Queue, _ count: @escaping @Sendable () -> Int) {
        registry.gauge(
            "vigil_ingestion_waiting", help: "Transactions or records that wait for a commit.", labels: [("queue", queue.rawValue)]
        ) { Double(count()) }
    }
}
