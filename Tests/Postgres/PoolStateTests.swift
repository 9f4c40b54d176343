@testable import Postgres
import SeededRandom
import Testing

/// The pool's decisions, without connections and with the time in hand.
@Suite struct PoolStateTests {
    private let start = ContinuousClock.now

    private func pool(maxConnections: Int = 2, maxWaiting: Int = 3) -> PoolState {
        PoolState(
            limits: PoolState.Limits(
                maxConnections: maxConnections, maxWaiting: maxWaiting, acquireTimeout: .seconds(5), idleTimeout: .seconds(60),
                backoff: .seconds(1), maxBackoff: .seconds(8)))
    }

    /// What happens but for the keeping of time.
    private func deeds(_ actions: [PoolState.Action]) -> [PoolState.Action] {
        actions.filter { if case .wake = $0 { false } else { true } }
    }

    private func wakes(_ actions: [PoolState.Action]) -> [Duration] {
        actions.compactMap { if case .wake(let instant) = $0 { instant - start } else { nil } }
    }

    @Test func connectionsAreOpenedOnDemandUpToTheLimit() {
        var pool = pool()
        #expect(deeds(pool.acquire(1, now: start)) == [.connect(1)])
        #expect(deeds(pool.acquire(2, now: start)) == [.connect(2)])
        #expect(deeds(pool.acquire(3, now: start)) == [])
        #expect(deeds(pool.connected(1, now: start)) == [.grant(1, 1)])
        #expect(deeds(pool.connected(2, now: start)) == [.grant(2, 2)])
        #expect(deeds(pool.release(2, isUsable: true, now: start)) == [.grant(3, 2)])
        #expect(deeds(pool.release(1, isUsable: true, now: start)) == [])
        #expect(deeds(pool.acquire(4, now: start)) == [.grant(4, 1)])
        #expect(pool.openConnections == 2)
    }

