import Contracts
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization

/// What is to be waited for before more of a stream is read.
typealias Held = @Sendable () async -> Void

extension IngestionGatewayHandlers {
    /// Hands each request to `handle` in order and writes the answers as they come, with at most so many unanswered: then
    /// nothing more is read, and flow control holds the client back.
    ///
    /// - Parameters:
    ///   - admit: called before each request is handled: nil, or how long the client is to wait before this is called again.
    ///   - handle: adds one answer, now or later. Returns what is to be waited for before more is read: mostly nothing, and then no task
    ///     is held up. A failure ends the whole stream: the client connects again and sends what has no answer. One that is thrown, and a
    ///     message that cannot be read, end it only after the answers to all that came before.
    ///   - response: what is written for an answer, made by the task that writes it: memory then goes back where it was taken from.
    func answerEach<Request: Sendable, Answer: Sendable, Response: Sendable>(
        _ requests: RequestStream<Request>, to responses: ResponseWriter<Response>,
        admit: @escaping @Sendable (Request) -> Duration?,
        handle: @escaping @Sendable (Request, Answers<Answer>) throws -> Held?,
        response: @escaping @Sendable (Answer) throws -> Response
    ) async throws {
        let answers = Answers<Answer>(window: Window(size: limits.maxInFlightPerStream))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // A client that is gone gets no answers; then nobody may wait for them either.
                defer { answers.window.open() }
                try await withTaskCancellationHandler {
                    while let gathered = try await answers.next() {
                        try await responses.write(each: gathered, as: response)
                        answers.window.release(gathered.count)
                    }
                } onCancel: {
                    answers.end()
                }
            }
            // A task of its own, so that a failed answer ends the reading too, even of a client that waits in silence for answers.
            group.addTask {
                do {
                    for try await request in requests {
                        while let wait = admit(request) { try await Task.sleep(for: wait) }
                        if !answers.window.acquireIfFree() { await answers.window.acquire() }
                        do {
                            if let held = try handle(request, answers) { await held() }
                        } catch {
                            // This one has no answer to wait for.
                            answers.window.release()
                            throw error
                        }
                        if answers.window.isOpen { break }
                    }
                } catch {
                    await answers.window.waitUntilIdle()
                    throw error
                }
                await answers.window.waitUntilIdle()
                answers.end()
            }
            // Not `waitForAll`, which would let the other task go on after a failure: it waits for answers that never come.
            while try await group.next() != nil {}
        }
    }
}

/// The answers of one stream, from whichever task they come, until the one that writes takes all that have gathered: so it is woken
/// once a batch, not once an answer.
final class Answers<Answer: Sendable>: Sendable {
    private struct State {
        var gathered: [Answer] = []
        var end: Result<Void, any Error>?
        var writer: CheckedContinuation<Void, Never>?
    }

    /// How many requests may be without an answer.
    let window: Window
    private let state = Mutex(State())

    init(window: Window) { self.window = window }

    func add(_ answer: Answer) { update { $0.gathered.append(answer) } }

    /// Ends the stream after what has gathered.
    func fail(_ error: any Error) {
        end(.failure(error))
        window.open()
    }

    func end(_ result: Result<Void, any Error> = .success(())) { update { $0.end = $0.end ?? result } }

    /// What has gathered, in order; waits for the first. Nil at the end. To be called by one task.
    func next() async throws -> [Answer]? {
        while true {
            let (gathered, end) = state.withLock { state in
                defer { state.gathered = [] }
                return (state.gathered, state.end)
            }
            if !gathered.isEmpty { return gathered }
            if let end {
                try end.get()
                return nil
            }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if !state.gathered.isEmpty || state.end != nil { return true }
                    state.writer = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func update(_ change: (inout State) -> Void) {
        let writer = state.withLock { state in
            change(&state)
            defer { state.writer = nil }
            return state.writer
        }
        writer?.resume()
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

    func acquireIfFree() -> Bool {
        state.withLock { state in
            guard state.isOpen || state.used < size else { return false }
            state.used += 1
            return true
        }
    }

    func acquire() async {
        if acquireIfFree() { return }
        await wait(untilBelow: size)
        state.withLock { $0.used += 1 }
    }

    func waitUntilIdle() async { await wait(untilBelow: 1) }

    func release(_ count: Int = 1) { update { $0.used -= count } }

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

/// What one message of a stream of transactions is answered.
enum StreamAnswer: Sendable {
    case answered(IncomingTransaction, TransactionAnswer, sequence: UInt64)
    case invalid(InvalidRecord, sequence: UInt64)
}

extension IngestionV1.StreamTransactionsResponse {
    /// - Throws: what ends the whole stream.
    init(_ answer: StreamAnswer) throws {
        switch answer {
        case .answered(let incoming, .pending(let outcome), let sequence):
            self.init(sequence: sequence, outcome: outcome, decision: .pending(incoming.key))
        case .answered(_, .decided(let outcome, let decision), let sequence):
            self.init(sequence: sequence, outcome: outcome, decision: decision)
        case .answered(_, .refused(let violations), let sequence):
            self.init(sequence: sequence, outcome: .rejected, violations: .init(InvalidRecord(violations), within: "transaction"))
        case .answered(_, .failed(let error), _): throw error
        case .invalid(let record, let sequence):
            self.init(sequence: sequence, outcome: .rejected, violations: .init(record, within: "transaction"))
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
    var kind: IncomingRecord.Kind {
        switch self {
        case .terminal: .terminal
        case .customer: .customer
        case .merchant: .merchant
        case .label: .label
        case .complaint: .complaint
        case .contextSignal: .contextSignal
        case .jurisdiction: .jurisdiction
        }
    }

    /// Its name in the request, which begins the names of its fields.
    var fieldName: String { kind.rawValue }
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
