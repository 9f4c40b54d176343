import ServiceRuntime
import Synchronization
import Testing

@Suite struct BatcherTests {
    @Test func everyCallerGetsTheOutputsOfItsOwnItems() async throws {
        let batcher = Batcher<Int, Int> { items in items.map { $0 * 2 } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await batcher.run() }
            try await withThrowingTaskGroup(of: Void.self) { callers in
                for caller in 0..<100 {
                    callers.addTask {
                        let items = Array(caller * 10..<caller * 10 + caller % 4)
                        let outputs = try await batcher.submit(items)
                        #expect(outputs == items.map { $0 * 2 })
                    }
                }
                try await callers.waitForAll()
            }
            group.cancelAll()
        }
    }

    @Test func whatComesDuringABatchSharesTheNext() async throws {
        let sizes = Mutex<[Int]>([])
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let gates = Mutex(Optional(gate))
        let batcher = Batcher<Int, Int> { items in
            sizes.withLock { $0.append(items.count) }
            if let first = gates.withLock({ gate in defer { gate = nil }; return gate }) {
                for await _ in first { break }
            }
            return items
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await batcher.run() }
            try await withThrowingTaskGroup(of: Void.self) { callers in
                callers.addTask { _ = try await batcher.submit([0]) }
                while sizes.withLock({ $0.isEmpty }) { await Task.yield() }
                for caller in 1...5 { callers.addTask { _ = try await batcher.submit([caller]) } }
                while batcher.waitingItems < 5 { await Task.yield() }
                open.yield()
                try await callers.waitForAll()
            }
            group.cancelAll()
        }
        #expect(sizes.withLock { $0 } == [1, 5])
    }

    @Test func aFailedBatchFailsItsSubmittersAndNoOther() async throws {
        struct Broken: Error {}
        let batcher = Batcher<Int, Int>(limits: BatchLimits(maxBatchItems: 1)) { items in
            if items.contains(13) { throw Broken() }
            return items
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await batcher.run() }
            await #expect(throws: Broken.self) { try await batcher.submit([13]) }
            let outputs = try await batcher.submit([7])
            #expect(outputs == [7])
            group.cancelAll()
        }
    }

    @Test func aFullQueueRefusesAndAnEndedOneToo() async throws {
        let batcher = Batcher<Int, Int>(limits: BatchLimits(maxBatchItems: 10, maxQueuedItems: 2)) { $0 }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await batcher.submit([1, 2]) }
            while batcher.waitingItems < 2 { await Task.yield() }
            await #expect(throws: BatchError.full) { try await batcher.submit([3]) }
            let run = group.addTaskUnlessCancelled { await batcher.run() }
            #expect(run)
            while batcher.waitingItems > 0 { await Task.yield() }
            group.cancelAll()
        }
        await #expect(throws: BatchError.closed) { try await batcher.submit([4]) }
    }

    @Test func whoeverAddsInTurnWaitsForRoomInsteadOfBeingRefused() async {
        let queue = BatchQueue<Int>(limits: BatchLimits(maxBatchItems: 2, maxQueuedItems: 3))
        let (batches, taken) = AsyncStream.makeStream(of: [Int].self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for item in 0..<100 { try? await queue.addInTurn(item) }
            }
            while queue.waitingItems < 2 { await Task.yield() }
            #expect(throws: BatchError.full) { try queue.add(100) }
            group.addTask { _ = await queue.forEachBatch { taken.yield($0) } }
            var order: [Int] = []
            for await batch in batches {
                #expect(batch.count <= 2)
                order += batch
                if order.count == 100 { break }
            }
            #expect(order == Array(0..<100))
            group.cancelAll()
        }
        await #expect(throws: BatchError.closed) { try await queue.addInTurn(1) }
    }

    @Test func sourcesThatWaitHaveTheirShareOfABatch() async throws {
        let queue = BatchQueue<String>(limits: BatchLimits(maxBatchItems: 6, maxQueuedItems: 100))
        for number in 1...12 { try queue.add("a\(number)", from: "a") }
        for number in 1...6 { try queue.add("b\(number)", from: "b") }
        try queue.add("c1", from: "c")
        let batches = await batches(of: queue)
        #expect(batches == [["c1", "b1", "b2", "a1", "a2", "a3"], ["b3", "b4", "b5", "a4", "a5", "a6"], ["b6", "a7", "a8", "a9", "a10", "a11"], ["a12"]])
    }

    @Test func howeverManySourcesFloodAQueueItHoldsNoMoreThanItsLimitAndLeavesRoomForTheNext() async throws {
        let queue = BatchQueue<Int>(limits: BatchLimits(maxBatchItems: 1_000, maxQueuedItems: 1_000))
        var waiting: [Int] = []
        for source in 0..<9 {
            var count = 0
            while (try? queue.add(source, from: "\(source)")) != nil { count += 1 }
            waiting.append(count)
        }
        #expect(waiting == [500, 250, 125, 63, 31, 16, 8, 4, 2])
        #expect(queue.waitingItems <= 1_000)
        try queue.add(9, from: "9")
        // More than its part of the queue, in one piece: in turn with others no, alone yes.
        #expect(throws: BatchError.full) { try queue.add(10, from: "10", items: 2_000) }
        let alone = BatchQueue<Int>(limits: BatchLimits(maxQueuedItems: 10))
        try alone.add(0, items: 2_000)
        #expect(throws: BatchError.full) { try alone.add(1) }
    }

    @Test func whereABatchHasNoPlaceForEachSourceTheyTakeTurns() async throws {
        let queue = BatchQueue<String>(limits: BatchLimits(maxBatchItems: 2, maxQueuedItems: 12))
        for number in 1...3 { try queue.add("a\(number)", from: "a") }
        for source in ["b", "c"] { for number in 1...2 { try queue.add("\(source)\(number)", from: source) } }
        #expect(await batches(of: queue) == [["a1", "b1"], ["c1", "a2"], ["b2", "c2"], ["a3"]])
    }

    /// All that waits, batch by batch.
    private func batches(of queue: BatchQueue<String>) async -> [[String]] {
        let waiting = queue.waitingItems
        let (taken, take) = AsyncStream.makeStream(of: [String].self)
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await queue.forEachBatch { take.yield($0) } }
            var batches: [[String]] = []
            for await batch in taken {
                batches.append(batch)
                if batches.joined().count == waiting { break }
            }
            group.cancelAll()
            return batches
        }
    }

    @Test func anEndedQueueGivesBackWhatWaitsAndReleasesWhoIsHeld() async {
        let queue = BatchQueue<Int>(limits: BatchLimits(maxBatchItems: 1, maxQueuedItems: 1))
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        await withTaskGroup(of: Int.self) { group in
            try? queue.add(0)
            group.addTask {
                await queue.forEachBatch { _ in
                    start.yield()
                    for await _ in gate { break }
                }.count
            }
            for await _ in started { break }
            for item in 1...5 {
                group.addTask {
                    do throws(BatchError) {
                        try await queue.addInTurn(item)
                        return 0
                    } catch {
                        return 1
                    }
                }
            }
            while queue.waitingItems < 1 { await Task.yield() }
            group.cancelAll()
            open.yield()
            // One waited, four were held back or came too late: each is told.
            #expect(await group.reduce(0, +) == 5)
        }
    }

    @Test func aTurnstileLetsOneThroughAtATime() async {
        let turnstile = Turnstile()
        let room = Room()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask { await Self.visit(room, through: turnstile) }
            }
        }
        #expect(await room.visits == 50)
        #expect(await room.mostInside == 1)
    }

    private static func visit(_ room: Room, through turnstile: Turnstile) async {
        await turnstile.pass {
            await room.enter()
            await Task.yield()
            await room.leave()
        }
    }

    private actor Room {
        var visits = 0
        var inside = 0
        var mostInside = 0

        func enter() {
            visits += 1
            inside += 1
            mostInside = max(mostInside, inside)
        }

        func leave() { inside -= 1 }
    }
}
