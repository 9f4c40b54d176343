import NIOCore
import Testing

@testable import RPC

/// When the thread of many calls pauses for their answers, and for how long.
struct GatheringTests {
    /// Turns of the loop, each of which brings `answers`, `microseconds` apart; gives the last pause, in microseconds.
    private func pause(inFlight: Int, answers: Int, everyMicroseconds microseconds: UInt64, turns: Int = 100) -> Double {
        var gathering = Gathering()
        for _ in 0..<inFlight { gathering.callStarted() }
        var now: UInt64 = 1_000_000_000
        var pause: UInt64 = 0
        for _ in 0..<turns {
            now += microseconds * 1000
            for _ in 0..<answers {
                gathering.callEnded()
                gathering.callStarted()
            }
            pause = gathering.pause(now: now)
        }
        return Double(pause) / 1000
    }

    @Test func pausesWhereManyAnswersAreDue() {
        #expect(abs(pause(inFlight: 50, answers: 1, everyMicroseconds: 5) - 62.5) < 0.5)
        #expect(abs(pause(inFlight: 50, answers: 10, everyMicroseconds: 50) - 62.5) < 0.5)
    }

    @Test func neverPausesForLong() {
        #expect(pause(inFlight: 50, answers: 1, everyMicroseconds: 13) == 150)
        #expect(pause(inFlight: 1_000_000, answers: 1, everyMicroseconds: 20) == 150)
    }

    @Test(arguments: [1, 2, 8, 15]) func fewCallsInFlightAreNotHeldUp(inFlight: Int) {
        #expect(pause(inFlight: inFlight, answers: 1, everyMicroseconds: 10) == 0)
        #expect(pause(inFlight: inFlight, answers: inFlight, everyMicroseconds: 10) == 0)
    }

    @Test func slowAnswersAreNotWaitedFor() {
        #expect(pause(inFlight: 200, answers: 1, everyMicroseconds: 40) == 0)
        #expect(pause(inFlight: 200, answers: 1, everyMicroseconds: 100_000) == 0)
    }

    @Test func aQuietSpellIsSoonForgotten() {
        #expect(pause(inFlight: 50, answers: 1, everyMicroseconds: 12, turns: 1) == 0)
        #expect(pause(inFlight: 50, answers: 1, everyMicroseconds: 13, turns: 50) == 150)
    }

    /// Calls that were answered, and those given up before or after they were sent, are in flight no longer.
    @Test func everyCallThatBeginsIsSeenToEnd() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<200 {
                    group.addTask {
                        let call = Task { let _: Reply = try await channel.unary(echo.descriptor, request("a")) }
                        if index.isMultiple(of: 2) { call.cancel() }
                        try? await call.value
                    }
                }
            }
            // What this one brings comes behind all that the others left.
            let _: Reply = try await channel.unary(echo.descriptor, request("b"))
            let connection = try #require(channel.core.readyConnection(CallWish(), now: .now()))
            #expect(connection.openCalls == 0)
        }
    }
}
