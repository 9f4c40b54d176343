import Contracts
import Crypto
import Datasets
import Foundation
import RPC
import RecordCoding
import Records
import Synchronization

/// Files that come in pieces: kept in the database until they are whole, then read row by row.
///
/// Reading again what was read in part is safe: rows stored before are duplicates, and are counted so. A gateway that is killed loses
/// nothing, and the client that sends the header once more gets the file's outcome.
struct FileIntake: Sendable {
    static let maxFileBytes: UInt64 = 4 << 30
    static let maxChunkBytes = 1 << 20
    static let maxRowsInFlight = 4_000
    static let maxRejectedRows = 100

    let database: FileDatabase
    /// What a bank sends is full of identifiers, so the pieces are kept sealed.
    let vault: Vault
    let metrics: IntakeMetrics

    /// What a client is told of a file; nil for one never begun.
    func state(of name: FileName) async throws -> IngestionV1.ImportFileResponse? {
        guard let file = try await database.file(name) else { return nil }
        if let result = file.result { return try Payload.decode(IngestionV1.ImportFileResponse.self, result) }
        return .init(
            state: file.receivedBytes < file.sizeBytes ? .receiving : .storing, receivedBytes: UInt64(file.receivedBytes))
    }

    /// Takes what a stream brings.
    ///
    /// - Parameter check: whether the sender may send records of this kind; asked before anything is kept.
    func receive(
        _ requests: RequestStream<IngestionV1.ImportFileRequest>, from senderID: String, check: (RecordKind) throws -> Void
    ) async throws -> IncomingFile {
        var current: IncomingFile?
        for try await request in requests {
            switch (request.part, current) {
            case (.header(let header), nil):
                let mapping = try Self.checked(header)
                try check(mapping.kind)
                let name = FileName(senderID: senderID, contentSHA256: header.contentSha256)
                try await database.begin(name, sizeBytes: Int64(header.sizeBytes), mapping: header.mapping, title: header.fileName)
                current = IncomingFile(name: name, header: header, mapping: mapping, offset: header.offsetBytes)
            case (.chunk(let chunk), let file?):
                try await keep(chunk, of: file)
                current?.offset += UInt64(chunk.count)
            case (.header, _?): throw Self.invalid("header", "comes twice")
            case (.chunk, nil): throw Self.invalid("header", "must come first")
            case (nil, _): throw Self.invalid("part", "is missing")
            }
        }
        guard let current else { throw Self.invalid("header", "is missing") }
        return current
    }

    /// Keeps a piece, or what of it is not kept yet: so a file may be sent again from anywhere before its end.
    private func keep(_ chunk: [UInt8], of file: IncomingFile) async throws {
        guard (1...Self.maxChunkBytes).contains(chunk.count) else {
            throw Self.invalid("chunk", "is empty or longer than \(Self.maxChunkBytes) bytes")
        }
        guard file.offset + UInt64(chunk.count) <= file.header.sizeBytes else {
            throw Self.invalid("header.size_bytes", "is less than what is sent")
        }
        if try await append(chunk, to: file.name, at: file.offset) { return }
        let received = UInt64(try await database.file(file.name)?.receivedBytes ?? 0)
        if file.offset + UInt64(chunk.count) <= received { return }
        guard file.offset < received,
            try await append(Array(chunk[Int(received - file.offset)...]), to: file.name, at: received)
        else {
            throw RPCError(
                .failedPrecondition, "the piece at \(file.offset) does not go on where \(received) bytes are kept; ask GetFileImport")
        }
    }

    private func append(_ piece: [UInt8], to name: FileName, at offset: UInt64) async throws -> Bool {
        let sealed = try vault.seal(piece, of: name, at: Int64(offset))
        return try await database.append(sealed, ofBytes: piece.count, at: Int64(offset), to: name)
    }

    /// Reads a whole file, hands each row to `store`, and keeps what came of it.
    ///
    /// - Parameter admit: called before each row; what it waits for, the file waits for.
    func process(
        _ file: IncomingFile, options: ReadOptions, admit: () async throws -> Void,
        store: (DatasetRecord, _ complete: @escaping @Sendable (RowOutcome) -> Void) async -> Void
    ) async throws -> IngestionV1.ImportFileResponse {
        let path = FileManager.default.temporaryDirectory.appending(path: "vigil-import-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        guard try await assembleReadable(file.name, at: path) else {
            try await database.discard(file.name)
            throw Self.invalid("header.content_sha256", "is not the hash of what was sent; send the file again from the beginning")
        }
        let tally = Tally(file.mapping, metrics.fileRows(file.mapping.kind.recordName))
        let window = Window(size: Self.maxRowsInFlight)
        var problem = ""
        do {
            let reader = try DatasetReader(file: path, mapping: file.mapping, options: options)
            // It is open, and gone with this process.
            try? FileManager.default.removeItem(atPath: path)
            while let item = try reader.next() {
                switch item.outcome {
                case .nothing: tally.add(.empty, row: item.position.row)
                case .rejected(let rejections): tally.add(.rejected(rejections), row: item.position.row, item.content)
                case .record(let record):
                    await window.acquire()
                    try await admit()
                    try Task.checkCancellation()
                    let row = item.position.row
                    await store(record) { outcome in
                        tally.add(outcome, row: row, RowContent(record))
                        window.release()
                    }
                }
            }
        } catch let error as DatasetError {
            // Told by the file's given name: the temporary one means nothing to anybody.
            problem = error.message.replacing(path, with: file.header.fileName.isEmpty ? "the file" : file.header.fileName)
        }
        await window.waitUntilIdle()
        if let failure = tally.failure { throw failure }
        var response = tally.response
        response.receivedBytes = file.header.sizeBytes
        response.state = problem.isEmpty ? .done : .failed
        response.error = problem
        let kept = try await database.finish(file.name, mapping: file.header.mapping, result: Payload.encode(response))
        return try Payload.decode(IngestionV1.ImportFileResponse.self, kept)
    }

