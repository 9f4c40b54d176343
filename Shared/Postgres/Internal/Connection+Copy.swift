import CLibPQ

extension Connection {
    /// Begins COPY … FROM STDIN.
    func startCopyIn(_ statement: String, _ cancellation: Cancellation) throws {
        try startCopy(statement, expecting: PGRES_COPY_IN, cancellation)
    }

    private func startCopy(_ statement: String, expecting wanted: ExecStatusType, _ cancellation: Cancellation) throws {
        let link = try soundLink()
        var waiter = Link.Waiter(cancellation)
        guard PQsendQuery(link.raw, statement) == 1 else { throw link.lost() }
        try link.flush(&waiter)
        guard let result = try link.nextResult(&waiter) else { throw link.lost() }
        guard result.status == wanted else {
            let failure = result.status == PGRES_FATAL_ERROR ? result.error(statement: statement) : link.lost()
            _ = try? finishStatement(link, statement: statement, waiter)
            throw failure
        }
    }

    func writeCopy(_ bytes: [UInt8], _ cancellation: Cancellation) throws {
        let link = try soundLink()
        var waiter = Link.Waiter(cancellation)
        let sent = bytes.withUnsafeBytes { PQputCopyData(link.raw, $0.baseAddress?.assumingMemoryBound(to: CChar.self), Int32($0.count)) }
        guard sent >= 0 else { throw link.lost() }
        guard sent == 1 else { throw PostgresError(.unavailable, "no memory for COPY's data") }
        try link.flush(&waiter)
        // The server will not say that it stopped before COPY's end, so cancelled work is ended here.
        if cancellation.isCancelled { throw CancellationError() }
    }

    /// Ends COPY … FROM STDIN, giving it up if `reason` is not nil. Returns the number of rows.
    func endCopyIn(_ statement: String, givingUp reason: String?, _ cancellation: Cancellation) throws -> Int {
        let link = try soundLink()
        guard PQputCopyEnd(link.raw, reason) == 1 else { throw link.lost() }
        do {
            return try finishStatement(link, statement: statement, Link.Waiter(cancellation))?.affectedRows ?? 0
        } catch let error as PostgresError where reason != nil && error.code == .sql {
            return 0
        }
    }

    /// Begins COPY (query) TO STDOUT, and returns the types of its columns, which COPY itself does not tell.
    func startCopyOut(_ query: String, _ cancellation: Cancellation) throws -> [PostgresType] {
        let link = try soundLink()
        guard PQsendPrepare(link.raw, "", query, 0, nil) == 1 else { throw link.lost() }
        _ = try finishStatement(link, statement: query, Link.Waiter(cancellation))
        guard PQsendDescribePrepared(link.raw, "") == 1 else { throw link.lost() }
        let description = try finishStatement(link, statement: query, Link.Waiter(cancellation))
        try startCopy("COPY (\(query)) TO STDOUT (FORMAT binary)", expecting: PGRES_COPY_OUT, cancellation)
        return description?.columnTypes ?? []
    }

    /// Appends rows to a batch until it holds `batchBytes`; nil at the end.
    func readCopy(_ query: String, batchBytes: Int, _ cancellation: Cancellation) throws -> CopyData? {
        let link = try soundLink()
        var waiter = Link.Waiter(cancellation)
        var data = CopyData()
        data.bytes.reserveCapacity(batchBytes + 4096)
        while data.bytes.count < batchBytes {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(link.raw, &buffer, 1)
            switch length {
            case 1...:
                guard let buffer else { throw link.lost() }
                data.append(message: UnsafeRawBufferPointer(start: buffer, count: Int(length)))
                PQfreemem(buffer)
            case 0:
                try waiter.wait(on: link, for: Link.readable)
                guard PQconsumeInput(link.raw) == 1 else { throw link.lost() }
            default:
                _ = try finishStatement(link, statement: query, waiter)
                return data.bytes.isEmpty ? nil : data
            }
        }
        return data
    }

    /// Gives COPY … TO STDOUT up: asks the server to stop, and reads what is already on its way.
    func abandonCopyOut(_ query: String) throws {
        let cancellation = Cancellation(waking: pipe)
        cancellation.cancel()
        do {
            while try readCopy(query, batchBytes: 1 << 20, cancellation) != nil {}
        } catch let error as PostgresError where error.code == .sql {
            return
        }
    }
}

/// Rows of COPY as they came, whole rows only.
struct CopyData: Sendable {
    var bytes: [UInt8] = []
    /// Where each row begins.
    var rows: [Int] = []

    /// `PGCOPY\n\377\r\n\0`, four bytes of flags, four with the length of an extension (PostgreSQL's documentation of COPY).
    static let signature: [UInt8] = [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00]
    static let headerBytes = 19

    /// The server sends each row as a message of its own; the header comes with the first, and the end is a row of -1 columns.
    mutating func append(message: UnsafeRawBufferPointer) {
        var message = message
        // A row begins with its number of columns, whose first byte is far below the signature's.
        if message.count >= Self.headerBytes, message[0] == Self.signature[0] {
            message = UnsafeRawBufferPointer(rebasing: message[Self.headerBytes...])
        }
        guard message.count >= 2, message[0] != 0xFF else { return }
        rows.append(bytes.count)
        bytes.append(contentsOf: message)
    }
}
