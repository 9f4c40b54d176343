/// When a loop's thread does well to pause before it looks at its sockets again. An answer that comes alone costs a wake-up of
/// the thread, a read and, for the call that its caller makes next, a write: more than all else of a call. Where many calls are
/// in flight and answers follow each other closely, a short pause lets one turn serve many, as network cards do with interrupts.
///
/// Nobody waits for long: at most ``maxPauseNanoseconds``, only while a quarter of the calls in flight are answered, and not at
/// all where that would be fewer than four. A server that cannot keep up has the calls queued anyhow and loses nothing by it.
///
/// Pure: time is told. Confined to its loop.
struct Gathering {
    /// Unary calls; streams may be silent for hours.
    private(set) var callsInFlight = 0
    /// Since the last turn.
    private var answers = 0
    private var lastTurnAt: UInt64 = 0
    /// Sums over the last turns, each of which weighs an eighth less at the next.
    private var recentNanoseconds = Self.maxTurnNanoseconds
    private var recentAnswers = 0.0

    /// The kernel adds up to 50 microseconds of its own.
    static let maxPauseNanoseconds = 150_000.0
    private static let minAnswers = 4.0
    /// Counted of the time between two turns, so that a quiet spell is soon forgotten.
    private static let maxTurnNanoseconds = 1e6
    private static let weightOfPast = 0.875

    mutating func callStarted() { callsInFlight += 1 }

    mutating func callEnded() {
        callsInFlight -= 1
        answers += 1
    }

    /// Calls have ended since the last turn that was told of.
    var hasAnswers: Bool { answers > 0 }

    /// Tells that a turn of the loop has ended that brought answers.
    ///
    /// - Parameter now: nanoseconds of a monotonic clock.
    /// - Returns: nanoseconds to pause for; 0 for none.
    mutating func pause(now: UInt64) -> UInt64 {
        let elapsed = Double(now - min(lastTurnAt, now))
        recentNanoseconds = recentNanoseconds * Self.weightOfPast + min(elapsed, Self.maxTurnNanoseconds)
        recentAnswers = recentAnswers * Self.weightOfPast + Double(answers)
        lastTurnAt = now
        answers = 0
        let interval = recentNanoseconds / max(recentAnswers, 1)
        let pause = min(interval * Double(callsInFlight) / 4, Self.maxPauseNanoseconds)
        return pause >= Self.minAnswers * interval ? UInt64(pause) : 0
    }
}
