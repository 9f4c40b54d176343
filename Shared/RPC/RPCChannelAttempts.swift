internal import NIOCore
internal import Protobuf

/// What is underneath the calls of a channel: interceptors round them, attempts within them.
extension RPCChannel {
    func coding(_ options: CallOptions) -> MessageCoding {
        MessageCoding(compressesOutput: options.compression == .gzip)
    }

    /// What goes with a call: the caller's own fields, and the trace of the call being handled, if there is one.
    func metadata(_ options: CallOptions, _ scope: CallScope?) -> Metadata {
        guard let trace = scope?.trace, options.metadata["traceparent"] == nil else { return options.metadata }
        var metadata = options.metadata
        metadata.add(trace.child().traceparent, for: "traceparent")
        if !trace.state.isEmpty { metadata.add(trace.state, for: "tracestate") }
        return metadata
    }

    /// The soonest of: the call's own timeout, the deadline of the call being handled; where there is neither, the
    /// default, unless the response is a stream, which may be meant to have no end.
    func deadline(_ options: CallOptions, isStream: Bool, _ scope: CallScope?, _ now: NIODeadline = .now()) -> NIODeadline? {
        var left = Int64.max
        if let timeout = options.timeout { left = timeout.nanoseconds }
        if let inherited = scope?.deadline {
            left = min(left, (inherited - .now).nanoseconds)
        } else if options.timeout == nil {
            let seconds = core.configuration.defaultTimeoutSeconds
            guard seconds > 0, !isStream else { return nil }
            left = Int64(seconds) * 1_000_000_000
        }
        // Half of what the clock holds, so that adding to it cannot overflow.
        return now + .nanoseconds(min(max(left, 0), .max / 2))
    }

    /// Puts a call on a connection.
    ///
    /// - Parameter other: a connection to avoid, because the call has been tried there.
    func start(request: ClientCall.Request, _ options: CallOptions, other: ClientConnection? = nil) async throws -> ClientCall {
        let wish = CallWish(waitsForReady: options.waitForReady, hashKey: options.hashKey, other: other)
        if let connection = core.readyConnection(wish, now: .now()) { return start(request, on: connection) }
        return start(request, on: try await core.pick(wish, deadline: request.deadline))
    }

    private func start(_ request: ClientCall.Request, on connection: ClientConnection) -> ClientCall {
        let call = ClientCall(connection, request, maxMessageBytes: core.configuration.maxMessageBytes)
        connection.loop.start(call)
        return call
    }

    /// Runs what uses a call, and gives the call up if that left before its end.
    func finishing<R>(_ call: ClientCall, _ options: CallOptions, _ body: () async throws -> R) async throws -> R {
        defer {
            call.abandon()
            options.onMetadata?(call.receivedInitialMetadata, call.receivedTrailers)
        }
        return try await body()
    }

    // MARK: interceptors

    /// The interceptors of one call that have begun, and when it began.
    struct Interception {
        var finishers: [CallFinisher] = []
        var startedAt: ContinuousClock.Instant?

        func end(_ status: StatusCode, _ message: String = "", sent: Int, received: Int) {
            guard !finishers.isEmpty, let startedAt else { return }
            let outcome = CallOutcome(
                status: status, httpStatus: status.httpStatus, message: message, duration: ContinuousClock.now - startedAt,
                sentMessages: sent, receivedMessages: received)
            for finisher in finishers.reversed() { finisher(outcome) }
        }
    }

    private func intercept(
        _ metadata: inout Metadata, path: String, _ method: MethodDescriptor?, _ deadline: NIODeadline?
    ) async throws -> Interception {
        var interception = Interception(startedAt: .now)
        let instant = deadline.map { ContinuousClock.now + .nanoseconds(($0 - .now()).nanoseconds) }
        var outgoing = OutgoingCall(path: path, method: method, deadline: instant, metadata: metadata)
        do {
            for interceptor in core.configuration.interceptors {
                if let finisher = try await interceptor.begin(&outgoing) { interception.finishers.append(finisher) }
            }
        } catch {
            interception.end(RPCError(handlerError: error).code, "\(error)", sent: 0, received: 0)
            throw error
        }
        metadata = outgoing.metadata
        return interception
    }

