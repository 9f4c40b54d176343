import Testing

@testable import Features

@Suite struct WordListsTests {
    /// A list's front and back, as they should be.
    private struct Model: Equatable {
        var front: [UInt32] = []
        var back: [UInt32] = []
    }

    private static func read(_ list: Int, _ model: Model, in lists: WordLists) -> Model {
        let room = lists.room(of: list)
        return Model(front: Array(room.prefix(model.front.count)), back: Array(room.suffix(model.back.count)))
    }

    private static func write(_ model: Model, to list: Int, in lists: inout WordLists) {
        let room = lists.mutableRoom(of: list)
        for (place, word) in model.front.enumerated() { room[place] = word }
        for (place, word) in model.back.enumerated() { room[room.count - model.back.count + place] = word }
    }

    @Test func listsThatGrowAndShrinkKeepTheirWordsAndCopiesTheirs() {
        var random = SystemRandomNumberGenerator()
        var lists = WordLists()
        var models: [Model] = []
        for _ in 0..<300 {
            lists.append()
            models.append(Model())
        }
        var copy: (lists: WordLists, models: [Model])?
        for step in 0..<6_000 {
            let list = Int.random(in: 0..<models.count, using: &random)
            let (front, back) = (models[list].front.count, models[list].back.count)
            // Mostly short ones, now and then one that has a slab of its own.
            let longest = step % 97 == 0 ? 5_000 : 120
            let new = (Int.random(in: 0...longest, using: &random), Int.random(in: 0...40, using: &random))
            let kept = (min(front, new.0), min(back, new.1))
            lists.resize(list, to: new.0 + new.1, keepingFront: kept.0, back: kept.1)
            #expect(lists.capacity(of: list) >= new.0 + new.1)
            let stays = Model(front: Array(models[list].front.prefix(kept.0)), back: Array(models[list].back.suffix(kept.1)))
            #expect(Self.read(list, stays, in: lists) == stays)
            models[list] = Model(
                front: (0..<new.0).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) },
                back: (0..<new.1).map { _ in UInt32.random(in: 0...UInt32.max, using: &random) })
            Self.write(models[list], to: list, in: &lists)
            if step % 1_000 == 500 { copy = (lists, models) }
            guard step % 1_000 == 999 else { continue }
            #expect(models.indices.allSatisfy { Self.read($0, models[$0], in: lists) == models[$0] })
            if let copy { #expect(models.indices.allSatisfy { Self.read($0, copy.models[$0], in: copy.lists) == copy.models[$0] }) }
        }
    }

    @Test func whatAllListsHaveGrownOutOfIsLetGo() {
        var lists = WordLists()
        for _ in 0..<1_000 { lists.append() }
        for words in [10, 100, 200, 300] {
            for list in 0..<1_000 { lists.resize(list, to: words, keepingFront: 0, back: 0) }
        }
        #expect(lists.allocatedWords < 1_000 * 330 + 3_600)
    }
}
