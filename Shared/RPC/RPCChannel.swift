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

    /// Runs tasks on a thread that carries connections, as handlers of a server are run. A connection is made on the thread of the
    /// call that first wants it, so a task that prefers this executor for all of its calls changes no thread in any:
    ///
    /// ```swift
    /// group.addTask(executorPreference: channel.executor) { try await client.submitTransaction(request) }
    /// ```
    ///
    /// It must not compute for long, for it holds up the thread's connections.
    public var executor: any TaskExecutor { core.executor }

    // MARK: calls, as generated clients make them

    /// One message there, one back.
    public func unary<Request: Message, Response: Message>(
        _ method: MethodDescriptor, _ request: Request, options: CallOptions = CallOptions()
    ) async throws -> Response {
        let coding = coding(options)
        let reply = try await unaryBytes(
            path: method.path, method: method, contentType: "application/grpc", body: try coding.encode(request), options: options)
        return try reply.withUnsafeBytes { try coding.decodeResponse(Response.self, $0) }
    }

    /// One message there, a stream back. The call is given up when `read` returns before the stream's end.
    public func serverStreaming<Request: Message, Response: Message, R>(
        _ method: MethodDescriptor, _ request: Request, options: CallOptions = CallOptions(),
        _ read: (ResponseStream<Response>) async throws -> R
    ) async throws -> R {
        let coding = coding(options)
        return try await withCall(method, options, isStream: true, body: try coding.encode(request)) { call in
            try await read(ResponseStream(call: call, coding: coding))
        }
    }

    /// A stream there, which ends when `write` returns, one message back.
    public func clientStreaming<Request: Message, Response: Message>(
        _ method: MethodDescriptor, options: CallOptions = CallOptions(), _ write: (RequestWriter<Request>) async throws -> Void
    ) async throws -> Response {
        let coding = coding(options)
        return try await withCall(method, options, isStream: false) { call in
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
        return try await withCall(method, options, isStream: true) { call in
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
}
