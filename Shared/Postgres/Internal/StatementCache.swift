/// The statements that the session keeps prepared, by their text and the types of their parameters.
struct StatementCache {
    struct Key: Hashable {
        let text: String
        let types: [PostgresType]
    }

    private var names: [Key: String] = [:]
    private var lastNumber = 0

    /// Above this the session is emptied: a program that builds texts without end would fill the server's memory.
    static let maxStatements = 500

    var isFull: Bool { names.count >= Self.maxStatements }

    func name(of key: Key) -> String? { names[key] }

    /// Names are never used twice in a session, so a failed or forgotten statement clashes with nothing.
    mutating func newName() -> String {
        lastNumber += 1
        return "s\(lastNumber)"
    }

    mutating func insert(_ key: Key, name: String) {
        names[key] = name
    }

    mutating func forget(_ key: Key) {
        names[key] = nil
    }

    mutating func removeAll() {
        names.removeAll(keepingCapacity: true)
    }
}
