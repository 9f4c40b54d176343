/// A statement whose interpolated values are bound, never spliced.
///
/// ```swift
/// let rows = try await pool.query("SELECT name FROM terminals WHERE id = \(id) AND bank = ANY(\(banks))")
/// ```
/// `id` and `banks` travel as binary parameters `$1` and `$2`, whatever they contain. Another `SQL` may be interpolated as a part;
/// `\(ident: name)` quotes an identifier; `\(unsafe: text)` splices text as it stands, for text that the program itself wrote.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
    struct Parameter: Sendable {
        let type: PostgresType
        /// Where in `bytes` the value lies; nil is NULL.
        let range: Range<Int>?
    }

    /// One more than there are parameters; parameter n stands between fragments n and n + 1.
    private(set) var fragments: [String]
    private(set) var parameters: [Parameter] = []
    /// The values of all parameters, one after the other, in PostgreSQL's binary format.
    private(set) var bytes: [UInt8] = []
    /// Interpolation cannot throw; a value that cannot be bound is remembered here and thrown by whoever runs the statement.
    private(set) var defect: PostgresError?
    /// Whether the plan is worth keeping under a name in the session.
    var isPrepared = true

    /// The protocol counts parameters in 16 bits.
    static let maxParameters = 65_535
    /// The server refuses messages of a gibibyte and more.
    static let maxParameterBytes = 1 << 30 - 1_048_576

    public init(stringLiteral value: String) {
        fragments = [value]
    }

    public init(stringInterpolation: StringInterpolation) {
        self = stringInterpolation.sql
    }

    /// A statement of text that the program itself wrote, such as a migration.
    public init(unsafe text: String) {
        fragments = [text]
    }

    /// Parts with a comma between, such as rows of VALUES.
    public init(commaSeparated parts: [SQL]) {
        self = ""
        for (index, part) in parts.enumerated() {
            if index > 0 { append(text: ", ") }
            append(part)
        }
    }

    /// The text that the server sees.
    public var text: String {
        guard fragments.count > 1 else { return fragments[0] }
        var text = fragments[0]
        for index in 1..<fragments.count {
            text += "$\(index)"
            text += fragments[index]
        }
        return text
    }

    /// A statement that is planned anew each time, such as one that moves a cursor.
    func unprepared() -> SQL {
        var copy = self
        copy.isPrepared = false
        return copy
    }

    fileprivate mutating func append(text: String) {
        fragments[fragments.count - 1] += text
    }

    fileprivate mutating func bind<Value: PostgresBindable>(_ value: Value) {
        fragments.append("")
        guard !value.isPostgresNull else {
            parameters.append(Parameter(type: Value.postgresType, range: nil))
            return
        }
        let start = bytes.count
        do {
            try value.encodePostgres(into: &bytes)
        } catch {
            defect = error
        }
        parameters.append(Parameter(type: Value.postgresType, range: start..<bytes.count))
    }

    fileprivate mutating func append(_ part: SQL) {
        let offset = bytes.count
        bytes += part.bytes
        parameters += part.parameters.map {
            Parameter(type: $0.type, range: $0.range.map { $0.lowerBound + offset..<$0.upperBound + offset })
        }
        append(text: part.fragments[0])
        fragments += part.fragments.dropFirst()
        defect = defect ?? part.defect
    }

    /// Throws what would make libpq cut, or the server refuse, the statement.
    func validate() throws(PostgresError) {
        if var defect {
            defect.statement = text
            throw defect
        }
        guard parameters.count <= Self.maxParameters else {
            throw PostgresError(.invalidParameter, "\(parameters.count) parameters; PostgreSQL takes \(Self.maxParameters), so pass arrays")
        }
        guard bytes.count <= Self.maxParameterBytes else {
            throw PostgresError(.invalidParameter, "parameters of \(bytes.count) bytes; the limit is \(Self.maxParameterBytes)")
        }
        guard !fragments.contains(where: { $0.utf8.contains(0) }) else {
            throw PostgresError(.invalidParameter, "the statement's text holds a NUL")
        }
    }

    public struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var sql = SQL(unsafe: "")

        public init(literalCapacity: Int, interpolationCount: Int) {
            sql.parameters.reserveCapacity(interpolationCount)
            sql.fragments.reserveCapacity(interpolationCount + 1)
        }

        public mutating func appendLiteral(_ literal: String) {
            sql.append(text: literal)
        }

        /// Binds a value.
        public mutating func appendInterpolation(_ value: some PostgresBindable) {
            sql.bind(value)
        }

        /// Binds a value or NULL. Of its own so that the compiler does not take an optional for a mistake in a text.
        public mutating func appendInterpolation(_ value: (some PostgresBindable)?) {
            sql.bind(value)
        }

        /// Takes in another statement as a part, with its own bound values.
        public mutating func appendInterpolation(_ part: SQL) {
            sql.append(part)
        }

        /// Quotes an identifier: a table, a column, a schema.
        public mutating func appendInterpolation(ident name: String) {
            sql.append(text: SQL.quoted(identifier: name))
        }

        /// Splices text as it stands. Only for text that the program itself wrote.
        public mutating func appendInterpolation(unsafe text: String) {
            sql.append(text: text)
        }
    }

    /// `name` in double quotes, quotes inside doubled.
    static func quoted(identifier name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
