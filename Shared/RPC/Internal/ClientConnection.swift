internal import NIOCore
internal import Synchronization

/// A client's side of one connection.
final class ClientConnection: HTTP2Connection, Balanced, @unchecked Sendable {
    /// What the owner is told, on the loop. `ready` at most once, `draining` at most once, `ended` exactly once.
    struct Observer: Sendable {
        var ready: @Sendable (ClientConnection) -> Void
        /// No new calls should come here.
        var draining: @Sendable (ClientConnection) -> Void
        var ended: @Sendable (ClientConnection, _ reason: String) -> Void
    }

    private let observer: Observer
    private let requestHeaders: RequestHeaders
    private let keepAliveSeconds: Int
    private let keepAliveTimeoutSeconds: Int
    private var isReady: Bool {
        get { readiness.load(ordering: .relaxed) }
        set { readiness.store(newValue, ordering: .relaxed) }
    }
    private let readiness = Atomic<Bool>(false)
    private var isDraining = false
    @exclusivity(unchecked) private var answeredCalls: [ClientCall] = []
    /// Those being woken; swapped with `answeredCalls`, so that both keep their storage.
    @exclusivity(unchecked) private var wokenCalls: [ClientCall] = []
    private var setUpTimer: Scheduled<Void>?
    private var keepAliveTimer: Scheduled<Void>?
    private var pingSentAt: NIODeadline?
    private let callCount = Atomic<Int>(0)

    /// Calls in flight, for balancing; from any thread.
    var openCalls: Int { callCount.load(ordering: .relaxed) }

    /// It was set up once; from any thread.
    var wasReady: Bool { isReady }

    init(
        loop: LoopExecutor, configuration: ChannelConfiguration, scheme: String, authority: String, tls: TLSSession?,
        observer: Observer
    ) {
        self.observer = observer
        requestHeaders = RequestHeaders(scheme: scheme, authority: authority)
        keepAliveSeconds = configuration.keepAliveSeconds
        keepAliveTimeoutSeconds = configuration.keepAliveTimeoutSeconds
        var limits = HTTP2Limits()
        limits.maxHeaderBytes = configuration.maxHeaderBytes
        super.init(loop: loop, role: .client, limits: limits, tls: tls, makeStream: { HTTP2Stream() })
        connectTimeoutSeconds = configuration.connectTimeoutSeconds
    }

    private var connectTimeoutSeconds = 5

    override func opened() {
        setUpTimer = loop.eventLoop.scheduleTask(in: .seconds(Int64(connectTimeoutSeconds))) { [self] in
            guard !isReady else { return }
            finishClose("the connection was not set up in time")
        }
    }

    override func secured(_ tls: TLSSession) {
        if tls.applicationProtocol != "h2" { fail("the server does not speak HTTP/2 over TLS") }
    }

    override func closed(_ reason: String?) {
        setUpTimer?.cancel()
        keepAliveTimer?.cancel()
        observer.ended(self, reason ?? "the connection was closed")
    }

    func start(_ call: ClientCall, at now: NIODeadline) {
        guard !isClosed, !isDraining else { return call.streamClosed(.refusedStream) }
        call.start(session, at: now)
        // Given up before, or refused: its stream was never opened, and so never ends.
        guard call.canSend else { return }
        callCount.wrappingAdd(1, ordering: .relaxed)
        if call.request.expectsReply { loop.gathering.callStarted() }
        scheduleKeepAlive()
    }

    func headers(of request: ClientCall.Request) -> HeaderList { requestHeaders.headers(of: request) }

    /// The call's reply is there. Its caller is woken after all events that came with it: callers that run on other threads
    /// then find each other's next calls, and their thread is woken once.
    func answered(_ call: ClientCall) {
        guard isHandling else { return call.wake() }
        answeredCalls.append(call)
    }

    override func handledAll() {
        guard !answeredCalls.isEmpty else { return }
        swap(&answeredCalls, &wokenCalls)
        for call in wokenCalls { call.wake() }
        wokenCalls.removeAll(keepingCapacity: wokenCalls.capacity <= 256)
    }

    /// Lets calls in flight finish, then closes.
    func beginDrain() {
        guard !isClosed, !isDraining else { return }
        isDraining = true
        endWatches()
        session.drain()
        markDirty()
    }

    /// No new calls come here.
    var isGoingAway: Bool { isDraining }

    /// Calls of the channel's own have no end; they must not hold the connection.
    private func endWatches() {
        for case let call as ClientCall in session.streams where call.listener != nil {
            call.abort(RPCError(.cancelled, "the connection is going away"))
        }
    }

    override func handle(_ event: HTTP2Event) {
        switch event {
        case .headers(let stream, let fields, let isTrailers):
            (stream as? ClientCall)?.receivedHead(Metadata(receivedFields: fields), isTrailers: isTrailers)
        case .data(let stream):
            stream.hasDataEvent = false
            (stream as? ClientCall)?.receivedData()
        case .remoteEnded(let stream):
            (stream as? ClientCall)?.receivedEnd()
        case .sent(let stream):
            (stream as? ClientCall)?.sentOutput()
        case .closed(let stream, let code):
            callCount.wrappingSubtract(1, ordering: .relaxed)
            guard let call = stream as? ClientCall else { return }
            if call.request.expectsReply { loop.gathering.callEnded() }
            call.streamClosed(code)
        case .settings:
            guard !isReady else { return }
            isReady = true
            setUpTimer?.cancel()
            observer.ready(self)
        case .pong:
            pingSentAt = nil
        case .goAway:
            guard !isDraining else { return }
            isDraining = true
            endWatches()
            observer.draining(self)
        }
    }

    /// Only connections with calls in flight are asked for signs of life.
    private func scheduleKeepAlive() {
        guard keepAliveSeconds > 0, keepAliveTimer == nil else { return }
        let wait = pingSentAt == nil ? keepAliveSeconds : keepAliveTimeoutSeconds
        keepAliveTimer = loop.eventLoop.scheduleTask(in: .seconds(Int64(max(wait, 1)))) { [self] in
            keepAliveTimer = nil
            checkAlive()
        }
    }

    private func checkAlive() {
        guard !isClosed else { return }
        let now = NIODeadline.now()
        if let sent = pingSentAt, now - sent >= .seconds(Int64(keepAliveTimeoutSeconds)) {
            return finishClose("the server gave no sign of life")
        }
        guard !session.streams.isEmpty || pingSentAt != nil else { return }
        let silence = now.uptimeNanoseconds - min(lastReadNanoseconds, now.uptimeNanoseconds)
        if pingSentAt == nil, silence >= UInt64(keepAliveSeconds) * 1_000_000_000 {
            pingSentAt = now
            session.ping(1)
            markDirty()
        }
        scheduleKeepAlive()
    }
}
