import Testing

@testable import IngestionGateway

@Suite struct TurnsTests {
    @Test func batchesComeOutInTheOrderInWhichTheyBegan() async {
        let turns = Turns()
        let first = await turns.next()
        #expect(first.comesOut.isOpen, "nothing is ahead of it")
        first.begun.open()
        let second = await turns.next()
        second.begun.open()
        #expect(!second.comesOut.isOpen)
        async let next = turns.next()
        first.end()
        let third = await next
        #expect(second.comesOut.isOpen && !third.comesOut.isOpen)
        second.end()
        #expect(third.comesOut.isOpen)
    }

    @Test func aTurnForWhoMustNotWaitIsThereOnlyWhenNoneIsUnderWay() async throws {
        let turns = Turns()
        let alone = try #require(turns.nextIfIdle())
        #expect(turns.nextIfIdle().map { _ in true } == nil)
        async let next = turns.next()
        // It has not begun, so nothing overtakes it.
        alone.end()
        let following = await next
        #expect(following.comesOut.isOpen && turns.nextIfIdle().map { _ in true } == nil)
        following.end()
        #expect(turns.nextIfIdle().map { _ in true } == true)
    }
}
