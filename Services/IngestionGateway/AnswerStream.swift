import Contracts
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization

extension IngestionGatewayHandlers {
    /// Hands each request to `handle` in order and writes the answers as they come, with at most so many unanswered: then
    /// nothing more is read, and flow control holds the client back.
    ///
    /// - Parameters:
    ///   - admit: called before each request is read; what it waits for, the client waits for.
    ///   - handle: calls `answer` once, now or later; while it waits, nothing more is read either. A failure ends the whole
    ///     stream: the client connects again and sends what has no answer.
    func answerEach<Request: Sendable, Response: Sendable>(
        _ requests: RequestStream<Request>, to responses: ResponseWriter<Response>,
        admit: @escaping @Sendable () async throws -> Void = {},
        handle: @escaping @Sendable (Request, _ answer: @escaping @Sendable (Result<Response, any Error>) -> Void) async -> Void
    ) async throws {
        let window = Window(size: limits.maxInFlightPerStream)
        let (answers, continuation) = AsyncThrowingStream.makeStream(of: Response.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // A client that is gone gets no answers; then nobody may wait for them either.
                defer { window.open() }
                for try await answer in answers {
                    try await responses.write(answer)
                    window.release()
                }
            }
            // A task of its own, so that a failed answer ends the reading too, even of a client that waits in silence for answers.
            group.addTask {
                for try await request in requests {
                    await window.acquire()
                    try await admit()
                    await handle(request) { result in
                        switch result {
                        case .success(let answer): continuation.yield(answer)
                        case .failure(let error):
                            continuation.finish(throwing: error)
                            window.open()
                        }
                    }
                    if window.isOpen { break }
                }
                await window.waitUntilIdle()
                continuation.finish()
            }
            try await group.waitForAll()
        }
    }
}

/// How many messages of one stream are without an answer. One task acquires, any may release.
final class Window: Sendable {
    private struct State {
        var used = 0
        var isOpen = false
        var waiter: (limit: Int, continuation: CheckedContinuation<Void, Never>)?
    }

    private let size: Int
    private let state = Mutex(State())

    init(size: Int) { self.size = size }

    /// Nobody waits any more, because the stream has failed.
    var isOpen: Bool { state.withLock { $0.isOpen } }

    func acquire() async {
        await wait(untilBelow: size)
        state.withLock { $0.used += 1 }
    }

    func waitUntilIdle() async { await wait(untilBelow: 1) }

    func release() { update { $0.used -= 1 } }

    func open() { update { $0.isOpen = true } }

    private func update(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            change(&state)
            guard let waiter = state.waiter, state.isOpen || state.used < waiter.limit else { return nil }
            state.waiter = nil
            return waiter.continuation
        }
        waiter?.resume()
    }

    private func wait(untilBelow limit: Int) async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isOpen || state.used < limit { return true }
                state.waiter = (limit, continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }
}

extension IngestionV1.StreamTransactionsResponse {
    static func result(_ answer: TransactionAnswer, sequence: UInt64) -> Result<Self, any Error> {
        switch answer {
        case .stored(let outcome, let decision): .success(Self(sequence: sequence, outcome: outcome, decision: decision))
        case .refused(let violations):
            .success(Self(sequence: sequence, outcome: .rejected, violations: .init(InvalidRecord(violations), within: "transaction")))
        case .failed(let error): .failure(error)
        }
    }
}

extension [IngestionV1.Violation] {
    init(_ invalid: InvalidRecord, within field: String) {
        self = invalid.violations.map { violation in
            let outer = field.isEmpty ? violation : violation.within(field)
            return IngestionV1.Violation(field: outer.field, reason: outer.reason)
        }
    }
}

extension IngestionV1.ImportRecordsRequest.Record {
    /// Its name in the request, which begins the names of its fields.
    var fieldName: String {
        switch self {
        case .terminal: "terminal"
        case .customer: "customer"
        case .merchant: "merchant"
        case .label: "label"
        case .complaint: "complaint"
        case .contextSignal: "context_signal"
        case .jurisdiction: "jurisdiction"
        }
    }
}

extension RPCError {
    init(_ error: BatchError) {
        switch error {
        case .full: self.init(.resourceExhausted, "too much waits to be stored; try again later")
        case .closed: self.init(.unavailable, "the gateway is ending; send it again")
        case .incomplete: self.init(.internal, "a batch came back incomplete")
        }
    }
}