    /// One call whose messages the caller streams, between its interceptors.
    func withCall<R>(
        _ method: MethodDescriptor, _ options: CallOptions, isStream: Bool, body: [UInt8]? = nil, _ use: (ClientCall) async throws -> R
    ) async throws -> R {
        let scope = CallScope.current
        var metadata = metadata(options, scope)
        let deadline = deadline(options, isStream: isStream, scope)
        let interception = try await intercept(&metadata, path: method.path, method, deadline)
        let call: ClientCall
        do {
            call = try await start(
                request: ClientCall.Request(
                    path: method.path, metadata: metadata, deadline: deadline, compression: options.compression, body: body), options)
        } catch {
            interception.end(RPCError(handlerError: error).code, "\(error)", sent: 0, received: 0)
            throw error
        }
        return try await finishing(call, options) {
            defer {
                // What the caller left before its end is cancelled.
                let end = call.endStatus
                if let end { core.callEnded(on: call.connection, end.code) }
                let sent = call.sentMessages + (body == nil ? 0 : 1)
                interception.end(end?.code ?? .cancelled, end?.message ?? "", sent: sent, received: call.receivedMessages)
            }
            return try await use(call)
        }
    }

    // MARK: attempts

    /// Sends one encoded message and gets one back, trying again as the policy allows.
    ///
    /// - Parameter method: nil for a call that is passed on unread; it is repeated only if no server saw it.
    func unaryBytes(
        path: String, method: MethodDescriptor?, contentType: String, body: [UInt8], options: CallOptions
    ) async throws -> ArraySlice<UInt8> {
        let scope = CallScope.current
        let now = NIODeadline.now()
        let policy = core.configuration.retry
        let isHedged = policy.hedgeAfterMilliseconds != nil && method?.idempotency == .noSideEffects
        let isRepeatable = method.map { $0.idempotency != .none } ?? false
        let isIntercepted = !core.configuration.interceptors.isEmpty
        var metadata = metadata(options, scope)
        let deadline = deadline(options, isStream: false, scope, now)
        let interception = isIntercepted ? try await intercept(&metadata, path: path, method, deadline) : Interception()
        let request = ClientCall.Request(
            path: path, contentType: contentType, metadata: metadata, deadline: deadline, compression: options.compression, body: body,
            expectsReply: true, wantsMetadata: options.onMetadata != nil)
        guard !isIntercepted, !isHedged,
            let connection = core.readyConnection(CallWish(waitsForReady: options.waitForReady, hashKey: options.hashKey), now: now)
        else { return try await attempts(request, options, isRepeatable: isRepeatable, isHedged: isHedged, interception) }
        // The common case, in as few asynchronous functions as will do: each costs as much as a clock.
        let call = start(request, on: connection)
        do {
            let reply = try await call.awaitReply()
            answered(call, options)
            return reply
        } catch let error as RPCError {
            return try await retried(request, options, isRepeatable: isRepeatable, after: (call, error))
        }
    }

    /// All attempts of a call, between its interceptors.
    private func attempts(
        _ request: ClientCall.Request, _ options: CallOptions, isRepeatable: Bool, isHedged: Bool, _ interception: Interception
    ) async throws -> ArraySlice<UInt8> {
        do {
            let reply =
                isHedged
                ? try await hedged(request, options, after: .milliseconds(core.configuration.retry.hedgeAfterMilliseconds ?? 0))
                : try await retried(request, options, isRepeatable: isRepeatable)
            interception.end(.ok, sent: 1, received: 1)
            return reply
        } catch {
            let status = RPCError(handlerError: error)
            interception.end(status.code, status.message, sent: 1, received: 0)
            throw error
        }
    }

    /// - Parameter failure: how the first attempt failed, where there has been one.
    private func retried(
        _ request: ClientCall.Request, _ options: CallOptions, isRepeatable: Bool, after failure: (call: ClientCall, error: RPCError)? = nil
    ) async throws -> ArraySlice<UInt8> {
        var attempt = 1
        var failure = failure
        while true {
            if let (call, error) = failure {
                failed(call, options)
                guard mayRetry(call, error, attempt, isRepeatable) else { throw error }
                if case .after(let wait) = pushback(call) {
                    try await Task.sleep(for: wait)
                } else if attempt > 1 || !call.isUnprocessed {
                    try await pause(attempt)
                }
                attempt += 1
            }
            let call = try await start(request: request, options, other: failure?.call.connection)
            do {
                let reply = try await call.awaitReply()
                answered(call, options)
                return reply
            } catch let error as RPCError {
                failure = (call, error)
            }
        }
    }

