import CLibPQ
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One session with the server. Its jobs run on a thread of their own and may wait there; callers await them.
actor Connection {
    nonisolated let thread: ConnectionThread
    nonisolated let pipe: WakePipe
    /// The server's socket, for a look from outside while the connection is idle; -1 before it stands and after it broke.
    private nonisolated let socket = Atomic<Int32>(-1)
    /// Whether the session is idle, outside a transaction, and sound: fit for the next user.
    nonisolated let isUsable = Atomic(false)

    var link: Link?
    var statements = StatementCache()
    /// The transaction that the session is in.
    private var transaction: TransactionID?

    /// Names a transaction on its connection. `begin` is sent together with the first statement.
    struct TransactionID: Sendable, Equatable {
        let number: Int
        let begin: String
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init() throws(PostgresError) {
        pipe = try WakePipe()
        thread = try ConnectionThread.start()
    }

    deinit {
        thread.stop()
    }

    func open(_ configuration: PostgresConfiguration, _ cancellation: Cancellation) throws {
        let link = try Link(
            keywords: configuration.keywords, timeoutSeconds: configuration.connectTimeoutSeconds, pipe: pipe,
            cancellation: cancellation)
        self.link = link
        socket.store(PQsocket(link.raw), ordering: .releasing)
        isUsable.store(true, ordering: .releasing)
    }

    func close() {
        isUsable.store(false, ordering: .releasing)
        socket.store(-1, ordering: .releasing)
        link = nil
    }

    /// Whether the server seems to have closed the session while nobody used it: an idle server says nothing unless it ends.
    nonisolated var looksStale: Bool {
        let descriptor = socket.load(ordering: .acquiring)
        guard descriptor >= 0, isUsable.load(ordering: .acquiring) else { return true }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) != 0
    }

    /// Runs `work` on the connection's thread. When the task is cancelled, the server is asked to give the statement up.
    nonisolated func perform<R: Sendable>(
        isCancellable: Bool = true, _ work: @Sendable (isolated Connection, Cancellation) throws -> R
    ) async throws -> R {
        let cancellation = Cancellation(waking: isCancellable ? pipe : nil)
        return try await withTaskCancellationHandler {
            if isCancellable { try Task.checkCancellation() }
            return try await onThread(cancellation, work)
        } onCancel: {
            cancellation.cancel()
        }
    }

    private func onThread<R: Sendable>(
        _ cancellation: Cancellation, _ work: @Sendable (isolated Connection, Cancellation) throws -> R
    ) throws -> R {
        defer {
            let isIdle = link.map { PQstatus($0.raw) == CONNECTION_OK && PQtransactionStatus($0.raw) == PQTRANS_IDLE } ?? false
            isUsable.store(isIdle, ordering: .releasing)
        }
        do {
            return try work(self, cancellation)
        } catch let error as PostgresError where error.sqlState == "57014" && cancellation.isCancelled {
            throw CancellationError()
        } catch let error as PostgresError where error.code == .unavailable {
            // What the session was doing is unclear, and its socket may hold half a message.
            close()
            throw error
        }
    }

    func soundLink() throws(PostgresError) -> Link {
        guard let link else { throw PostgresError(.unavailable, "the connection is closed") }
        return link
    }

    /// Runs the statements in one round trip and returns the rows of each. If one fails, those after it are skipped, and all of them
    /// are undone unless they stand in a transaction that goes on.
    func run(
        _ statements: [SQL], in transaction: TransactionID?, mayCommit: Bool, _ cancellation: Cancellation
    ) throws -> [PostgresRows] {
        let isFirst = transaction != nil && self.transaction != transaction
        let begin = isFirst ? transaction.map { [SQL(unsafe: $0.begin).unprepared()] } ?? [] : []
        do {
            let results = try pipeline(begin + statements, cancellation, retryingStalePlans: transaction == nil)
            self.transaction = transaction
            return isFirst ? Array(results.dropFirst()) : results
        } catch var error as PostgresError {
            // BEGIN itself does not fail, so the transaction stands, aborted, unless the session is gone or nothing was sent.
            if error.code != .invalidParameter { self.transaction = transaction }
            if error.code == .unavailable && mayCommit { error.outcomeIsUnknown = true }
            throw error
        } catch {
            self.transaction = transaction
            throw error
        }
    }

    /// Sends BEGIN, unless the session is in the transaction already.
    func begin(_ transaction: TransactionID, _ cancellation: Cancellation) throws {
        guard self.transaction != transaction else { return }
        _ = try run([], in: transaction, mayCommit: false, cancellation)
    }

    /// Outside a transaction a stale plan has undone the whole pipeline, which may therefore be sent again.
    private func pipeline(
        _ statements: [SQL], _ cancellation: Cancellation, retryingStalePlans: Bool
    ) throws -> [PostgresRows] {
        do {
            return try pipeline(statements, cancellation)
        } catch let error as PostgresError where retryingStalePlans && error.isStalePlan {
            return try pipeline(statements, cancellation)
        }
    }

    /// Commits or rolls back; does nothing if no statement of the transaction was sent.
    func end(_ transaction: TransactionID, commit: Bool) throws {
        guard self.transaction == transaction else { return }
        self.transaction = nil
        let statement = SQL(unsafe: commit ? "COMMIT" : "ROLLBACK").unprepared()
        let results = try run([statement], in: nil, mayCommit: commit, Cancellation(waking: nil))
        // The server answers COMMIT of a transaction in which a statement failed with success, and the tag ROLLBACK.
        if commit, results.first?.result.commandTag == "ROLLBACK" {
            throw PostgresError(.sql, "the transaction was rolled back because a statement in it had failed", sqlState: "25P02")
        }
    }

    /// Runs a script of several statements that take no parameters, such as a migration.
    func runScript(_ text: String, _ cancellation: Cancellation) throws {
        guard !text.utf8.contains(0) else { throw PostgresError(.invalidParameter, "the script holds a NUL") }
        let link = try soundLink()
        guard PQsendQuery(link.raw, text) == 1 else { throw link.lost() }
        _ = try finishStatement(link, statement: nil, Link.Waiter(cancellation))
    }

    /// Reads to the end of a statement sent outside pipeline mode; throws the first error, else returns the last result.
    func finishStatement(_ link: Link, statement: String?, _ waiter: Link.Waiter) throws -> StatementResult? {
        var waiter = waiter
        try link.flush(&waiter)
        var failure: PostgresError?
        var last: StatementResult?
        while let result = try link.nextResult(&waiter) {
            switch result.status {
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
                failure = failure ?? result.error(statement: statement)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                close()
                throw PostgresError(.sql, "COPY is run by copyIn and copyOut only", sqlState: "0A000", statement: statement)
            default: last = result
            }
        }
        if let failure { throw failure }
        return last
    }
}
