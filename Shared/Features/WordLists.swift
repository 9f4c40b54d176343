/// Very many lists of words of four bytes, each in one piece.
///
/// A list lies in a block of one of few sizes, and the blocks of a size lie without holes: where one is let go, the last of its size takes
/// its place. So what lists have grown out of is others' at once; an allocator, which cannot move what it has given, keeps half of it.
///
/// A list has words at its front and at its back, counted from either end of its block. Copies of this value share slabs of blocks until one
/// of them changes.
struct WordLists: Sendable {
    /// Where a list's block is; size 0 for none.
    private struct Place: Equatable {
        var size: UInt16 = 0
        var slot: UInt16 = 0
        var slab: UInt32 = 0
    }

    /// The blocks of a size; each begins with the number of its list.
    private struct Blocks {
        let words: Int
        let perSlab: Int
        var slabs: ContiguousArray<ContiguousArray<UInt32>> = []
        var count = 0

        init(words: Int) {
            self.words = words
            perSlab = max(1, WordLists.slabWords / max(1, words))
        }
    }

    /// Of several blocks; with the array's own header the largest size that allocators do not round up to whole pages.
    private static let slabWords = 3_576

    /// Words of a block of each size: what a slab divides into, in steps of 64 bytes or more, then a slab for each, in steps of a sixteenth.
    private static let sizes: [Int] = {
        var sizes = [0]
        while let last = sizes.last, last < 1 << 32 {
            let next = last + max(16, last / 16)
            sizes.append(next > slabWords ? next : slabWords / (slabWords / next))
        }
        return sizes
    }()

    private var places: ContiguousArray<Place> = []
    private var blocks = ContiguousArray(WordLists.sizes.prefix(1).map(Blocks.init(words:)))

    /// Adds a list without words. Lists are numbered from 0.
    mutating func append() { places.append(Place()) }

    /// How many words a list has room for, front and back together.
    func capacity(of list: Int) -> Int {
        let size = Int(places[list].size)
        return size == 0 ? 0 : blocks[size].words &- 1
    }

    /// How many words a list would have room for if it were given so many.
    static func capacity(for words: Int) -> Int { words == 0 ? 0 : sizes[size(for: words)] - 1 }

    /// A list's whole room. It stays where it is until any list is changed or let go.
    @inline(__always)
    func room(of list: Int) -> UnsafeBufferPointer<UInt32> {
        let place = places.withUnsafeBufferPointer { $0[list] }
        if place.size == 0 { return UnsafeBufferPointer(start: nil, count: 0) }
        return blocks.withUnsafeBufferPointer { blocks in
            blocks[Int(place.size)].slabs.withUnsafeBufferPointer { slabs in
                slabs[Int(place.slab)].withUnsafeBufferPointer { words in
                    let size = blocks[Int(place.size)].words
                    return UnsafeBufferPointer(rebasing: words[(Int(place.slot) &* size &+ 1)..<((Int(place.slot) &+ 1) &* size)])
                }
            }
        }
    }

    /// As `room(of:)`, to be written.
    @inline(__always)
    mutating func mutableRoom(of list: Int) -> UnsafeMutableBufferPointer<UInt32> {
        let block = mutableBlock(at: places[list])
        return UnsafeMutableBufferPointer(rebasing: block[min(1, block.count)...])
    }

    /// Gives a list room for so many words, or some more; what it does not keep has any value.
    ///
    /// - Parameters:
    ///   - front: so many words of its front stay.
    ///   - back: so many of its back.
    mutating func resize(_ list: Int, to words: Int, keepingFront front: Int, back: Int) {
        let old = places[list]
        let size = words == 0 ? 0 : Self.size(for: words)
        guard size != Int(old.size) else { return }
        let source = room(of: list)
        places[list] = size == 0 ? Place() : add(size, list)
        if front + back > 0, let from = source.baseAddress, let to = mutableRoom(of: list).baseAddress {
            to.update(from: from, count: front)
            (to + capacity(of: list) - back).update(from: from + source.count - back, count: back)
        }
        if old.size != 0 { remove(old) }
    }

    /// Words of all slabs.
    var allocatedWords: Int { blocks.reduce(0) { $0 + $1.slabs.reduce(0) { $0 + $1.count } } }

    // MARK: Blocks

    /// The smallest size that so many words fit, and the number of the list.
    private static func size(for words: Int) -> Int {
        var (low, high) = (1, sizes.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sizes[middle] > words { high = middle } else { low = middle + 1 }
        }
        return low
    }

    @inline(__always)
    private mutating func mutableBlock(at place: Place) -> UnsafeMutableBufferPointer<UInt32> {
        let (size, slab) = (Int(place.size), Int(place.slab))
        if size == 0 { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        let words = blocks[size].words
        return blocks[size].slabs[slab].withUnsafeMutableBufferPointer {
            UnsafeMutableBufferPointer(rebasing: $0[(Int(place.slot) &* words)..<((Int(place.slot) &+ 1) &* words)])
        }
    }

    private mutating func add(_ size: Int, _ list: Int) -> Place {
        while blocks.count <= size { blocks.append(Blocks(words: Self.sizes[blocks.count])) }
        let place = place(ofBlock: blocks[size].count, size)
        if place.slot == 0 { blocks[size].slabs.append(ContiguousArray(repeating: 0, count: blocks[size].words * blocks[size].perSlab)) }
        blocks[size].count += 1
        mutableBlock(at: place)[0] = UInt32(list)
        return place
    }

    private mutating func remove(_ hole: Place) {
        let size = Int(hole.size)
        let last = place(ofBlock: blocks[size].count - 1, size)
        if last != hole {
            let words = blocks[size].words
            let start = Int(last.slot) * words
            let target = mutableBlock(at: hole)
            blocks[size].slabs[Int(last.slab)].withUnsafeBufferPointer { source in
                _ = target.update(fromContentsOf: source[start..<(start + words)])
            }
            places[Int(target[0])] = hole
        }
        blocks[size].count -= 1
        if last.slot == 0 { blocks[size].slabs.removeLast() }
    }

    private func place(ofBlock number: Int, _ size: Int) -> Place {
        let (slab, slot) = number.quotientAndRemainder(dividingBy: blocks[size].perSlab)
        return Place(size: UInt16(size), slot: UInt16(slot), slab: UInt32(slab))
    }
}
