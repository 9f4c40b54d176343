internal import NIOCore

/// How far a body is that was large before it was whole.
enum LargeBody {
    case arriving
    case awaited(CheckedContinuation<Void, any Error>)
    case whole
    case ended(RPCError)
}

/// Keeping a request's body until it is whole.
///
/// Interceptors run when the request is whole, or when it has become large: of who is refused no more than that is kept.
extension ServerCall {
    /// What callers may send of a body before the interceptors have seen the call.
    private static let maxUnseenBytes = 16 << 10
    static let maxDrainedBytes = 16 << 20

    func gather(maxBytes: Int) {
        gathersBody = true
        maxBodyBytes = maxBytes
    }

    func gatherData() {
        session?.consume(self, unconsumedBytes)
        guard !isAnswered else { return drainBody() }
        guard body.count <= maxBodyBytes, !announcesTooMuch else { return refuseLargeBody() }
        guard !remoteEnded else { return }
        guard mayKeep(body.count) else { return refuseBody(tooMuchUnfinished) }
        guard body.count > Self.maxUnseenBytes, !beganWithoutBody else { return }
        beganWithoutBody = true
        largeBody = .arriving
        start(on: execution)
    }

    /// Counts what is kept of an unfinished request or message in the connection's sum and the server's; false where that is too much.
    func mayKeep(_ byteCount: Int) -> Bool {
        let change = byteCount - unfinishedBytes
        guard change != 0 else { return true }
        unfinishedBytes = byteCount
        guard connection.keep(change) else { return false }
        // One alone is bounded by its own limit.
        return change < 0 || connection.unfinishedBytes <= core.limits.maxUnfinishedBytes || connection.unfinishedBytes == unfinishedBytes
    }

    var tooMuchUnfinished: RPCError {
        RPCError(.resourceExhausted, "unfinished requests are larger than what a connection, or all of them, may have begun together")
    }

    /// The envelope of a gathered message tells a length that is not allowed: no need to wait for the bytes.
    private var announcesTooMuch: Bool {
        guard coding.hasEnvelope, dialect != .plain, body.count >= MessageCoding.envelopeByteCount else { return false }
        return body[1..<5].reduce(0) { $0 << 8 | Int($1) } > core.limits.maxMessageBytes
    }

    private func refuseLargeBody() {
        let limit = dialect == .plain ? maxBodyBytes : core.limits.maxMessageBytes
        refuseBody(RPCError(.resourceExhausted, "the request is larger than the \(limit) bytes allowed"))
    }

    private func refuseBody(_ error: RPCError) {
        drainBytesLeft = dialect == .grpc ? 0 : Self.maxDrainedBytes
        if dialect == .plain { refuse(http: 413, error) } else { finish(error) }
        body = []
    }

    func bodyIsWhole() {
        if beganWithoutBody { return endLargeBody(nil) }
        _ = mayKeep(0)
        start(on: execution)
    }

    /// What the handler waits for has come, or, with an error, will not come. The first end counts.
    func endLargeBody(_ error: RPCError?) {
        _ = mayKeep(0)
        let handler: CheckedContinuation<Void, any Error>?
        switch largeBody {
        case .arriving: handler = nil
        case .awaited(let continuation): handler = continuation
        case .whole, .ended: return
        }
        guard let error else {
            largeBody = .whole
            handler?.resume()
            return
        }
        largeBody = .ended(error)
        body = []
        handler?.resume(throwing: error)
    }

    /// Returns when a large body is whole, in the handler's task.
    func waitForBody() async throws {
        try await withCheckedThrowingContinuation { continuation in
            loop.run { [self] in
                switch largeBody {
                case .arriving: largeBody = .awaited(continuation)
                case .awaited, .whole: continuation.resume()
                case .ended(let error): continuation.resume(throwing: error)
                }
            }
        }
    }

    /// Throws away what came after the answer; a caller that goes on and on is reset.
    private func drainBody() {
        let count = takeBody().count
        guard drainBytesLeft > 0 else { return }
        drainBytesLeft = max(drainBytesLeft - count, 0)
        guard drainBytesLeft == 0, localEnded else { return }
        session?.reset(self, .noError)
        markDirty()
    }
}
