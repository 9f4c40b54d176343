public import Logging
public import Protobuf

/// Opens a channel for as long as `body` runs; then lets its calls finish and closes it.
///
/// ```swift
/// try await withChannel(ChannelConfiguration(target: "https://localhost:8441"), logger: logger) { channel in
///     let client = IngestionV1.IngestionService.Client(channel)
///     print(try await client.submitTransaction(request))
/// }
/// ```
///
/// - Throws: ``RPCSetupError`` for a bad target or bad certificate files, or what `body` throws. Servers that cannot be
///   reached are told by the calls.
public func withChannel<R>(
    _ configuration: ChannelConfiguration, logger: Logger, _ body: (RPCChannel) async throws -> R
) async throws -> R {
    let channel = try RPCChannel(configuration, logger: logger)
    do {
        let result = try await body(channel)
        await channel.close()
        return result
    } catch {
        await channel.close()
        throw error
    }
}

/// Calls one service, wherever it runs: connects when the first call wants it, reconnects after failures, shares calls
/// over all addresses. Any number of tasks may use it at once.
public final class RPCChannel: Sendable {
    let core: ChannelCore

    /// For owners that outlive one scope; ``withChannel(_:logger:_:)`` is simpler. Must be closed.
    public init(_ configuration: ChannelConfiguration, logger: Logger) throws {
        core = try ChannelCore(configuration, logger: logger)
    }

    /// Lets calls in flight finish, within the configured time, and closes the connections.
    public func close() async {
        await core.close(timeout: .seconds(core.configuration.drainTimeoutSeconds))
    }

    // MARK: calls, as generated clients make them

    /// One message there, one back.
    public func unary<Request: Message, Response: Message>(
        _ method: MethodDescriptor, _ request: Request, options: CallOptions = CallOptions()
    ) async throws -> Response {
        let coding = coding(options)
        let reply = try await unaryBytes(
            path: method.path, contentType: "application/grpc", body: try coding.encode(request), options: options,
            isRepeatable: method.idempotency != .none)
        return try reply.withUnsafeBytes { try coding.decodeResponse(Response.self, $0) }
    }

    /// One message there, a stream back. The call is given up when `read` returns before the stream's end.
    public func serverStreaming<Request: Message, Response: Message, R>(
        _ method: MethodDescriptor, _ request: Request, options: CallOptions = CallOptions(),
        _ read: (ResponseStream<Response>) async throws -> R
    ) async throws -> R {
        let coding = coding(options)
        let call = try await start(request: self.request(method.path, options, isStream: true, body: try coding.encode(request)), options)
        return try await finishing(call, options) {
            try await read(ResponseStream(call: call, coding: coding))
        }
    }

    /// A stream there, which ends when `write` returns, one message back.
    public func clientStreaming<Request: Message, Response: Message>(
        _ method: MethodDescriptor, options: CallOptions = CallOptions(), _ write: (RequestWriter<Request>) async throws -> Void
    ) async throws -> Response {
        let coding = coding(options)
        let call = try await start(request: request(method.path, options, isStream: false), options)
        return try await finishing(call, options) {
            do {
                try await write(RequestWriter(call: call, coding: coding))
                call.finishSending()
            } catch let error as RPCError where call.hasEnded {
                // The server ended the call early; its status, or even its answer, says more than the failed write.
                _ = error
            }
            return try await self.onlyMessage(call, coding)
        }
    }

    /// A stream each way. `write` and `read` run at the same time; the request ends when `write` returns, the call when
    /// `read` does.
    public func bidirectional<Request: Message, Response: Message, R: Sendable>(
        _ method: MethodDescriptor, options: CallOptions = CallOptions(),
        write: @Sendable (RequestWriter<Request>) async throws -> Void,
        read: (ResponseStream<Response>) async throws -> R
    ) async throws -> R {
        let coding = coding(options)
        let call = try await start(request: request(method.path, options, isStream: true), options)
        return try await finishing(call, options) {
            let writer = RequestWriter<Request>(call: call, coding: coding)
            // Ended with this scope: cancelled, then awaited.
            async let writing: Void = Self.write(write, to: writer, of: call)
            do {
                let result = try await read(ResponseStream(call: call, coding: coding))
                call.abandon()
                return result
            } catch {
                call.abandon()
                // What made the writer fail, and so the call, comes first.
                if call.hasFailedWriter { try await writing }
                throw error
            }
        }
    }

