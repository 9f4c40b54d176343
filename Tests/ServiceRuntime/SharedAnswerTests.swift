import Synchronization
import Testing

@testable import ServiceRuntime

@Suite struct SharedAnswerTests {
    /// Makes 1, 2, 3 …, each when the gate is open.
    private final class Maker: Sendable {
        let made = Mutex(0)
        let begun = OneShot<Void>()
        let gate = OneShot<Void>()

        func make() async -> Int {
            let number = made.withLock { made in
                made += 1
                return made
            }
            begun.fulfil(())
            _ = await gate.wait()
            return number
        }
    }

    @Test func whoeverAsksWhileItIsMadeSharesTheNext() async throws {
        let shared = SharedAnswer<Int>()
        let maker = Maker()
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask { try await shared.value { await maker.make() } }
            _ = await maker.begun.wait()
            for _ in 0..<100 { group.addTask { try await shared.value { await maker.make() } } }
            for _ in 0..<1000 { await Task.yield() }
            maker.gate.fulfil(())
            var answers: [Int] = []
            for try await answer in group { answers.append(answer) }
            // One that came late may have asked when the second was being made.
            #expect(answers.min() == 1)
            #expect(answers.filter { $0 == 1 }.count == 1)
            #expect(maker.made.withLock { $0 } <= 3)
        }
        let again = try await shared.value { await maker.make() }
        #expect(again == maker.made.withLock { $0 })
    }

    @Test func aFailureIsItsOwnAndTheNextMakesAnew() async throws {
        struct Failure: Error {}
        let shared = SharedAnswer<Int>()
        await #expect(throws: Failure.self) { try await shared.value { throw Failure() } }
        let value = try await shared.value { 7 }
        #expect(value == 7)
    }
}
