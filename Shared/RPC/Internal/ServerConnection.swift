internal import Logging
internal import NIOCore
internal import Synchronization

/// A server's side of one connection.
final class ServerConnection: HTTP2Connection, Ticking, @unchecked Sendable {
    let core: ServerCore
    let peerAddress: String
    private(set) var peer: Peer
    private var isReady = false
    private var isDraining = false
    private var isTold = false
    private let openedAt = NIODeadline.now()
    private var startedCalls = 0
    /// Kept of requests and messages that are not whole.
    private(set) var unfinishedBytes = 0
    /// The connection's part in the server's sum of what waits to be taken.
    private var toldUnsentBytes = 0
    /// Handlers that have not returned, closed streams' included.
    private var runningHandlers = 0
    var tickIndex = -1
    /// When to give up waiting for the connection to be set up, or when it has become too old.
    private var dueAt = NIODeadline.distantFuture
    private var nextCheckAt = NIODeadline.distantFuture
    /// When a check last found calls, in flight or over since the check before: no call needs to look at a clock.
    private var idleSince = NIODeadline.now()
    private var checkedCalls = 0
    /// What the peer called last: it is likely to call it again.
    private var lastMethod: (path: String, method: RPCMethod)?
    /// Counts the regular checks: a clock for what need not be exact.
    private(set) var tick = 0
    private var pingSentAt: NIODeadline?

    private static let keepAlivePing: UInt64 = 0x6b656570
    private static let drainPing: UInt64 = 0x647261696e

    init(core: ServerCore, loop: LoopExecutor, address: String, tls: TLSSession?) {
        self.core = core
        self.peerAddress = address
        peer = Peer(address: address)
        // Asked for streams only while the connection feeds its session, so it is there.
        final class Box { unowned(unsafe) var connection: ServerConnection? }
        let box = Box()
        super.init(loop: loop, role: .server, limits: core.http2Limits, tls: tls) {
            box.connection.map { ServerCall($0) } ?? HTTP2Stream()
        }
        box.connection = self
    }

    override func opened() {
        dueAt = .now() + .seconds(Int64(core.limits.handshakeTimeoutSeconds))
        loop.watch(self)
    }

    private func becameReady() {
        isReady = true
        idleSince = .now()
        dueAt = .distantFuture
        if core.limits.maxConnectionAgeSeconds > 0 {
            // A tenth more or less, so that connections made together do not all come back together.
            let seconds = Double(core.limits.maxConnectionAgeSeconds) * Double.random(in: 0.9...1.1)
            dueAt = .now() + .nanoseconds(Int64(seconds * 1e9))
        }
        scheduleIdleCheck()
    }

    func tick(_ now: NIODeadline) {
        if now >= dueAt {
            dueAt = .distantFuture
            if isReady { beginDrain() } else { finishClose("the connection was not set up in time") }
        }
        if http1?.tick(now.uptimeNanoseconds) == true { markDirty() }
        if now >= nextCheckAt, !isClosed {
            tick += 1
            checkIdle()
            scheduleIdleCheck()
        }
    }

    override func makeHTTP1Session() -> HTTP1Session? {
        let timeout = TimeAmount.seconds(Int64(core.limits.handshakeTimeoutSeconds))
        return HTTP1Session(
            server: session, scheme: tls == nil ? "http" : "https", timeoutNanoseconds: UInt64(max(timeout.nanoseconds, 0)),
            maxBodyBytes: core.limits.maxMessageBytes)
    }

    override func secured(_ tls: TLSSession) {
        if let certificate = tls.peerCertificate() { peer = Peer(address: peerAddress, certificate: certificate) }
    }

    override func closed(_ reason: String?) {
        loop.unwatch(self)
        tellUnsent(0)
        if let reason { core.logger.debug("connection closed", metadata: ["peer": "\(peerAddress)", "reason": "\(reason)"]) }
        tellIfEnded()
    }

    private func tellIfEnded() {
        guard isClosed, runningHandlers == 0, !isTold else { return }
        isTold = true
        core.ended(self)
    }

    // MARK: what peers make us hold

    /// Counts a change of what is kept of unfinished requests; false where that is too much.
    func keep(_ change: Int) -> Bool {
        unfinishedBytes += change
        let total = core.held.unfinished.wrappingAdd(change, ordering: .relaxed).newValue
        guard change > 0, unfinishedBytes > core.limits.smallShareBytes else { return true }
        return total <= core.limits.maxServerUnfinishedBytes
    }

    /// Whether so much more may wait for the peer to take it, beside what it had not taken when it was last written to.
    func mayQueue(_ byteCount: Int) -> Bool {
        let limits = core.limits
        guard toldUnsentBytes > 0, toldUnsentBytes + byteCount > limits.smallShareBytes else { return true }
        guard toldUnsentBytes + byteCount <= limits.maxUnsentBytes else { return false }
        return core.held.unsent.load(ordering: .relaxed) + byteCount <= limits.maxServerUnsentBytes
    }

