import CLibPQ

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The keywords that libpq reads out of a connection URL.
func connectionSettings(of url: String) throws(PostgresError) -> [(String, String)] {
    guard !url.utf8.contains(0) else { throw PostgresError(.configuration, "the database URL holds a NUL") }
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(url, &message) else {
        // libpq's message quotes the URL, and with it perhaps the password.
        PQfreemem(message)
        throw PostgresError(.configuration, "the database URL cannot be parsed; expected postgresql://user@host:port/database")
    }
    defer { PQconninfoFree(options) }
    var settings: [(String, String)] = []
    var option = options
    while let keyword = option.pointee.keyword {
        if let value = option.pointee.val { settings.append((String(cString: keyword), String(cString: value))) }
        option += 1
    }
    return settings
}

/// A `PGconn` in non-blocking mode, and waiting for it. Used by one thread only.
final class Link {
    let raw: OpaquePointer
    private let pipe: WakePipe

    static let readable = POLLIN

    /// After the server was asked to cancel, how long it may take to say so.
    private static let cancelGraceMilliseconds: Int32 = 5_000

    /// Connects; waits until the session stands, `timeoutSeconds` have passed, or the attempt is cancelled.
    init(
        keywords: [(String, String)], timeoutSeconds: Double, pipe: WakePipe, cancellation: Cancellation
    ) throws {
        let names = keywords.map { strdup($0.0) }
        let values = keywords.map { strdup($0.1) }
        defer { (names + values).forEach { free($0) } }
        let namePointers = names.map { UnsafePointer($0) } + [nil]
        let valuePointers = values.map { UnsafePointer($0) } + [nil]
        guard let raw = PQconnectStartParams(namePointers, valuePointers, 0) else {
            throw PostgresError(.unavailable, "no memory for a connection")
        }
        self.raw = raw
        self.pipe = pipe
        let deadline = ContinuousClock.now + .seconds(timeoutSeconds)
        var next = PGRES_POLLING_WRITING
        while next != PGRES_POLLING_OK {
            guard PQstatus(raw) != CONNECTION_BAD, next != PGRES_POLLING_FAILED else { throw connectError() }
            let events = next == PGRES_POLLING_WRITING ? POLLOUT : POLLIN
            let leftMilliseconds = max((deadline - .now) / .milliseconds(1), 0)
            let wait = try waitForSocket(events, timeoutMilliseconds: Int32(leftMilliseconds.rounded(.up)))
            if cancellation.isCancelled { throw CancellationError() }
            switch wait {
            case .ready: next = PQconnectPoll(raw)
            // libpq takes a poll of a socket that is not ready for success.
            case .woken: continue
            case .timedOut: throw PostgresError(.unavailable, "the server did not answer within \(timeoutSeconds) s of connecting")
            }
        }
        PQsetnonblocking(raw, 1)
        // Notices would go to standard error.
        PQsetNoticeReceiver(raw, { _, _ in }, nil)
    }

    deinit {
        PQfinish(raw)
    }

    private func connectError() -> PostgresError {
        let message = trimmed(PQerrorMessage(raw))
        // libpq 15 gives no SQLSTATE for a refused connection; wrong passwords and missing databases are told by the text, and only to
        // fail waiting callers at once instead of after their timeout.
        let isPermanent = ["password authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied"]
            .contains { message.contains($0) }
        return PostgresError(isPermanent ? .configuration : .unavailable, message)
    }

    private enum Wait { case ready, woken, timedOut }

    private func waitForSocket(_ events: Int32, timeoutMilliseconds: Int32) throws(PostgresError) -> Wait {
        let socket = PQsocket(raw)
        guard socket >= 0 else { throw lost() }
        var descriptors = [
            pollfd(fd: socket, events: Int16(events), revents: 0), pollfd(fd: pipe.readDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        var count: Int32
        repeat {
            count = poll(&descriptors, 2, timeoutMilliseconds)
        } while count < 0 && errno == EINTR
        guard count >= 0 else { throw PostgresError(.unavailable, "poll: \(String(cString: strerror(errno)))") }
        if descriptors[1].revents != 0 { pipe.drain() }
        return descriptors[0].revents != 0 ? .ready : count > 0 ? .woken : .timedOut
    }

    /// The connection broke; says how, as libpq does.
    func lost() -> PostgresError {
        let message = trimmed(PQerrorMessage(raw))
        return PostgresError(.unavailable, message.isEmpty ? "the connection to the server is lost" : message)
    }

    /// Sends what libpq has buffered; reads meanwhile, so that neither side waits for the other with full buffers.
    func flush(_ waiter: inout Waiter) throws(PostgresError) {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1:
                try waiter.wait(on: self, for: POLLIN | POLLOUT)
                guard PQconsumeInput(raw) == 1 else { throw lost() }
            default: throw lost()
            }
        }
    }

    /// The next result; nil where libpq puts one between statements or at the end.
    func nextResult(_ waiter: inout Waiter) throws(PostgresError) -> StatementResult? {
        while PQisBusy(raw) == 1 {
            try waiter.wait(on: self, for: POLLIN)
            guard PQconsumeInput(raw) == 1 else { throw lost() }
        }
        return PQgetResult(raw).map(StatementResult.init)
    }

    /// Asks the server, over a connection of its own, to give up what it is doing.
    private func requestCancel() {
        guard let cancel = PQgetCancel(raw) else { return }
        var message = [CChar](repeating: 0, count: 256)
        // A failure shows as a statement that goes on; the wait for it is bounded.
        _ = PQcancel(cancel, &message, 256)
        PQfreeCancel(cancel)
    }

    /// Waits for the socket during one operation, and sends the cancellation once if it comes.
    struct Waiter {
        let cancellation: Cancellation
        private var isCancelSent = false

        init(_ cancellation: Cancellation) {
            self.cancellation = cancellation
        }

        mutating func wait(on link: Link, for events: Int32) throws(PostgresError) {
            if cancellation.isCancelled, !isCancelSent {
                isCancelSent = true
                link.requestCancel()
            }
            let wait = try link.waitForSocket(events, timeoutMilliseconds: isCancelSent ? Link.cancelGraceMilliseconds : -1)
            if wait == .timedOut { throw PostgresError(.unavailable, "the server did not answer the cancellation") }
        }
    }
}
