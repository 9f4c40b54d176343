import Foundation
import Records
import Simulation

/// The simulated city of the first run. It ends now: a month of history, from which the first model learns, and the day
/// up to now, which is then replayed.
struct SampleWorld {
    static let days = 36
    static let customers = 800
    static let sizeVariable = "VIGIL_SAMPLE_CUSTOMERS"

    let world: World
    /// Until when the simulation counts as having happened.
    let now: Timestamp

    /// The records of the replayed day are younger than this.
    var dayBegins: Timestamp { now - .days(1) }

    /// - Parameter home: keeps the moment the world was made for, so that a first run that was interrupted goes on with the same one.
    init(home: SuiteHome) throws {
        let file = "\(home.sample)/now"
        if let text = try? String(contentsOfFile: file, encoding: .utf8),
            let microseconds = Int64(text.trimmingCharacters(in: .whitespacesAndNewlines))
        {
            now = Timestamp(microseconds: microseconds)
        } else {
            now = Timestamp.now()
            try SuiteHome.write(Array("\(now.microseconds)\n".utf8), to: file)
        }
        let size = ProcessInfo.processInfo.environment[Self.sizeVariable].flatMap { Int($0) } ?? Self.customers
        let midnight = Timestamp(microseconds: now.microseconds - now.microseconds % Timestamp.microsecondsPerDay)
        world = World(WorldConfiguration(
            start: midnight - .days(Self.days - 1), days: Self.days, customers: max(20, size), bankID: Principals.bank))
    }

    /// In order of time, as far as they have happened.
    var transactions: [Transaction] { world.transactions.filter { $0.eventTime <= now } }
    var labels: [Label] { world.labels.filter { $0.knownAt <= now } }
    var complaints: [Complaint] { world.complaints.filter { $0.reportedAt <= now } }
}
