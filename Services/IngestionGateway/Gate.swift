import Synchronization

/// Holds tasks back until it is opened, once and for all.
final class Gate: Sendable {
    private let state: Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>

    init(isOpen: Bool = false) { state = Mutex((isOpen, [])) }

    func open() {
        let waiting = state.withLock { state in
            defer { state = (true, []) }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }

    func pass() async {
        if isOpen { return }
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}

/// Lets batches be processed two at a time: each begins when the one before has begun, and may wait for its turn to come out, which
/// comes when the one before is done.
final class Turns: Sendable {
    /// One batch's place. Who holds it opens `begun` when the next may begin, and calls ``end()`` when all is done.
    struct Turn: Sendable {
        /// Opened when the batch before is done.
        let comesOut: Gate
        let begun = Gate()
        fileprivate let done = Gate()

        func end() {
            begun.open()
            done.open()
        }
    }

    private struct State {
        var beforeLast = Gate(isOpen: true)
        var last = Turn(comesOut: Gate(isOpen: true))

        mutating func add() -> Turn {
            let turn = Turn(comesOut: last.done)
            (beforeLast, last) = (last.done, turn)
            return turn
        }
    }

    private let state: Mutex<State>

    init() {
        let state = State()
        state.last.end()
        self.state = Mutex(state)
    }

    func next() async -> Turn {
        while true {
            let (turn, beforeLast, last) = state.withLock { state in
                let isFree = state.beforeLast.isOpen && state.last.begun.isOpen
                return (isFree ? state.add() : nil, state.beforeLast, state.last)
            }
            if let turn { return turn }
            await beforeLast.pass()
            await last.begun.pass()
        }
    }

    /// A turn, if none is under way.
    func nextIfIdle() -> Turn? { state.withLock { $0.last.done.isOpen ? $0.add() : nil } }
}