    private static func write<Request: Message>(
        _ write: @Sendable (RequestWriter<Request>) async throws -> Void, to writer: RequestWriter<Request>, of call: ClientCall
    ) async throws {
        do {
            try await write(writer)
            call.finishSending()
        } catch {
            // Where the call is over already, the reader tells how it ended.
            guard !(call.hasEnded && error is RPCError) else { return }
            call.fail(error)
            throw error
        }
    }

    // MARK: underneath

    func coding(_ options: CallOptions) -> MessageCoding {
        MessageCoding(compressesOutput: options.compression == .gzip)
    }

    func request(_ path: String, _ options: CallOptions, isStream: Bool, body: [UInt8]? = nil) -> ClientCall.Request {
        ClientCall.Request(
            path: path, metadata: options.metadata, deadline: deadline(options, isStream: isStream),
            compression: options.compression, body: body)
    }

    /// The soonest of: the call's own timeout, the deadline of the call being handled; where there is neither, the
    /// default, unless the response is a stream, which may be meant to have no end.
    func deadline(_ options: CallOptions, isStream: Bool) -> ContinuousClock.Instant? {
        let own = options.timeout.map { ContinuousClock.now + $0 }
        switch (own, CallDeadline.current) {
        case (let own?, let inherited?): return min(own, inherited)
        case (let own?, nil): return own
        case (nil, let inherited?): return inherited
        case (nil, nil):
            let seconds = core.configuration.defaultTimeoutSeconds
            return seconds > 0 && !isStream ? .now + .seconds(seconds) : nil
        }
    }

    /// Puts a call on a connection; tries another where the first turned it away unseen.
    func start(request: ClientCall.Request, _ options: CallOptions) async throws -> ClientCall {
        let connection = try await core.pick(waitForReady: options.waitForReady, deadline: request.deadline)
        let call = ClientCall(connection, request, maxMessageBytes: core.configuration.maxMessageBytes)
        connection.loop.run { connection.start(call) }
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

    /// Sends one encoded message and gets one back, trying again as the policy allows.
    func unaryBytes(
        path: String, contentType: String, body: [UInt8], options: CallOptions, isRepeatable: Bool
    ) async throws -> [UInt8] {
        var request = request(path, options, isStream: false, body: body)
        request.contentType = contentType
        var attempt = 1
        while true {
            let call = try await start(request: request, options)
            do {
                let reply = try await finishing(call, options) { try await onlyBytes(call) }
                core.callSucceeded()
                return reply
            } catch let error as RPCError {
                guard mayRetry(call, error, attempt, isRepeatable) else { throw error }
                if attempt > 1 || !call.isUnprocessed { try await pause(attempt) }
                attempt += 1
            }
        }
    }

    private func mayRetry(_ call: ClientCall, _ error: RPCError, _ attempt: Int, _ isRepeatable: Bool) -> Bool {
        guard error.code == .unavailable, attempt < max(core.configuration.retry.maxAttempts, 2) else { return false }
        if call.isUnprocessed { return true }
        return isRepeatable && attempt < core.configuration.retry.maxAttempts && core.takesRetry()
    }

    private func pause(_ attempt: Int) async throws {
        let policy = core.configuration.retry
        let ceiling = min(policy.initialBackoffMilliseconds << min(attempt - 1, 16), policy.maxBackoffMilliseconds)
        try await Task.sleep(for: .microseconds(Int64.random(in: 0...Int64(ceiling) * 1000)))
    }

    private func onlyBytes(_ call: ClientCall) async throws -> [UInt8] {
        guard let bytes = try await call.nextMessage() else {
            throw RPCError(.internal, "the server answered without a message")
        }
        guard try await call.nextMessage() == nil else {
            throw RPCError(.internal, "the server answered with more than one message")
        }
        return bytes
    }

    private func onlyMessage<Response: Message>(_ call: ClientCall, _ coding: MessageCoding) async throws -> Response {
        try await onlyBytes(call).withUnsafeBytes { try coding.decodeResponse(Response.self, $0) }
    }
}
