import Logging
import Models
import Records
import ServiceRuntime

/// Answers what is expected where and when, from the complaints stored so far.
///
/// One forecast is made at a time, so that a crowd of callers takes one core at most; the last few are kept, as the callers of a dashboard
/// ask the same.
actor CellForecasts {
    static let horizonHours = 72
    /// Complaints older than this, and more than this, are not learned from.
    static let keptDays = 730
    static let maxIncidents = 300_000
    /// A forecast takes memory for each cell.
    static let maxCells = 100_000
    /// The present is taken this coarsely, so that callers share a forecast.
    private static let presentMinutes = 5
    private static let keptForecasts = 8

    /// What a forecast was made for.
    private struct Subject: Hashable {
        let kind: IncidentKind
        let cellMetres: Int
        let at: Timestamp
        /// The last complaint that was there; 0 for forecasts of the present, which are made anew soon enough.
        let newest: Int64
    }

    /// What is expected in each cell, for `horizonHours`.
    struct Forecast: Sendable {
        let at: Timestamp
        let cellMetres: Int
        let centres: [Coordinate]
        let timeline: EventTimeline
        /// That it was learned from: how many incidents of each type lie in each cell that has any.
        let incidents: [String: [Int: Int]]

        /// How many of them lie in some of the cells, and of which types, the most frequent first, equals by name.
        func learned(in cells: [Int]) -> (incidents: Int, types: [String]) {
            let cells = Set(cells)
            let counts = incidents.mapValues { $0.reduce(0) { cells.contains($1.key) ? $0 + $1.value : $0 } }.filter { $0.value > 0 }
            return (counts.values.reduce(0, +), counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key))
        }
    }

    private let store: RecordStore
    private let logger: Logger
    private let turnstile = Turnstile()
    /// The last used comes last.
    private var kept: [(subject: Subject, forecast: Forecast)] = []

    init(store: RecordStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// - Parameter moment: nothing that happened or was reported at it or later is looked at; nil for now.
    /// - Throws: `SpatialError`, for an unknown type among others.
    func forecast(_ kind: IncidentKind, cellMetres: Int, at moment: Timestamp?) async throws -> Forecast {
        try await turnstile.pass {
            let at = moment ?? Self.present()
            let newest = moment == nil ? 0 : try await store.lastComplaintNumber()
            let subject = Subject(kind: kind, cellMetres: cellMetres, at: at, newest: newest)
            if let index = kept.firstIndex(where: { $0.subject == subject }) {
                let found = kept.remove(at: index)
                kept.append(found)
                return found.forecast
            }
            let known = try await store.incidents(before: at, days: Self.keptDays, limit: Self.maxIncidents)
            let made = try await Self.forecast(Incidents(known, before: at), kind, cellMetres: cellMetres)
            kept.append((subject, made))
            if kept.count > Self.keptForecasts { kept.removeFirst() }
            logger.debug("forecast made", metadata: ["cells": "\(made.centres.count)", "incidents": "\(known.count)"])
            return made
        }
    }

    private static func present() -> Timestamp {
        let step = Int64(presentMinutes) * 60_000_000
        let now = Timestamp.now().microseconds
        return Timestamp(microseconds: now - now % step)
    }

    /// Computes beside the actor.
    @concurrent private static func forecast(_ incidents: Incidents, _ kind: IncidentKind, cellMetres: Int) async throws -> Forecast {
        let lattice = try CellLattice(around: incidents, cellMetres: Double(cellMetres))
        guard lattice.centres.count <= maxCells else { throw SpatialError.tooManyCells(count: lattice.centres.count, limit: maxCells) }
        let timeline = try SpatialRisk(fitting: incidents, on: lattice, kind: kind).timeline(hours: horizonHours)
        return Forecast(
            at: incidents.asOf, cellMetres: cellMetres, centres: lattice.centres, timeline: timeline,
            incidents: counts(of: incidents, on: lattice))
    }

    /// By type and cell.
    private static func counts(of incidents: Incidents, on lattice: CellLattice) -> [String: [Int: Int]] {
        let places = Dictionary(grouping: incidents.places.indices) { incidents.types[incidents.typeIndices[$0]] }
        return places.mapValues { indices in
            let cells = lattice.counts(of: indices.map { incidents.places[$0] }).cells
            return Dictionary(uniqueKeysWithValues: cells.enumerated().lazy.filter { $0.element > 0 }.map { ($0.offset, $0.element) })
        }
    }
}