    private func answered(_ call: ClientCall, _ options: CallOptions) {
        tellMetadata(of: call, options)
        core.callEnded(on: call.connection, .ok)
    }

    private func failed(_ call: ClientCall, _ options: CallOptions) {
        tellMetadata(of: call, options)
        // What this side gave up says nothing of the server.
        if !Task.isCancelled { core.callEnded(on: call.connection, call.replyStatus) }
    }

    private func tellMetadata(of call: ClientCall, _ options: CallOptions) {
        guard let tell = options.onMetadata else { return }
        let metadata = call.receivedMetadata
        tell(metadata.initial, metadata.trailing)
    }

    private func mayRetry(_ call: ClientCall, _ error: RPCError, _ attempt: Int, _ isRepeatable: Bool) -> Bool {
        guard error.code == .unavailable, attempt < max(core.configuration.retry.maxAttempts, 2) else { return false }
        if call.isUnprocessed { return true }
        if case .never = pushback(call) { return false }
        return isRepeatable && attempt < core.configuration.retry.maxAttempts && core.takesRetry()
    }

    private enum Pushback {
        case never
        case after(Duration)
    }

    private static let maxPushbackMilliseconds: Int64 = 60_000

    /// Whether the server wants to be asked again, and when, if it says so (gRFC A6).
    private func pushback(_ call: ClientCall) -> Pushback? {
        guard let text = call.retryPushback else { return nil }
        guard let milliseconds = Int64(text), (0...Self.maxPushbackMilliseconds).contains(milliseconds) else { return .never }
        return .after(.milliseconds(milliseconds))
    }

    private func pause(_ attempt: Int) async throws {
        let policy = core.configuration.retry
        let ceiling = min(policy.initialBackoffMilliseconds << min(attempt - 1, 16), policy.maxBackoffMilliseconds)
        try await Task.sleep(for: .microseconds(Int64.random(in: 0...Int64(ceiling) * 1000)))
    }

    /// Starts the call again elsewhere whenever it has had no answer for `delay`; the first answer counts, and gives the
    /// others up. A failure that may be this server's alone waits for the other attempts.
    private func hedged(_ request: ClientCall.Request, _ options: CallOptions, after delay: Duration) async throws -> ArraySlice<UInt8> {
        enum Step: Sendable {
            case answer(ArraySlice<UInt8>)
            case failure(RPCError)
            case time
        }
        let maxAttempts = max(core.configuration.retry.maxAttempts, 1)
        return try await withThrowingTaskGroup(of: Step.self) { group in
            var running = 0
            var started = 0
            var tried: ClientConnection?
            func attempt() async throws {
                let call = try await start(request: request, options, other: tried)
                tried = call.connection
                running += 1
                started += 1
                group.addTask { [self] in
                    do {
                        return .answer(try await reply(of: call, options))
                    } catch {
                        return .failure(RPCError(handlerError: error))
                    }
                }
                guard started < maxAttempts else { return }
                group.addTask {
                    try await Task.sleep(for: delay)
                    return .time
                }
            }
            defer { group.cancelAll() }
            try await attempt()
            while let step = try await group.next() {
                switch step {
                case .answer(let bytes):
                    return bytes
                case .failure(let error):
                    running -= 1
                    guard error.code == .unavailable else { throw error }
                    if running == 0 {
                        guard started < maxAttempts, core.takesRetry() else { throw error }
                        try await attempt()
                    }
                case .time:
                    if started < maxAttempts, core.takesRetry() { try await attempt() }
                }
            }
            throw RPCError(.internal, "no attempt was made")
        }
    }

    /// The one message that answers a call.
    private func reply(of call: ClientCall, _ options: CallOptions) async throws -> ArraySlice<UInt8> {
        do {
            let reply = try await call.awaitReply()
            answered(call, options)
            return reply
        } catch {
            failed(call, options)
            throw error
        }
    }

    func onlyMessage<Response: Message>(_ call: ClientCall, _ coding: MessageCoding) async throws -> Response {
        guard let bytes = try await call.nextMessage() else {
            throw RPCError(.internal, "the server answered without a message")
        }
        guard try await call.nextMessage() == nil else {
            throw RPCError(.internal, "the server answered with more than one message")
        }
        return try bytes.withUnsafeBytes { try coding.decodeResponse(Response.self, $0) }
    }
}
