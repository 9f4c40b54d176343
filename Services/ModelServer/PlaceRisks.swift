import Logging
import Models
import Records
import Synchronization

/// How risky places are now, from the complaints stored so far, ready for a look at any time: scoring never waits for a map in the making.
final class PlaceRisks: Sendable {
    private let store: RecordStore
    private let logger: Logger
    private let current = Mutex<PlaceRisk?>(nil)

    init(store: RecordStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// See `Ensemble.Signal.place`; NaN where there is no map, or the place is not on it.
    func value(at place: Coordinate?) -> Double { current.withLock { $0 }?.value(at: place) ?? .nan }

    /// Draws the map anew until cancelled, where complaints have come in. What fails now may go better the next time.
    func keepCurrent(everySeconds seconds: Double) async throws {
        var drawnWith: Int64 = -1
        while true {
            do {
                let newest = try await store.lastComplaintNumber()
                if newest != drawnWith {
                    let now = Timestamp.now()
                    let known = try await store.incidents(
                        before: now, days: CellForecasts.keptDays, limit: CellForecasts.maxIncidents)
                    let map = try await Self.map(Incidents(known, before: now))
                    current.withLock { $0 = map }
                    drawnWith = newest
                    logger.debug("risk of places", metadata: ["incidents": "\(known.count)", "has_map": "\(map != nil)"])
                }
            } catch {
                try Task.checkCancellation()
                logger.warning("the risk of places could not be told", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    @concurrent private static func map(_ incidents: Incidents) async throws -> PlaceRisk? { try PlaceRisk(knowing: incidents) }
}
