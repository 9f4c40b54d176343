import Contracts
import Logging
import Models
import RecordCoding
import Records

/// Answers where and when money will be taken out, from the records stored so far.
///
/// What is stored is read into memory piece by piece, by the rows' numbers, so every replica comes to have all of it whoever followed
/// the log. The model begins with weights that hold anywhere and is fitted to the complaints here as their outcomes become known.
actor CashOutForecaster {
    private let store: RecordStore
    private let logger: Logger
    private var history = CashHistory(machines: CashMachines([]))
    private var seen = (machines: Int64(0), movements: Int64(0), complaints: Int64(0))
    private var complaintCount = 0
    private var newest = Timestamp.epoch
    private var model = CashOutModel.prior
    private var fittedCount = 0
    private var isLoading = false
    private var loadsBegun = 0
    /// The number of the last load that went well.
    private var lastLoaded = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []

    private static let pageRows = 10_000
    /// The model is fitted again when so many complaints more are known, as a share of those before.
    private static let growth = 1.1

    init(store: RecordStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// - Parameter time: nothing later is looked at.
    func predict(_ complaint: Complaint, at time: Timestamp) async throws -> (prediction: CashOutPrediction, fittedComplaints: Int) {
        try await load()
        let (model, history) = (model, history)
        return (await Self.predict(complaint, at: time, history, model), model.complaints)
    }

    /// Computes beside the actor, so that callers do not wait for one another.
    @concurrent private static func predict(
        _ complaint: Complaint, at time: Timestamp, _ history: CashHistory, _ model: CashOutModel
    ) async -> CashOutPrediction {
        model.predict(complaint, at: time, history: history)
    }

    /// Reads on and fits anew until cancelled. What fails now may go better the next time.
    func keepFitted(everySeconds seconds: Double) async throws {
        while true {
            do {
                try await store.removeOldMovements()
                try await load()
                if Double(complaintCount) > Double(fittedCount) * Self.growth {
                    let count = complaintCount
                    model = await Self.fit(history, before: newest)
                    fittedCount = count
                    logger.info("cash-out model fitted", metadata: ["complaints": "\(model.complaints)"])
                }
            } catch {
                try Task.checkCancellation()
                logger.warning("the cash-out model could not be fitted", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: .seconds(seconds))
        }
    }

    @concurrent private static func fit(_ history: CashHistory, before time: Timestamp) async -> CashOutModel {
        CashOutModel.fitted(to: [history], before: time)
    }

    /// Makes sure that all is read that had been stored when this was called. Those who come while a reading is under way, which may have
    /// begun before what they ask about was stored, share the next one.
    private func load() async throws {
        let needed = loadsBegun + 1
        while isLoading {
            await withCheckedContinuation { waiting.append($0) }
            if lastLoaded >= needed { return }
        }
        loadsBegun += 1
        let number = loadsBegun
        isLoading = true
        defer {
            isLoading = false
            for waiter in waiting { waiter.resume() }
            waiting = []
        }
        try await read()
        lastLoaded = number
    }

    private func read() async throws {
        let machineNumber = try await store.lastMachineNumber()
        if machineNumber != seen.machines {
            // Everything hangs on the machines, which rarely change: all is read again beside what is there.
            try await rebuild(machineNumber: machineNumber)
            return
        }
        while let page = try await page(after: seen) {
            for movement in page.movements { history.add(movement) }
            for complaint in page.complaints { history.add(complaint) }
            seen = page.marks
            note(page)
        }
    }

    private func rebuild(machineNumber: Int64) async throws {
        var rebuilt = CashHistory(machines: CashMachines(try await store.machines()))
        var marks = (machines: machineNumber, movements: Int64(0), complaints: Int64(0))
        complaintCount = 0
        while let page = try await page(after: marks) {
            for movement in page.movements { rebuilt.add(movement) }
            for complaint in page.complaints { rebuilt.add(complaint) }
            marks = page.marks
            note(page)
        }
        history = rebuilt
        seen = marks
    }

    private func note(_ page: Page) {
        complaintCount += page.complaints.count
        newest = page.movements.map(\.time).max().map { max($0, newest) } ?? newest
    }

    private struct Page {
        let movements: [CashMovement]
        let complaints: [Complaint]
        let marks: (machines: Int64, movements: Int64, complaints: Int64)
    }

    /// What comes after these numbers; nil when there is nothing.
    private func page(after marks: (machines: Int64, movements: Int64, complaints: Int64)) async throws -> Page? {
        let movements = try await store.movements(after: marks.movements, limit: Self.pageRows)
        let encoded = try await store.complaints(after: marks.complaints, limit: Self.pageRows)
        guard !movements.movements.isEmpty || !encoded.complaints.isEmpty else { return nil }
        return Page(
            movements: movements.movements, complaints: try Self.decoded(encoded.complaints),
            marks: (machines: marks.machines, movements: movements.last, complaints: encoded.last))
    }

    /// Apart from `page`, because Swift 6.3 crashes when it optimises a throwing closure inside that asynchronous function.
    private static func decoded(_ rows: [(reporter: String, encoded: [UInt8])]) throws -> [Complaint] {
        try rows.map { row in
            try Complaint(try Payload.decode(RecordsV1.Complaint.self, row.encoded), reporter: .init(kind: .agency, id: row.reporter))
        }
    }
}
