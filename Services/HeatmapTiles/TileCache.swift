import Geo
import RPC
import Synchronization

/// Answers made before, so that they are made once: found again by what was asked and by what the asker may see, forgotten when a cell in
/// them changes or when there is no room.
///
/// An answer that is being made is known too: whoever asks for the same meanwhile waits for it, and a change that comes in between keeps
/// it from being stored. It is of two generations: what is used moves to the young one, and when that is full the old one is dropped.
final class TileCache: Sendable {
    /// A whole answer.
    struct Answer: Sendable {
        let bytes: [UInt8]
        let tag: String
        /// Set when what is answered depends on cells within these tiles; nil when on none.
        let extent: Extent?
        /// Of the answer to a client that has it already, and of the whole one; made once, for many requests.
        private let unchangedHeaders: HTTPHeaders
        private let headers: HTTPHeaders

        /// An answer in a coding, with a tag of its own: what differs by a byte has another tag.
        init(_ content: [UInt8], contentType: String, coding: ContentCoding, extent: Extent? = nil) throws {
            let encoded = content.isEmpty ? content : try coding.encode(content, effort: .fast)
            // An encoder's array has room for the worst case, fifty times what a tile needs; a copy has room for the tile.
            bytes = encoded.withUnsafeBufferPointer { Array($0) }
            tag = EntityTag.of(encoded)
            self.extent = extent
            // A browser asks again each time, and mostly hears that nothing has changed.
            unchangedHeaders = ["etag": tag, "cache-control": "private, no-cache", "vary": "accept-encoding, authorization, cookie"]
            var headers = unchangedHeaders
            headers["content-type"] = contentType
            if coding != .identity, !content.isEmpty { headers["content-encoding"] = coding.rawValue }
            self.headers = headers
        }

        /// The answer to a request: whole, or 304 where the client has it.
        func response(to request: HTTPRequest) -> HTTPResponse {
            EntityTag.isHeld(tag, by: request.headers)
                ? HTTPResponse(status: 304, headers: unchangedHeaders) : HTTPResponse(headers: headers, body: .bytes(bytes))
        }
    }

    /// The tiles (at one zoom) whose cells an answer shows, and the view that gives its colours.
    struct Extent: Sendable, Hashable {
        var zoom: Int
        var codes: [UInt64]
        var view: TileRenderer.View?
        var scale: HeatScale?
    }

    private struct Generation {
        var answers: [String: Answer] = [:]
        var keysByTile: [Int: [UInt64: Set<String>]] = [:]
        var byteCount = 0
    }

    private final class Flight: Sendable {
        struct State {
            var result: Result<Answer, any Error>?
            var waiting: [CheckedContinuation<Answer, any Error>] = []
        }

        let subject: String
        let isStale = Atomic(false)
        let state = Mutex(State())

        init(subject: String) {
            self.subject = subject
        }

        func finish(_ result: Result<Answer, any Error>) {
            let waiting = state.withLock { state in
                state.result = result
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume(with: result) }
        }

