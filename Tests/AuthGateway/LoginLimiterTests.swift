import Testing

@testable import AuthGateway

@Suite struct LoginLimiterTests {
    private var limits: LoginLimiter.Limits {
        var limits = LoginLimiter.Limits()
        limits.freeFailures = 3
        limits.firstWaitSeconds = 2
        limits.maxWaitSeconds = 60
        limits.freeFailuresFromAllAddresses = 10
        return limits
    }

    @Test func waitsDoubleAfterTheFreeFailures() {
        var limiter = LoginLimiter(limits: limits)
        var now: Int64 = 1_000
        for _ in 0..<3 { #expect(limiter.begin(subject: "a", address: "1", now: now) == .proceed) }
        var waits: [Int64] = []
        for _ in 0..<7 {
            guard case .wait(let seconds) = limiter.begin(subject: "a", address: "1", now: now) else { continue }
            waits.append(seconds)
            now += seconds
            #expect(limiter.begin(subject: "a", address: "1", now: now) == .proceed)
        }
        #expect(waits == [2, 4, 8, 16, 32, 60, 60])
    }

    @Test func guessesSideBySideGainNothing() {
        var limiter = LoginLimiter(limits: limits)
        let admitted = (0..<100).filter { _ in limiter.begin(subject: "a", address: "1", now: 5) == .proceed }
        #expect(admitted.count == 3)
    }

    @Test func successForgetsTheFailures() {
        var limiter = LoginLimiter(limits: limits)
        for round in 0..<50 {
            #expect(limiter.begin(subject: "a", address: "1", now: Int64(round)) == .proceed)
            limiter.succeeded(subject: "a", address: "1")
        }
    }

    @Test func anotherSubjectAndAddressAreNotHeldUp() {
        var limiter = LoginLimiter(limits: limits)
        for _ in 0..<5 { _ = limiter.begin(subject: "a", address: "1", now: 5) }
        #expect(limiter.begin(subject: "a", address: "2", now: 5) == .proceed)
        #expect(limiter.begin(subject: "b", address: "1", now: 5) == .proceed)
    }

    @Test func guessingFromManyAddressesIsBoundedPerSubject() {
        var limiter = LoginLimiter(limits: limits)
        let admitted = (0..<1_000).filter { limiter.begin(subject: "a", address: "\($0)", now: 5) == .proceed }
        #expect(admitted.count == 10)
        #expect(limiter.begin(subject: "b", address: "1", now: 5) == .proceed)
    }

    @Test func failuresAreForgottenInTime() {
        var limiter = LoginLimiter(limits: limits)
        for _ in 0..<3 { _ = limiter.begin(subject: "a", address: "1", now: 0) }
        #expect(limiter.begin(subject: "a", address: "1", now: 1) == .wait(seconds: 1))
        for _ in 0..<3 { #expect(limiter.begin(subject: "a", address: "1", now: 10_000) == .proceed) }
    }

    @Test func memoryIsBoundedWhateverNamesCome() {
        var limits = limits
        limits.maxEntries = 1_000
        var limiter = LoginLimiter(limits: limits)
        for number in 0..<20_000 { _ = limiter.begin(subject: "s\(number)", address: "1", now: Int64(number)) }
        #expect(limiter.entryCount <= 1_000)
    }
}
