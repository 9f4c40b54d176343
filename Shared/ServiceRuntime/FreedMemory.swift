internal import CMalloc

/// What the allocator does with memory that a service has freed.
public enum FreedMemory {
    private static let largestKeptBlockBytes: Int32 = 2 << 20
    private static let keptBytes: Int32 = 2 << 20

    /// Keeps up to 2 MiB of freed memory an arena for the next allocation; more would be held by each of a process's arenas. By itself
    /// glibc gives a megabyte back to the system as soon as it is freed, and a service that sends large messages then spends more time in
    /// page faults than in the network. To be called before the process has made other threads.
    public static func keep() {
        // Both, for setting one ends glibc's own choice of the other.
        _ = mallopt(M_MMAP_THRESHOLD, largestKeptBlockBytes)
        _ = mallopt(M_TRIM_THRESHOLD, keptBytes)
    }
}
