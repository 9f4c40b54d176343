import Datasets
import Foundation
import Synchronization

/// One run over a file: hands out rows to send, takes answers, keeps counts, rejects and the checkpoint. Used by the task that writes
/// and the one that reads a stream at the same time.
final class ImportSession: Sendable {
    struct Files {
        var rejects: String
        /// Nil where an import cannot go on after an interruption.
        var checkpoint: String?
        var source: ImportCheckpoint.Source?
        /// Whether what earlier runs refused stays, because its rows do not come again.
        var keepsEarlierRejects = false
    }

    fileprivate static let checkpointInterval = Duration.seconds(1)

    fileprivate struct State: ~Copyable {
        let reader: DatasetReader
        let limit: Int
        /// How many rows the checkpoint counts as sent ahead of their being so.
        let reservedRows: Int
        let mapping: Mapping
        let namesBank: Bool
        let files: Files
        let rejects: RejectsFile
        var ledger: ImportLedger<ImportMessage>
        var progress: ImportProgress
        /// The checkpoint on disk says that rows up to this one may have been sent.
        var reservedRow = 0
        var isAtEnd = false
        var isStopping = false
        /// Why the file could not be read to its end. What came before is sent and answered first.
        var failure: DatasetError?
        /// The writing task, while it waits for an answer.
        var waiter: CheckedContinuation<Void, Never>?
        var lastCheckpoint = ContinuousClock.now
        var lastAnswer = ContinuousClock.now
        var answersOnThisConnection = 0
    }

    private let state: Mutex<State>
    let lock: ImportLock
    /// Rows that earlier runs had done.
    let rowsBefore: Int

    /// Opens the file, at the place where an interrupted run stopped.
    ///
    /// - Parameters:
    ///   - namesBank: whether each row says whose it is; if not, it is the caller's.
    ///   - resume: begin where the checkpoint says, if there is one for the same file, mapping and gateway.
    init(
        file: String, mapping: Mapping, options: ReadOptions, namesBank: Bool, limit: Int?, files: Files, maxInFlight: Int, resume: Bool
    ) throws {
        let reader = try DatasetReader(file: file, mapping: mapping, options: options)
        lock = try ImportLock(path: files.rejects)
        var checkpoint = resume ? files.checkpoint.flatMap(ImportCheckpoint.read) : nil
        if checkpoint?.source != files.source { checkpoint = nil }
        let rejects = try RejectsFile(path: files.rejects, keptBytes: checkpoint?.rejectsBytes ?? 0, keepsEarlier: files.keepsEarlierRejects)
        if let checkpoint {
            try reader.skip(to: checkpoint.position.rowPosition)
            if checkpoint.isPositionDone { _ = try reader.next() }
        }
        let counts = checkpoint?.counts ?? ImportCounts()
        rowsBefore = counts.rows
        state = Mutex(
            State(
                reader: reader, limit: limit ?? .max, reservedRows: 2 * maxInFlight, mapping: mapping, namesBank: namesBank,
                files: files, rejects: rejects,
                ledger: ImportLedger(maxInFlight: maxInFlight, counts: counts, sentBefore: checkpoint?.lastSentRow ?? 0),
                progress: ImportProgress(rowsBefore: counts.rows)))
    }

    // MARK: What the writing task does

    /// The next row to send; nil when there is none left, or the import is to stop. Waits while enough is on its way.
    func next() async throws -> (row: UInt64, message: ImportMessage)? {
        while true {
            let step = try state.withLock { try $0.step() }
            switch step {
            case .send(let row, let message): return (UInt64(row), message)
            case .read: return nil
            case .wait: await waitForAnswer()
            }
            if Task.isCancelled { return nil }
        }
    }

    private func waitForAnswer() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    // An answer may have come between the step and this.
                    if state.mayGoOn || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            wake()
        }
    }

    private func wake() {
        let waiter = state.withLock { $0.waiter.take() }
        waiter?.resume()
    }

    // MARK: What the reading task does

    func answer(row: UInt64, _ result: RowResult?) throws {
        guard let result, let row = Int(exactly: row) else { return }
        let waiter = try state.withLock { state in
            state.ledger.answer(row: row, result)
            state.answersOnThisConnection += 1
            state.lastAnswer = .now
            try state.settle()
            return state.waiter.take()
        }
        waiter?.resume()
    }

    // MARK: What the importer does

    /// Reads the whole file and sends nothing.
    func dryRun() throws {
        while try state.withLock({ state in try state.readOne(sends: false) }) {}
    }

    /// The connection is gone. Returns whether it had brought any answer.
    func connectionLost() -> Bool {
        state.withLock { state in
            state.ledger.connectionLost()
            defer { state.answersOnThisConnection = 0 }
            return state.answersOnThisConnection > 0
        }
    }

    /// Sends nothing more; what is on its way may still be answered.
    func stop() {
        state.withLock { $0.isStopping = true }
        wake()
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }
    /// Whether every row of the file is done.
    var isDone: Bool { state.withLock { $0.isAtEnd && $0.ledger.isSettled } }
    var counts: ImportCounts { state.withLock { $0.ledger.counts } }
    /// Why the file could not be read to its end.
    var failure: DatasetError? { state.withLock { $0.failure } }
    var sinceLastAnswer: Duration { state.withLock { ContinuousClock.now - $0.lastAnswer } }

    /// Of this run: the first rows that were refused, in words.
    var firstFaults: [String] { state.withLock { $0.rejects.firstFaults } }
    var earlierRejects: [String] { state.withLock { $0.rejects.earlier } }
    /// Whether the file was read to its end and had no row.
    var isWithoutRows: Bool { state.withLock { $0.isAtEnd && $0.failure == nil && $0.ledger.counts.rows == 0 } }

    func note(_ text: String) { state.withLock { $0.progress.note(text) } }

    /// Whether the same command would go on where this run ended.
    var canGoOn: Bool {
        state.withLock { state in
            guard let path = state.files.checkpoint else { return false }
            return FileManager.default.fileExists(atPath: path)
        }
    }

    /// Writes what is open, and takes the checkpoint away when all is done. Returns the rejects file, if there is one.
    func finish() throws -> String? {
        defer { lock.release() }
        return try state.withLock { state in
            state.progress.end()
            if state.isAtEnd, state.ledger.isSettled {
                try state.rejects.flush()
                if let path = state.files.checkpoint { try? FileManager.default.removeItem(atPath: path) }
            } else {
                state.reservedRow = 0
                try state.writeCheckpoint()
            }
            return state.rejects.exists ? state.rejects.path : nil
        }
    }
}

