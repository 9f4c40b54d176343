import Testing

@testable import Vigil

@Suite("The life of a child")
struct ChildLifeTests {
    private let start = ContinuousClock.now

    private func running(since instant: ContinuousClock.Instant) -> ChildLife {
        var life = ChildLife(startAt: instant, stopLimit: .seconds(10))
        life.started(pid: 7, at: instant)
        return life
    }

    @Test func startsWhenDueAndNotBefore() {
        let life = ChildLife(startAt: start + .seconds(1), stopLimit: .seconds(10))
        #expect(life.action(at: start) == nil)
        #expect(life.deadline == start + .seconds(1))
        #expect(life.action(at: start + .seconds(1)) == .start)
    }

    @Test func isStartedAgainAtOnceWhenItDies() {
        var life = running(since: start)
        life.exited(at: start + .seconds(1))
        #expect(life.action(at: start + .seconds(1)) == .start)
        #expect(life.restarts == 1)
    }

    @Test func waitsLongerEachTimeItDiesYoungUpToALimit() {
        var life = ChildLife(startAt: start, stopLimit: .seconds(10))
        var now = start
        var delays: [Duration] = []
        for _ in 0..<9 {
            life.started(pid: 7, at: now)
            life.exited(at: now)
            let due = life.deadline ?? now
            delays.append(due - now)
            now = due
        }
        #expect(delays == [0, 250, 500, 1000, 2000, 4000, 8000, 8000, 8000].map { Duration.milliseconds($0) })
    }

    @Test func forgetsEarlyDeathsOnceItHasLived() {
        var life = running(since: start)
        life.exited(at: start)
        life.started(pid: 8, at: start)
        life.exited(at: start + ChildLife.matureAge)
        #expect(life.deadline == start + ChildLife.matureAge)
        #expect(life.youngDeaths == 1)
    }

    @Test func isKilledWhenItDoesNotEndInTime() {
        var life = running(since: start)
        #expect(life.stop(at: start) == 7)
        #expect(life.stop(at: start) == nil)
        #expect(life.action(at: start + .seconds(9)) == nil)
        #expect(life.action(at: start + .seconds(10)) == .kill(7))
        life.killed(at: start + .seconds(10))
        #expect(life.action(at: start + .seconds(10)) == nil)
        life.exited(at: start + .seconds(10))
        #expect(life.isEnded)
    }

    @Test func isNotStartedAgainAfterItWasStopped() {
        var life = running(since: start)
        _ = life.stop(at: start)
        life.exited(at: start + .seconds(1))
        #expect(life.isEnded)
        #expect(life.action(at: start + .seconds(100)) == nil)
    }

    @Test func stoppingWhileItWaitsForARestartEndsIt() {
        var life = running(since: start)
        life.exited(at: start)
        #expect(life.stop(at: start) == nil)
        #expect(life.isEnded)
    }
}
