/// Slows down guessing of passwords and secrets. A value without a clock or a lock: the caller supplies both.
///
/// An attempt counts as failed from its beginning, so that guesses sent side by side gain nothing; success takes it back. After
/// ``Limits/freeFailures`` failures each further one makes the pair of subject and address wait twice as long. Besides, a subject
/// may fail only so often from all addresses together, which bounds guessing from many machines.
struct LoginLimiter: Sendable {
    struct Limits: Sendable {
        /// Failures of a subject from one address that cost nothing.
        var freeFailures = 5
        var firstWaitSeconds: Int64 = 2
        var maxWaitSeconds: Int64 = 900
        /// Failures are forgotten after this time without another.
        var forgetAfterSeconds: Int64 = 1_800
        /// Failures of a subject from all addresses, after which it waits ``firstWaitSeconds`` doubled likewise.
        var freeFailuresFromAllAddresses = 50
        /// Entries kept; beyond it the least lately used are forgotten.
        var maxEntries = 20_000
    }

    enum Decision: Hashable, Sendable {
        case proceed
        case wait(seconds: Int64)
    }

    private struct Entry {
        var failures = 0
        var lastFailureAt: Int64
        var blockedUntil: Int64 = 0
    }

    private struct Key: Hashable {
        var subject: String
        /// `nil` for all addresses together.
        var address: String?
    }

    private let limits: Limits
    private var recent: [Key: Entry] = [:]
    private var older: [Key: Entry] = [:]

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    var entryCount: Int { recent.count + older.count }

    /// Asks to check a secret. `proceed` counts as a failure until ``succeeded(subject:address:)``.
    mutating func begin(subject: String, address: String, now: Int64) -> Decision {
        let keys = [
            (Key(subject: subject, address: address), limits.freeFailures),
            (Key(subject: subject, address: nil), limits.freeFailuresFromAllAddresses),
        ]
        let blockedUntil = keys.map { entry($0.0, now: now)?.blockedUntil ?? 0 }.max() ?? 0
        if blockedUntil > now { return .wait(seconds: blockedUntil - now) }
        for (key, free) in keys {
            var entry = entry(key, now: now) ?? Entry(lastFailureAt: now)
            entry.failures += 1
            entry.lastFailureAt = now
            if entry.failures >= free {
                let doublings = min(entry.failures - free, 20)
                entry.blockedUntil = now + min(limits.firstWaitSeconds << Int64(doublings), limits.maxWaitSeconds)
            }
            store(entry, key)
        }
        return .proceed
    }

    /// The secret was right: the failures from this address are forgotten, and the attempt itself does not count for the rest.
    mutating func succeeded(subject: String, address: String) {
        let own = Key(subject: subject, address: address)
        recent[own] = nil
        older[own] = nil
        let all = Key(subject: subject, address: nil)
        guard var entry = recent[all] ?? older[all] else { return }
        entry.failures -= 1
        if entry.failures < limits.freeFailuresFromAllAddresses { entry.blockedUntil = 0 }
        store(entry, all)
    }

    private func entry(_ key: Key, now: Int64) -> Entry? {
        guard let entry = recent[key] ?? older[key], now - entry.lastFailureAt < limits.forgetAfterSeconds else { return nil }
        return entry
    }

    private mutating func store(_ entry: Entry, _ key: Key) {
        if recent[key] == nil, recent.count >= max(1, limits.maxEntries / 2) {
            older = recent
            recent = [:]
        }
        older[key] = nil
        recent[key] = entry
    }
}