extension ImportSession.State {
    /// Whether the writing task has something to do.
    var mayGoOn: Bool { isStopping || !ledger.mustWait }

    /// `.read` means that there is nothing more to send.
    mutating func step() throws -> ImportLedger<ImportMessage>.Step {
        while !isStopping {
            let step = ledger.next()
            switch step {
            case .send: return step
            case .wait: return .wait
            case .read:
                if isAtEnd { return .read }
                if let step = try read() {
                    try reserve()
                    return step
                }
            }
        }
        return .read
    }

    /// Says in the checkpoint that a row may have been sent, before it is: a run that is killed cannot say it afterwards.
    private mutating func reserve() throws {
        guard files.checkpoint != nil, ledger.lastSentRow > reservedRow else { return }
        reservedRow = ledger.lastSentRow + reservedRows
        try writeCheckpoint()
    }

    /// Reads a row. Nil when it was settled without being sent, or the file is at its end.
    private mutating func read() throws -> ImportLedger<ImportMessage>.Step? {
        guard let item = nextItem() else { return nil }
        switch item.outcome {
        case .record(let record): return ledger.add(item.position, ImportMessage(row: record, namesBank: namesBank))
        case .rejected(let rejections): ledger.add(item.position, settled: .rejected(rejections, item.content))
        case .nothing: ledger.add(item.position, settled: .empty)
        }
        try settle()
        return nil
    }

    /// For a dry run. False at the end of the file.
    mutating func readOne(sends: Bool) throws -> Bool {
        guard let item = nextItem() else { return false }
        switch item.outcome {
        case .record: ledger.add(item.position, settled: .accepted(.none))
        case .rejected(let rejections): ledger.add(item.position, settled: .rejected(rejections, item.content))
        case .nothing: ledger.add(item.position, settled: .empty)
        }
        try settle(keepsCheckpoint: sends)
        return true
    }

    private mutating func nextItem() -> DatasetItem? {
        let rowsRead = ledger.lastReadPosition?.row ?? ledger.counts.rows
        if rowsRead < limit {
            do throws(DatasetError) {
                if let item = try reader.next() { return item }
            } catch {
                failure = error
            }
        }
        isAtEnd = true
        return nil
    }

    mutating func settle(keepsCheckpoint: Bool = true) throws {
        let (rejects, mapping) = (rejects, mapping)
        var reached: Int64?
        ledger.settle { position, result, message in
            if case .rejected(let rejections, let content) = result {
                let content = content ?? message.map { RowContent($0.row) }
                rejects.append(position, rejections.map { $0.located(in: mapping, content) }, content)
            }
            reached = position.byteOffset
        }
        guard let reached else { return }
        let byBytes = reader.estimatedUncompressedBytes.map { Double(reached) / Double(max(1, $0)) }
        let byRows = limit < .max ? Double(ledger.counts.rows) / Double(max(1, limit)) : nil
        progress.show(ledger.counts, fraction: byBytes.map { max($0, byRows ?? 0) } ?? byRows)
        let now = ContinuousClock.now
        if keepsCheckpoint, now - lastCheckpoint >= ImportSession.checkpointInterval {
            lastCheckpoint = now
            try writeCheckpoint()
        }
    }

    mutating func writeCheckpoint() throws {
        try rejects.flush()
        guard let path = files.checkpoint, let source = files.source else { return }
        guard let position = ledger.resumePosition ?? ledger.lastReadPosition else { return }
        let checkpoint = ImportCheckpoint(
            source: source, position: .init(position), isPositionDone: ledger.resumePosition == nil, counts: ledger.counts,
            lastSentRow: max(reservedRow, ledger.lastSentRow), rejectsBytes: rejects.bytesWritten)
        try checkpoint.write(to: path)
    }
}
