extension PostgresTransaction {
    /// Writes rows with COPY, the fastest way in, and returns how many. Nothing is kept if `body` throws.
    ///
    /// ```swift
    /// try await transaction.copyIn(table: "customers", columns: ["id", "name"]) { writer in
    ///     for customer in customers { try await writer.write(customer.id, customer.name) }
    /// }
    /// ```
    /// The values' types must be the columns' own: `Int32` for an `integer`, `Int64` for a `bigint`; COPY converts nothing.
    @discardableResult
    public func copyIn(
        table: String, columns: [String], _ body: (PostgresCopyWriter) async throws -> Void
    ) async throws -> Int {
        try await begin()
        let names = columns.map(SQL.quoted(identifier:)).joined(separator: ", ")
        let statement = "COPY \(SQL.quoted(identifier: table)) (\(names)) FROM STDIN (FORMAT binary)"
        try await perform { connection, cancellation in try connection.startCopyIn(statement, cancellation) }
        let writer = PostgresCopyWriter(transaction: self, columnCount: columns.count)
        do {
            try await body(writer)
            try await writer.finish()
        } catch {
            _ = try? await perform(isCancellable: false) { connection, cancellation in
                try connection.endCopyIn(statement, givingUp: "the writer gave up", cancellation)
            }
            throw error
        }
        return try await perform { connection, cancellation in
            try connection.endCopyIn(statement, givingUp: nil, cancellation)
        }
    }

    /// Reads a query's rows with COPY, the fastest way out, and hands them to `body` in batches of about `batchBytes`.
    ///
    /// COPY takes no parameters: throws `.invalidParameter` if the query has any. ``stream(_:batchRows:_:)`` takes them.
    /// When `body` throws, the rest is not read, and the transaction can only be rolled back.
    public func copyOut(
        _ sql: SQL, batchBytes: Int = 1 << 18, _ body: (PostgresCopyBatch) async throws -> Void
    ) async throws {
        guard sql.parameters.isEmpty else {
            throw PostgresError(.invalidParameter, "COPY takes no parameters", statement: sql.text)
        }
        try sql.validate()
        try await begin()
        let query = sql.text
        let types = try await perform { connection, cancellation in try connection.startCopyOut(query, cancellation) }
        do {
            while let data = try await perform({ connection, cancellation in
                try connection.readCopy(query, batchBytes: batchBytes, cancellation)
            }) {
                try await body(PostgresCopyBatch(data: data, types: types))
            }
        } catch {
            _ = try? await perform(isCancellable: false) { connection, _ in try connection.abandonCopyOut(query) }
            throw error
        }
    }
}

/// Takes the rows of a COPY. Valid only inside the closure that received it; used by one task at a time.
public final class PostgresCopyWriter {
    private let transaction: PostgresTransaction
    private let columnCount: Int
    private var buffer: [UInt8]

    private static let flushBytes = 1 << 17

    init(transaction: PostgresTransaction, columnCount: Int) {
        self.transaction = transaction
        self.columnCount = columnCount
        buffer = CopyData.signature + [UInt8](repeating: 0, count: 8)
        buffer.reserveCapacity(Self.flushBytes + 4096)
    }

    /// Writes one row. Throws `.invalidParameter` if it has not as many values as there are columns.
    public func write<each T: PostgresBindable>(_ values: repeat each T) async throws {
        let start = buffer.count
        buffer.append(bigEndian: Int16(columnCount))
        var count = 0
        for value in repeat each values {
            try buffer.appendLengthPrefixed(value)
            count += 1
        }
        guard count == columnCount else {
            buffer.removeSubrange(start...)
            throw PostgresError(.invalidParameter, "\(count) values for \(columnCount) columns")
        }
        if buffer.count >= Self.flushBytes { try await flush() }
    }

    fileprivate func finish() async throws {
        buffer.append(bigEndian: Int16(-1))
        try await flush()
    }

    private func flush() async throws {
        let bytes = buffer
        try await transaction.perform { connection, cancellation in try connection.writeCopy(bytes, cancellation) }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// Some rows of a COPY, in the order of the query.
public struct PostgresCopyBatch: RandomAccessCollection, Sendable {
    let data: CopyData
    let types: [PostgresType]

    public var startIndex: Int { 0 }
    public var endIndex: Int { data.rows.count }

    public subscript(position: Int) -> Row {
        Row(batch: self, start: data.rows[position])
    }

    public struct Row: Sendable {
        let batch: PostgresCopyBatch
        let start: Int

        /// The first column.
        public func decode<T: PostgresDecodable>(_ type: T.Type) throws(PostgresError) -> T {
            var cursor = Cursor(offset: start + 2)
            return try batch.decode(T.self, at: &cursor)
        }

        /// The first columns as a tuple, as ``PostgresRow/decode(_:)`` does.
        public func decode<each T: PostgresDecodable>(_ wanted: repeat (each T).Type) throws(PostgresError) -> (repeat each T) {
            var cursor = Cursor(offset: start + 2)
            func next<U: PostgresDecodable>(_ type: U.Type) throws(PostgresError) -> U {
                try batch.decode(U.self, at: &cursor)
            }
            return (repeat try next((each T).self))
        }
    }

    fileprivate struct Cursor {
        var offset: Int
        var column = 0
    }

    private static let endsEarly = PostgresError(.decoding, "the row ends early")

    fileprivate func decode<T: PostgresDecodable>(_ type: T.Type, at cursor: inout Cursor) throws(PostgresError) -> T {
        guard cursor.column < types.count else {
            throw PostgresError(.decoding, "column \(cursor.column) is wanted; the row has \(types.count)")
        }
        let (start, column) = (cursor.offset, cursor.column)
        let (value, end) = try data.bytes.span.bytes.withUnsafeBytes { bytes throws(PostgresError) in
            guard start + 4 <= bytes.count else { throw Self.endsEarly }
            let length = Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: Int32.self)))
            let end = start + 4 + Swift.max(length, 0)
            guard end <= bytes.count else { throw Self.endsEarly }
            let field = length < 0 ? nil : UnsafeRawBufferPointer(rebasing: bytes[start + 4..<end])
            return (try T(postgres: PostgresField(type: types[column], bytes: field, column: column)), end)
        }
        cursor = Cursor(offset: end, column: column + 1)
        return value
    }
}