        func value() async throws -> Answer {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state in
                    if state.result == nil { state.waiting.append(continuation) }
                    return state.result
                }
                if let result { continuation.resume(with: result) }
            }
        }
    }

    private struct State {
        var young = Generation()
        var old = Generation()
        var flights: [String: Flight] = [:]
        var flightsOfSubject: [String: Int] = [:]
        var easels: [String: Easel] = [:]
    }

    /// What one caller has in the making: how many are being drawn, and those that wait for their turn, the first first.
    private struct Easel {
        var drawing = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Answers that are asked for and not made yet, in all and for one caller.
    static let maxFlights = 512
    static let maxFlightsOfSubject = 96
    /// Of a caller's, those that are drawn at the same time: who asks for many does not stand before who asks for one.
    static let maxDrawingOfSubject = 4
    /// What an entry takes beside its bytes, and for each tile in its extent, about.
    private static let entryOverheadBytes = 400
    private static let extentOverheadBytes = 200

    private let maxBytes: Int
    private let state = Mutex(State())

    init(maxBytes: Int) {
        self.maxBytes = maxBytes
    }

    /// How many answers are kept.
    var count: Int { state.withLock { $0.young.answers.count + $0.old.answers.count } }
    var byteCount: Int { state.withLock { $0.young.byteCount + $0.old.byteCount } }

    /// What tells answers apart: the caller's jurisdictions as well as the address and its query.
    static func key(_ request: HTTPRequest, coding: String, permitted: Set<String>?) -> String {
        var key = coding
        key.reserveCapacity(96)
        if let permitted {
            for id in permitted.sorted() { key += " \(id.utf8.count) \(id)" }
            key += " 0"
        }
        key += request.path
        for (name, value) in request.query { key += "\u{0}" + name + "=" + value }
        return key
    }

    /// An answer made before; it stays on the thread of the caller.
    func hit(_ key: String) -> Answer? {
        state.withLock { state in
            if let answer = state.young.answers[key] { return answer }
            guard let answer = state.old.answers[key] else { return nil }
            Self.remove(key, from: &state.old)
            store(answer, key, in: &state)
            return answer
        }
    }

    /// An answer made before, or being made, or made now.
    ///
    /// - Throws: what `make` throws; `RESOURCE_EXHAUSTED` when too many answers are being made for this caller.
    func answer(_ key: String, for subject: String, make: @concurrent @Sendable () async throws -> Answer) async throws -> Answer {
        enum Turn { case found(Answer), wait(Flight), make(Flight), refused }
        let turn: Turn = state.withLock { state in
            if let answer = state.young.answers[key] ?? state.old.answers[key] { return .found(answer) }
            if let flight = state.flights[key] { return .wait(flight) }
            let own = state.flightsOfSubject[subject, default: 0]
            guard state.flights.count < Self.maxFlights, own < Self.maxFlightsOfSubject else { return .refused }
            let flight = Flight(subject: subject)
            state.flights[key] = flight
            state.flightsOfSubject[subject] = own + 1
            return .make(flight)
        }
        switch turn {
        case .found(let answer): return answer
        case .wait(let flight): return try await flight.value()
        case .refused:
            throw RPCError.resourceExhausted("\(Self.maxFlightsOfSubject) tiles are being made for you already", retryAfter: .seconds(1))
        case .make(let flight):
            let result: Result<Answer, any Error>
            await takeTurn(of: subject)
            do {
                // On a thread of its own: the connection's thread has others to serve.
                result = .success(try await withTaskExecutorPreference(globalConcurrentExecutor) { try await make() })
            } catch {
                result = .failure(error)
            }
            endTurn(of: subject)
            finish(flight, key, result)
            return try result.get()
        }
    }

    private func takeTurn(of subject: String) async {
        await withCheckedContinuation { continuation in
            let mayDraw = state.withLock { state in
                let isFree = state.easels[subject, default: Easel()].drawing < Self.maxDrawingOfSubject
                if isFree { state.easels[subject, default: Easel()].drawing += 1 } else { state.easels[subject]?.waiting.append(continuation) }
                return isFree
            }
            if mayDraw { continuation.resume() }
        }
    }

    /// Gives the turn to the caller's next, if there is one.
    private func endTurn(of subject: String) {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard var easel = state.easels[subject] else { return nil }
            let next = easel.waiting.isEmpty ? nil : easel.waiting.removeFirst()
            if next == nil { easel.drawing -= 1 }
            state.easels[subject] = easel.drawing > 0 ? easel : nil
            return next
        }
        next?.resume()
    }

    private func finish(_ flight: Flight, _ key: String, _ result: Result<Answer, any Error>) {
        state.withLock { state in
            state.flights[key] = nil
            let left = state.flightsOfSubject[flight.subject, default: 1] - 1
            state.flightsOfSubject[flight.subject] = left > 0 ? left : nil
            if case .success(let answer) = result, !flight.isStale.load(ordering: .relaxed) { store(answer, key, in: &state) }
        }
        flight.finish(result)
    }

    private func store(_ answer: Answer, _ key: String, in state: inout State) {
        let size = Self.size(of: answer, key)
        guard size <= maxBytes / 4 else { return }
        if state.young.byteCount + size > maxBytes / 2 {
            state.old = state.young
            state.young = Generation()
        }
        Self.remove(key, from: &state.old)
        Self.remove(key, from: &state.young)
        state.young.answers[key] = answer
        state.young.byteCount += size
        for code in answer.extent?.codes ?? [] {
            state.young.keysByTile[answer.extent?.zoom ?? 0, default: [:]][code, default: []].insert(key)
        }
    }

    private static func size(of answer: Answer, _ key: String) -> Int {
        answer.bytes.count + key.utf8.count + entryOverheadBytes + (answer.extent?.codes.count ?? 0) * extentOverheadBytes
    }

    private static func remove(_ key: String, from generation: inout Generation) {
        guard let answer = generation.answers.removeValue(forKey: key) else { return }
        generation.byteCount -= size(of: answer, key)
        guard let extent = answer.extent else { return }
        for code in extent.codes {
            generation.keysByTile[extent.zoom]?[code]?.remove(key)
            if generation.keysByTile[extent.zoom]?[code]?.isEmpty == true { generation.keysByTile[extent.zoom]?[code] = nil }
        }
    }

    // MARK: Forgetting

    /// Forgets what a change of the map touches.
    func forget(_ effect: LiveMap.Effect) {
        if effect.everythingChanged { forgetAll() } else { forget(cells: effect.cells) }
    }

    /// Forgets, for ever and each second, the answers of views whose colours are measured otherwise by now.
    func followScales(of map: LiveMap, _ renderer: TileRenderer, clock: any Clock<Duration> = ContinuousClock()) async throws {
        while true {
            try await clock.sleep(for: .seconds(1))
            let state = map.current
            forgetViews { view, scale in
                // The past does not change; a new forecast takes all away that shows the old.
                guard view.filter.knownBefore == nil, view.filter.layer != .forecast else { return false }
                return renderer.scale(state, view, renderer.prepare(view.filter, for: state)) != scale
            }
        }
    }

    /// Forgets the answers that show one of these cells (codes at zoom 17).
    func forget(cells: Set<UInt64>) {
        state.withLock { state in
            // Which of them show the cells is not known before they are made.
            for flight in state.flights.values { flight.isStale.store(true, ordering: .relaxed) }
            Self.forget(cells, in: &state.young)
            Self.forget(cells, in: &state.old)
        }
    }

    private static func forget(_ cells: Set<UInt64>, in generation: inout Generation) {
        for zoom in generation.keysByTile.keys {
            let shift = UInt64(2 * max(0, Cube.cellZoom - zoom))
            for code in Set(cells.lazy.map { $0 >> shift }) {
                for key in generation.keysByTile[zoom]?[code] ?? [] { remove(key, from: &generation) }
            }
        }
    }

    /// Forgets everything.
    func forgetAll() {
        state.withLock { state in
            for flight in state.flights.values { flight.isStale.store(true, ordering: .relaxed) }
            state.young = Generation()
            state.old = Generation()
        }
    }

    /// Forgets the answers of views whose scale has moved on.
    func forgetViews(where isOutdated: (TileRenderer.View, HeatScale) -> Bool) {
        let views = state.withLock { state in
            Set([state.young, state.old].flatMap { $0.answers.values.compactMap(\.extent).compactMap { ViewScale($0) } })
        }
        let outdated = views.filter { isOutdated($0.view, $0.scale) }
        guard !outdated.isEmpty else { return }
        state.withLock { state in
            for key in state.young.answers.filter({ $0.value.extent.flatMap { ViewScale($0) }.map(outdated.contains) ?? false }).keys {
                Self.remove(key, from: &state.young)
            }
            for key in state.old.answers.filter({ $0.value.extent.flatMap { ViewScale($0) }.map(outdated.contains) ?? false }).keys {
                Self.remove(key, from: &state.old)
            }
        }
    }

    private struct ViewScale: Hashable {
        var view: TileRenderer.View
        var scale: HeatScale

        init?(_ extent: Extent) {
            guard let view = extent.view, let scale = extent.scale else { return nil }
            (self.view, self.scale) = (view, scale)
        }
    }
}