    override func wrote() { tellUnsent(session.queuedBytes) }

    private func tellUnsent(_ queued: Int) {
        guard queued != toldUnsentBytes else { return }
        core.held.unsent.wrappingAdd(queued - toldUnsentBytes, ordering: .relaxed)
        toldUnsentBytes = queued
    }

    func handlerStarted() { runningHandlers += 1 }

    func handlerEnded() {
        runningHandlers -= 1
        tellIfEnded()
    }

    func describe() -> ConnectionDescription {
        ConnectionDescription(
            peer: peerAddress, commonName: peer.certificate?.commonName, tlsVersion: tls?.protocolVersion,
            openCalls: session.streams.count, startedCalls: startedCalls,
            ageSeconds: Int((NIODeadline.now() - openedAt).nanoseconds / 1_000_000_000), isDraining: isDraining,
            openPaths: session.streams.compactMap { ($0 as? ServerCall)?.path }.filter { !$0.isEmpty }.sorted())
    }

    /// The method at a path.
    func method(_ path: String) -> RPCMethod? {
        if let lastMethod, lastMethod.path == path { return lastMethod.method }
        let method = core.router.method(path)
        if let method { lastMethod = (path, method) }
        return method
    }

    // MARK: events

    override func handle(_ event: HTTP2Event) {
        switch event {
        case .headers(let stream, let fields, isTrailers: false):
            startedCalls += 1
            (stream as? ServerCall)?.receivedHead(Metadata(receivedFields: fields))
        case .headers(_, _, isTrailers: true):
            break
        case .data(let stream):
            stream.hasDataEvent = false
            (stream as? ServerCall)?.receivedData()
        case .remoteEnded(let stream):
            (stream as? ServerCall)?.receivedEnd()
        case .sent(let stream):
            (stream as? ServerCall)?.sentOutput()
        case .closed(let stream, let code):
            (stream as? ServerCall)?.streamClosed(code)
        case .settings:
            if !isReady { becameReady() }
        case .pong(let opaque):
            pingSentAt = nil
            if opaque == Self.drainPing { finishDrain() }
        case .goAway:
            break
        }
    }

    // MARK: the end

    /// Announces the end; the peer's streams on their way still count, those opened later go elsewhere.
    func beginDrain() {
        guard !isDraining, !isClosed else { return }
        isDraining = true
        guard isReady else { return finishClose(nil) }
        session.announceShutdown()
        session.ping(Self.drainPing)
        markDirty()
        // A peer that does not answer is told the last stream all the same.
        loop.eventLoop.scheduleTask(in: .seconds(1)) { [self] in finishDrain() }
    }

    /// Ends the calls whose responses may go on for ever.
    func endStreams() {
        for case let call as ServerCall in session.streams where call.streamsResponse {
            call.abort(RPCError(.unavailable, "the server is going away"))
        }
    }

    private var hasFinishedDrain = false

    private func finishDrain() {
        guard !hasFinishedDrain, !isClosed else { return }
        hasFinishedDrain = true
        session.drain()
        markDirty()
    }

    // MARK: idle and silent peers

    private func scheduleIdleCheck() {
        let limits = core.limits
        let periods = [limits.keepAliveSeconds, limits.idleTimeoutSeconds, limits.stallTimeoutSeconds].filter { $0 > 0 }
        guard let shortest = periods.min() else { return }
        let wait = pingSentAt == nil ? shortest : min(shortest, limits.keepAliveTimeoutSeconds)
        nextCheckAt = .now() + .seconds(Int64(max(wait, 1)))
    }

    private func checkIdle() {
        let limits = core.limits
        let now = NIODeadline.now()
        if let sent = pingSentAt, now - sent >= .seconds(Int64(limits.keepAliveTimeoutSeconds)) {
            return finishClose("the peer gave no sign of life")
        }
        if !session.streams.isEmpty || startedCalls != checkedCalls { idleSince = now }
        checkedCalls = startedCalls
        if limits.idleTimeoutSeconds > 0, now - idleSince >= .seconds(Int64(limits.idleTimeoutSeconds)) {
            return beginDrain()
        }
        resetStalledCalls()
        let silence = now.uptimeNanoseconds - min(lastReadNanoseconds, now.uptimeNanoseconds)
        if limits.keepAliveSeconds > 0, pingSentAt == nil, silence >= UInt64(limits.keepAliveSeconds) * 1_000_000_000 {
            pingSentAt = now
            session.ping(Self.keepAlivePing)
            markDirty()
        }
    }

    private func resetStalledCalls() {
        let limits = core.limits
        guard limits.stallTimeoutSeconds > 0 else { return }
        let periods = [limits.keepAliveSeconds, limits.idleTimeoutSeconds, limits.stallTimeoutSeconds].filter { $0 > 0 }
        let ticks = limits.stallTimeoutSeconds / max(periods.min() ?? 1, 1) + 1
        for case let call as ServerCall in session.streams where call.isStalled(for: ticks) {
            session.reset(call, .cancel)
            markDirty()
        }
    }
}
