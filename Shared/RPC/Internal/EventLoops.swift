internal import DequeModule
internal import NIOCore
internal import NIOPosix
internal import Synchronization
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An event loop as the place where handlers run: jobs of Swift tasks queue here and are run between reads and the one
/// write that ends a turn of the loop.
///
/// `@unchecked Sendable`: all but `remote`, which is behind its lock, is touched on the event loop only.
final class LoopExecutor: TaskExecutor, @unchecked Sendable {
    let eventLoop: any EventLoop
    let workers = HandlerWorkers()

    @exclusivity(unchecked) private var jobs: Deque<UnownedJob> = []
    @exclusivity(unchecked) private var dirty: [any TurnEnding] = []
    /// Those that are writing; swapped with `dirty`, so that both keep their storage.
    @exclusivity(unchecked) private var writing: [any TurnEnding] = []
    private var isDraining = false
    private var isScheduled = false
    /// Counts the calls made over this loop's connections.
    var gathering = Gathering()
    /// Connections that are looked at now and then.
    private var watched: [any Ticking] = []
    private var isTicking = false
    private let remote = Mutex(Remote())
    /// What is taken from `remote`; swapped with it, so that both keep their storage.
    @exclusivity(unchecked) private var taken = Remote()

    private struct Remote {
        var jobs: [UnownedJob] = []
        var calls: [ClientCall] = []
        var isScheduled = false

        mutating func removeAll() {
            jobs.removeAll(keepingCapacity: jobs.capacity <= 256)
            calls.removeAll(keepingCapacity: calls.capacity <= 256)
            isScheduled = false
        }
    }

    /// Jobs run in one go before the loop looks at its sockets again.
    private static let maxJobsPerTurn = 4096

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var isCurrent: Bool { eventLoop.inEventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if eventLoop.inEventLoop {
            jobs.append(job)
            schedule()
            return
        }
        addRemotely { $0.jobs.append(job) }
    }

    /// Puts a call on its connection: now if this is the loop's thread, else soon.
    func start(_ call: ClientCall) {
        guard !eventLoop.inEventLoop else { return call.connection.start(call, at: .now()) }
        addRemotely { $0.calls.append(call) }
    }

    /// Hands something to the loop from another thread; one wake-up serves all that is handed over before it comes.
    private func addRemotely(_ add: (inout Remote) -> Void) {
        let mustWake = withRemote { remote in
            add(&remote)
            defer { remote.isScheduled = true }
            return !remote.isScheduled
        }
        if mustWake { eventLoop.execute { [self] in takeRemote() } }
    }

    private func takeRemote() {
        withRemote { swap(&$0, &taken) }
        jobs.append(contentsOf: taken.jobs)
        if !taken.calls.isEmpty {
            let now = NIODeadline.now()
            for call in taken.calls { call.connection.start(call, at: now) }
        }
        taken.removeAll()
        endTurn()
    }

    private func withRemote<R: Sendable>(_ body: (inout Remote) -> R) -> R {
        remote.withLock(of: self, body)
    }

    /// Runs `work` on the loop: now if this is its thread, else soon, in the order of the calls.
    func run(_ work: @escaping @Sendable () -> Void) {
        if eventLoop.inEventLoop { work() } else { eventLoop.execute(work) }
    }

    /// The connection has output; it is written when the turn ends. Loop only.
    func markDirty(_ connection: any TurnEnding) {
        dirty.append(connection)
        schedule()
    }

    /// A handler waits to be run when the turn ends. Loop only.
    func run(_ call: ServerCall) {
        workers.add(call)
        schedule()
    }

    /// Ends the turn when all sockets that can be read have been: what many connections write then wakes their peers fewer
    /// times. Loop only.
    func endTurnSoon() { schedule() }

    private func schedule() {
        guard !isScheduled, !isDraining else { return }
        isScheduled = true
        eventLoop.execute { [self] in
            isScheduled = false
            endTurn()
            gather()
        }
    }

    /// Pauses where many answers are on their way. What other threads hand over meanwhile goes out afterwards, in one go. Loop only.
    private func gather() {
        guard gathering.hasAnswers else { return }
        let nanoseconds = gathering.pause(now: NIODeadline.now().uptimeNanoseconds)
        guard nanoseconds > 0 else { return }
        // Who hands something over need not wake this thread.
        withRemote { $0.isScheduled = true }
        var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
        nanosleep(&time, nil)
        takeRemote()
    }