    /// The same as ``assemble(_:at:)``.
    /// - Throws: ABORTED where what is kept cannot be opened, for which the sender can do nothing but send it again.
    private func assembleReadable(_ name: FileName, at path: String) async throws -> Bool {
        do {
            return try await assemble(name, at: path)
        } catch let problem as Vault.Problem {
            try await database.discard(name)
            throw RPCError(
                .aborted, "what was kept of the file cannot be read any more (\(problem)); it begins anew: send it again from the beginning")
        }
    }

    /// False if the content has another hash.
    private func assemble(_ name: FileName, at path: String) async throws -> Bool {
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw RPCError(.internal, "there is no room for the file") }
        defer { try? handle.close() }
        var hash = SHA256()
        try await database.forEachChunk(of: name) { offset, sealed in
            let chunk = try vault.open(sealed, of: name, at: offset)
            hash.update(data: chunk)
            try handle.write(contentsOf: chunk)
        }
        return Array(hash.finalize()) == name.contentSHA256
    }

    private static func checked(_ header: IngestionV1.FileHeader) throws -> Mapping {
        try check(hash: header.contentSha256, "header.content_sha256")
        guard (1...maxFileBytes).contains(header.sizeBytes) else {
            throw invalid("header.size_bytes", "is not 1 to \(maxFileBytes)")
        }
        guard header.offsetBytes <= header.sizeBytes else { throw invalid("header.offset_bytes", "lies beyond the file's end") }
        guard header.fileName.utf8.count <= 1_024 else { throw invalid("header.file_name", "is longer than 1024 bytes") }
        return try mapping(header)
    }

    static func check(hash: [UInt8], _ field: String) throws {
        guard hash.count == 32 else { throw invalid(field, hash.isEmpty ? "is missing" : "is not 32 bytes") }
    }

    /// The mapping that a header carries or names. Never a path: what lies on this machine is nobody's business.
    private static func mapping(_ header: IngestionV1.FileHeader) throws -> Mapping {
        guard header.mapping.utf8.count <= DatasetLimits.maxMappingBytes else { throw invalid("header.mapping", "is too long") }
        do {
            // A mapping has lines of keys; a single word is meant for the name of one.
            let isName = !header.mapping.isEmpty && !header.mapping.contains { $0.isNewline || $0 == ":" }
            return try isName ? .shipped(header.mapping) : Mapping(parsing: header.mapping, name: "of the request")
        } catch {
            throw invalid("header.mapping", error.message)
        }
    }

    private static func invalid(_ field: String, _ description: String) -> RPCError {
        RPCError.invalidArgument([FieldViolation(field: field, description: description)])
    }
}

/// A file that a stream brings.
struct IncomingFile: Sendable {
    let name: FileName
    let header: IngestionV1.FileHeader
    let mapping: Mapping
    /// Where the next piece belongs.
    var offset: UInt64
}

/// What became of one row.
enum RowOutcome: Sendable {
    /// - isOfUnknown: it is a label, of a transaction that is not here.
    case accepted(isOfUnknown: Bool = false)
    case duplicate(isOfUnknown: Bool = false)
    case empty
    case rejected([Rejection])
    /// It must be sent again.
    case failed(RPCError)
}

/// Counts rows as their outcomes come, in any order.
private final class Tally: Sendable {
    private struct State {
        var response = IngestionV1.ImportFileResponse()
        var failure: RPCError?

        /// Keeps the first, in the file's order.
        mutating func add(_ fault: IngestionV1.RejectedRow) {
            let place = response.rejectedRows.lastIndex { $0.row <= fault.row }.map { $0 + 1 } ?? 0
            guard place < FileIntake.maxRejectedRows else { return }
            response.rejectedRows.insert(fault, at: place)
            if response.rejectedRows.count > FileIntake.maxRejectedRows { response.rejectedRows.removeLast() }
        }
    }

    private let state = Mutex(State())
    private let mapping: Mapping
    private let metrics: IntakeMetrics.FileRows

    init(_ mapping: Mapping, _ metrics: IntakeMetrics.FileRows) {
        self.mapping = mapping
        self.metrics = metrics
    }

    var response: IngestionV1.ImportFileResponse { state.withLock { $0.response } }
    var failure: RPCError? { state.withLock { $0.failure } }

    /// - Parameter content: what the row says; asked for where it is refused.
    func add(_ outcome: RowOutcome, row: Int, _ content: @autoclosure () -> RowContent? = nil) {
        metrics.count(outcome)
        var faults: [IngestionV1.RejectedRow] = []
        if case .rejected(let rejections) = outcome {
            let content = content()
            faults = rejections.map { rejection in
                let fault = rejection.located(in: mapping, content)
                return .init(
                    row: Int64(row), field: fault.field, value: fault.value, reason: fault.reason, id: content?.id ?? "", column: fault.column)
            }
        }
        state.withLock { state in
            state.response.rows += 1
            switch outcome {
            case .accepted(let isOfUnknown):
                state.response.accepted += 1
                if isOfUnknown { state.response.ofUnknownTransactions += 1 }
            case .duplicate(let isOfUnknown):
                state.response.duplicates += 1
                if isOfUnknown { state.response.ofUnknownTransactions += 1 }
            case .empty: state.response.empty += 1
            case .failed(let error): state.failure = error
            case .rejected:
                state.response.rejected += 1
                for fault in faults { state.add(fault) }
            }
        }
    }
}