    @Test func waitingIsFirstComeFirstServedAndBounded() {
        var pool = pool(maxConnections: 1)
        _ = pool.acquire(1, now: start)
        _ = pool.acquire(2, now: start)
        _ = pool.acquire(3, now: start)
        guard case .refuse(4, let error)? = pool.acquire(4, now: start).first else { return #expect(Bool(false), "not refused") }
        #expect(error.code == .tooManyWaiting)
        #expect(deeds(pool.connected(1, now: start)) == [.grant(1, 1)])
        #expect(deeds(pool.release(1, isUsable: true, now: start)) == [.grant(2, 1)])
    }

    @Test func aWaiterIsRefusedAtItsDeadlineAndNotBefore() {
        var pool = pool(maxConnections: 1)
        #expect(wakes(pool.acquire(1, now: start)) == [.seconds(5)])
        _ = pool.connected(1, now: start)
        _ = pool.acquire(2, now: start + .seconds(1))
        #expect(wakes(pool.tick(now: start + .seconds(5))) == [.seconds(6)])
        guard case .refuse(2, let error)? = pool.tick(now: start + .seconds(6)).first else { return #expect(Bool(false), "not refused") }
        #expect(error.code == .acquireTimedOut)
        #expect(pool.waiting == 0)
    }

    @Test func aServerThatTakesAConnectionAndSaysNothingIsNotCalledBusy() {
        var pool = pool(maxConnections: 1)
        _ = pool.acquire(1, now: start)
        guard case .refuse(1, let error)? = pool.tick(now: start + .seconds(5)).first else { return #expect(Bool(false), "not refused") }
        #expect(error.code == .unavailable && error.message == "the server does not answer: no connection was made within 5.0 seconds")
    }

    @Test func anAbandonedWaiterGetsNothing() {
        var pool = pool(maxConnections: 1)
        _ = pool.acquire(1, now: start)
        let abandonments = [pool.abandon(1), pool.abandon(1)]
        #expect(abandonments == [true, false])
        #expect(deeds(pool.connected(1, now: start)) == [])
        #expect(pool.idleConnections == 1)
    }

    @Test func aBrokenConnectionIsReplaced() {
        var pool = pool(maxConnections: 1)
        _ = pool.acquire(1, now: start)
        _ = pool.connected(1, now: start)
        _ = pool.acquire(2, now: start)
        #expect(deeds(pool.release(1, isUsable: false, now: start)) == [.close(1), .connect(2)])
        #expect(deeds(pool.connected(2, now: start)) == [.grant(2, 2)])
    }

    @Test func failedAttemptsBackOffOneAtATimeUntilOneSucceeds() {
        var pool = pool(maxConnections: 3)
        let away = PostgresError(.unavailable, "away")
        for waiter in 1...3 { _ = pool.acquire(waiter, now: start) }
        var actions: [PoolState.Action] = []
        for connection in 1...3 { actions += pool.connectFailed(connection, away, jitter: 1, now: start) }
        #expect(deeds(actions) == [])
        #expect(deeds(pool.tick(now: start + .milliseconds(900))) == [])
        // The third failure in a row: 1 s doubled twice.
        #expect(deeds(pool.tick(now: start + .seconds(4))) == [.connect(4)])
        #expect(deeds(pool.connected(4, now: start + .seconds(4))) == [.grant(1, 4), .connect(5), .connect(6)])
    }

    @Test func waitersLearnWhyThereIsNoConnection() {
        var pool = pool()
        _ = pool.acquire(1, now: start)
        _ = pool.connectFailed(1, PostgresError(.unavailable, "connection refused"), jitter: 0, now: start)
        let refusal = deeds(pool.tick(now: start + .seconds(5))).first
        #expect(refusal == .refuse(1, PostgresError(.unavailable, "connection refused")))
    }

    @Test func aWrongPasswordFailsWaitersAtOnce() {
        var pool = pool()
        _ = pool.acquire(1, now: start)
        let wrong = PostgresError(.configuration, "password authentication failed")
        #expect(deeds(pool.connectFailed(1, wrong, jitter: 0, now: start)) == [.refuse(1, wrong)])
    }

    @Test func connectionsNobodyUsesAreClosed() {
        var pool = pool()
        _ = pool.acquire(1, now: start)
        _ = pool.connected(1, now: start)
        #expect(wakes(pool.release(1, isUsable: true, now: start + .seconds(1))) == [])
        _ = pool.tick(now: start + .seconds(5))
        #expect(deeds(pool.tick(now: start + .seconds(61))) == [.close(1)])
        #expect(pool.openConnections == 0)
    }

    @Test func closingRefusesEveryoneAndClosesWhatComesBack() {
        var pool = pool(maxConnections: 1)
        _ = pool.acquire(1, now: start)
        _ = pool.connected(1, now: start)
        _ = pool.acquire(2, now: start)
        let closed = PostgresError(.poolClosed, "the pool is closed")
        #expect(pool.close() == [.refuse(2, closed)])
        #expect(pool.acquire(3, now: start) == [.refuse(3, closed)])
        #expect(pool.release(1, isUsable: true, now: start) == [.close(1)])
    }

    /// Any order of events keeps the promises: no connection lent twice, never more than the limit, every waiter answered once.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func anyOrderOfEventsKeepsThePromises(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = pool(maxConnections: 3, maxWaiting: 5)
        var now = start
        var lent: Set<Int> = []
        var connecting: Set<Int> = []
        var waiting: Set<Int> = []
        var nextWaiter = 0
        for _ in 0..<2000 {
            now += .milliseconds(Int.random(in: 0..<300, using: &random))
            var actions: [PoolState.Action]
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1:
                nextWaiter += 1
                waiting.insert(nextWaiter)
                actions = pool.acquire(nextWaiter, now: now)
            case 2:
                guard let waiter = waiting.randomElement(using: &random) else { continue }
                let wasWaiting = pool.abandon(waiter)
                #expect(wasWaiting)
                waiting.remove(waiter)
                actions = []
            case 3:
                guard let connection = connecting.randomElement(using: &random) else { continue }
                connecting.remove(connection)
                actions = pool.connected(connection, now: now)
            case 4:
                guard let connection = connecting.randomElement(using: &random) else { continue }
                connecting.remove(connection)
                actions = pool.connectFailed(connection, PostgresError(.unavailable, "away"), jitter: 0.5, now: now)
            case 5:
                guard let connection = lent.randomElement(using: &random) else { continue }
                lent.remove(connection)
                actions = pool.release(connection, isUsable: .random(using: &random), now: now)
            default: actions = pool.tick(now: now)
            }
            for action in actions {
                switch action {
                case .connect(let connection): #expect(connecting.insert(connection).inserted)
                case .grant(let waiter, let connection):
                    #expect(waiting.remove(waiter) != nil)
                    #expect(lent.insert(connection).inserted)
                case .refuse(let waiter, _): #expect(waiting.remove(waiter) != nil)
                case .close(let connection): #expect(!lent.contains(connection))
                case .wake(let instant): #expect(instant > now - .seconds(60))
                }
            }
            #expect(lent.count + connecting.count + pool.idleConnections <= 3)
            #expect(pool.waiting == waiting.count)
        }
    }
}