    /// Runs what is queued, then lets each connection with output write once. Loop only.
    func endTurn() {
        guard !isDraining else { return }
        isDraining = true
        var left = Self.maxJobsPerTurn
        repeat {
            while left > 0, let job = jobs.popFirst() {
                left -= 1
                job.runSynchronously(on: asUnownedTaskExecutor())
            }
            left -= 1
            // A worker that is woken has a job again.
            if workers.wakeOne(self) { continue }
            swap(&writing, &dirty)
            for connection in writing { connection.turnEnded() }
            writing.removeAll(keepingCapacity: writing.capacity <= 256)
        } while left > 0 && (!jobs.isEmpty || !dirty.isEmpty)
        isDraining = false
        if !jobs.isEmpty || !dirty.isEmpty { schedule() }
    }

    // MARK: now and then

    private static let tickMilliseconds: Int64 = 250

    /// Looks at the connection a few times a second until it is closed. A timer of each connection's own would cost all others
    /// when it is cancelled, for the event loop looks for it among all timers. Loop only.
    func watch(_ connection: any Ticking) {
        connection.tickIndex = watched.count
        watched.append(connection)
        guard !isTicking else { return }
        isTicking = true
        scheduleTick()
    }

    func unwatch(_ connection: any Ticking) {
        let index = connection.tickIndex
        guard index >= 0 else { return }
        connection.tickIndex = -1
        let last = watched.removeLast()
        guard last !== connection else { return }
        watched[index] = last
        last.tickIndex = index
    }

    private func scheduleTick() {
        eventLoop.scheduleTask(in: .milliseconds(Self.tickMilliseconds)) { [self] in
            let now = NIODeadline.now()
            // A copy, because connections may leave.
            for connection in watched { connection.tick(now) }
            isTicking = !watched.isEmpty
            if isTicking { scheduleTick() }
        }
    }
}

/// Something that is looked at now and then.
protocol Ticking: AnyObject {
    /// Its place in its loop's list; -1 where it is in none.
    var tickIndex: Int { get set }
    func tick(_ now: NIODeadline)
}

/// Something that writes what it gathered once a turn of its loop.
protocol TurnEnding: AnyObject {
    func turnEnded()
}

/// Replaces a value, giving back the one before.
func exchange<T>(_ value: inout T, with new: consuming T) -> T {
    let old = value
    value = new
    return old
}

/// Threads that run connections and handlers, one event loop each.
final class LoopGroup: Sendable {
    let group: MultiThreadedEventLoopGroup
    private let executors: [ObjectIdentifier: LoopExecutor]
    private let order: [LoopExecutor]
    private let counter = Atomic<Int>(0)
    private let isShared: Bool

    /// As many threads as the machine has cores, for everything in the process that asks for no own.
    static let shared = LoopGroup(MultiThreadedEventLoopGroup.singleton, isShared: true)

    convenience init(threads: Int) {
        self.init(MultiThreadedEventLoopGroup(numberOfThreads: threads), isShared: false)
    }

    private init(_ group: MultiThreadedEventLoopGroup, isShared: Bool) {
        self.group = group
        self.isShared = isShared
        var executors: [ObjectIdentifier: LoopExecutor] = [:]
        var order: [LoopExecutor] = []
        for eventLoop in group.makeIterator() {
            let executor = LoopExecutor(eventLoop)
            executors[ObjectIdentifier(eventLoop)] = executor
            order.append(executor)
        }
        self.executors = executors
        self.order = order
    }

    /// The executor of one of this group's loops.
    func executor(of eventLoop: any EventLoop) -> LoopExecutor {
        guard let executor = executors[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("an event loop of another group")
        }
        return executor
    }

    /// The executor of the current thread if it is one of the group's, else the next in turn.
    func preferred() -> LoopExecutor {
        if let current = order.first(where: { $0.isCurrent }) { return current }
        return order[counter.wrappingAdd(1, ordering: .relaxed).oldValue % order.count]
    }

    func shutdown() async {
        guard !isShared else { return }
        for executor in order { executor.run { executor.workers.end() } }
        try? await group.shutdownGracefully()
    }
}
