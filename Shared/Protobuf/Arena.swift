#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

import CProtobufC

/// The memory that protobuf-c unpacks a message into: handed out by moving a pointer, given back all at once.
///
/// Each thread keeps one arena whose first block is reused; a larger message chains further blocks, which are freed with
/// the message. Every allocation is preceded by its size in a word of its own: that is how the length of a string is
/// known although protobuf-c only terminates it with NUL.
@usableFromInline
struct Arena {
    static let headerBytes = MemoryLayout<Int>.size
    private static let firstBlockBytes = 16 << 10
    private static let minChainedBlockBytes = 64 << 10

    private let firstBlock = UnsafeMutableRawPointer.allocate(byteCount: firstBlockBytes, alignment: 16)
    private var chained: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer
    private var end: UnsafeMutableRawPointer
    /// How many bytes may still be handed out.
    private var budget = 0
    private(set) var isExhausted = false
    /// Whether a message lies in it.
    var isInUse = false

    init() {
        next = firstBlock
        end = firstBlock + Self.firstBlockBytes
    }

    /// Makes the arena empty, with `budget` bytes to hand out.
    mutating func reset(budget: Int) {
        for block in chained { block.deallocate() }
        chained.removeAll()
        next = firstBlock
        end = firstBlock + Self.firstBlockBytes
        self.budget = budget
        isExhausted = false
    }

    mutating func deallocate() {
        reset(budget: 0)
        firstBlock.deallocate()
    }

    /// `byteCount` bytes, aligned for every field kind; nil where the budget does not reach.
    mutating func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        guard byteCount >= 0, byteCount <= budget - Self.headerBytes else {
            isExhausted = true
            return nil
        }
        // Rounded up to whole words, so that the next header is aligned.
        let total = Self.headerBytes + (byteCount + 7) & ~7
        budget -= total
        if end - next < total {
            let blockBytes = max(total, Self.minChainedBlockBytes)
            let block = UnsafeMutableRawPointer.allocate(byteCount: blockBytes, alignment: 16)
            chained.append(block)
            next = block
            end = block + blockBytes
        }
        next.storeBytes(of: byteCount, as: Int.self)
        defer { next += total }
        return next + Self.headerBytes
    }

    /// How many bytes were asked for when `allocation` was made.
    static func byteCount(of allocation: UnsafeRawPointer) -> Int {
        (allocation - headerBytes).load(as: Int.self)
    }
}

/// Lends out the calling thread's arena, or a new one where a message already lies in that.
enum ArenaPool {
    /// The thread's arena; freed when the thread ends.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { stored in
            // Darwin declares the argument as non-optional, Linux as optional.
            let pointer: UnsafeMutableRawPointer? = stored
            guard let arena = pointer?.assumingMemoryBound(to: Arena.self) else { return }
            arena.pointee.deallocate()
            arena.deinitialize(count: 1)
            arena.deallocate()
        }
        precondition(status == 0, "no thread-specific storage left")
        return key
    }()

    static func take(budget: Int) -> UnsafeMutablePointer<Arena> {
        let arena: UnsafeMutablePointer<Arena>
        if let kept = pthread_getspecific(key)?.assumingMemoryBound(to: Arena.self) {
            arena = kept.pointee.isInUse ? make() : kept
        } else {
            arena = make()
            pthread_setspecific(key, arena)
        }
        arena.pointee.reset(budget: budget)
        arena.pointee.isInUse = true
        return arena
    }

    static func giveBack(_ arena: UnsafeMutablePointer<Arena>) {
        arena.pointee.isInUse = false
        if pthread_getspecific(key) == UnsafeMutableRawPointer(arena) {
            arena.pointee.reset(budget: 0)
        } else {
            arena.pointee.deallocate()
            arena.deinitialize(count: 1)
            arena.deallocate()
        }
    }

    private static func make() -> UnsafeMutablePointer<Arena> {
        let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
        arena.initialize(to: Arena())
        return arena
    }
}

extension ProtobufCAllocator {
    /// An allocator over `arena`; freeing does nothing, for the arena is given back whole.
    init(arena: UnsafeMutablePointer<Arena>) {
        self.init(
            alloc: { data, byteCount in data?.assumingMemoryBound(to: Arena.self).pointee.allocate(byteCount) },
            free: { _, _ in },
            allocator_data: arena)
    }
}
