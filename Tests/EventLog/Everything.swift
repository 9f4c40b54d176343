import EventLog

extension EventLog {
    /// Waits until `count` events can be read, and returns them. Other tests' transactions in the same server hold back what has just
    /// been committed, so a single read may come too early.
    func everything(_ count: Int, batchLimit: Int = 1000) async throws -> [LoggedEvent] {
        var all: [LoggedEvent] = []
        guard count > 0 else { return all }
        for try await events in tail(after: .start, batchLimit: batchLimit, pollMilliseconds: 5) {
            all += events
            if all.count >= count { break }
        }
        return all
    }
}
