/// How often a peer may do what costs it little and us much: a burst, refilled over time.
struct FloodLimits: Sendable {
    /// Streams given up before they were answered (CVE-2023-44487).
    var maxResetBurst = 500
    var maxResetsPerSecond = 100
    var maxSettingsBurst = 64
    var maxPingBurst = 500
    /// A peer that reads fast sends two for each frame of ours.
    var maxWindowUpdatesPerSecond = 500_000
    /// Empty DATA and PRIORITY frames. Those of unknown types are dropped unseen.
    var maxIdleFrameBurst = 1000
    var maxControlFramesPerSecond = 100
    /// Frames one header block may be cut into.
    var maxContinuations = 16
}

/// Counts a peer's cheap frames against the limits. Pure: time is told.
struct FloodGuard {
    private struct Bucket {
        let capacity: Double
        let perSecond: Double
        var level: Double

        init(capacity: Int, perSecond: Int) {
            self.capacity = Double(capacity)
            self.perSecond = Double(perSecond)
            level = Double(capacity)
        }

        mutating func take() -> Bool {
            guard level >= 1 else { return false }
            level -= 1
            return true
        }

        mutating func refill(seconds: Double) {
            level = min(capacity, level + perSecond * seconds)
        }
    }

    private let maxContinuations: Int
    private var resets: Bucket
    private var settings: Bucket
    private var pings: Bucket
    private var idleFrames: Bucket
    private var windowUpdates: Bucket
    private var continuations = 0
    private var lastNanoseconds: UInt64?

    init(_ limits: FloodLimits) {
        maxContinuations = limits.maxContinuations
        resets = Bucket(capacity: limits.maxResetBurst, perSecond: limits.maxResetsPerSecond)
        settings = Bucket(capacity: limits.maxSettingsBurst, perSecond: 1)
        pings = Bucket(capacity: limits.maxPingBurst, perSecond: limits.maxControlFramesPerSecond)
        windowUpdates = Bucket(capacity: limits.maxWindowUpdatesPerSecond, perSecond: limits.maxWindowUpdatesPerSecond)
        idleFrames = Bucket(capacity: limits.maxIdleFrameBurst, perSecond: limits.maxControlFramesPerSecond)
    }

    mutating func advance(to nanoseconds: UInt64) {
        guard let last = lastNanoseconds else {
            lastNanoseconds = nanoseconds
            return
        }
        // Refilling on every read would cost more than it tells.
        guard nanoseconds > last, nanoseconds - last >= 10_000_000 else { return }
        lastNanoseconds = nanoseconds
        let seconds = Double(nanoseconds - last) / 1e9
        resets.refill(seconds: seconds)
        settings.refill(seconds: seconds)
        pings.refill(seconds: seconds)
        idleFrames.refill(seconds: seconds)
        windowUpdates.refill(seconds: seconds)
    }

    mutating func allowsReset() -> Bool { resets.take() }
    mutating func allowsSettings() -> Bool { settings.take() }
    mutating func allowsPing() -> Bool { pings.take() }
    mutating func allowsWindowUpdate() -> Bool { windowUpdates.take() }
    mutating func allowsIdleFrame() -> Bool { idleFrames.take() }

    mutating func beginHeaders() { continuations = 0 }

    mutating func allowsContinuation() -> Bool {
        continuations += 1
        return continuations <= maxContinuations
    }
}
