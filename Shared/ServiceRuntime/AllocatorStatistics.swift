internal import CJemalloc

/// What the process's allocator holds.
///
/// Every executable with this module in it has jemalloc in place of glibc's allocator: a service answers many calls in one turn of a loop,
/// so it allocates hundreds of small objects, then frees them; glibc keeps seven of a size at hand, jemalloc many more. It also keeps freed
/// pages for some seconds, where glibc gives a megabyte back to the system as soon as it is free, only to fault it in again.
enum AllocatorStatistics {
    /// In use by the program, in bytes.
    static var allocatedBytes: Int { bytes("stats.allocated") }
    /// In pages that the process has from the system, in bytes: those in use, the allocator's own, and those kept for soon.
    static var residentBytes: Int { bytes("stats.resident") }

    /// Takes the figures anew; they stay as they are until it is called again.
    static func refresh() {
        var epoch: UInt64 = 1
        mallctl("epoch", nil, nil, &epoch, MemoryLayout<UInt64>.size)
    }

    private static func bytes(_ name: String) -> Int {
        var value = 0
        var size = MemoryLayout<Int>.size
        return mallctl(name, &value, &size, nil, 0) == 0 ? value : 0
    }
}
