import CLibPQ

extension Connection {
    /// What has been sent and not yet answered.
    private enum Step {
        case prepare(StatementCache.Key, name: String)
        case deallocateAll
        case execute(SQL, StatementCache.Key?)
    }

    func pipeline(_ batch: [SQL], _ cancellation: Cancellation) throws -> [PostgresRows] {
        for statement in batch { try statement.validate() }
        let link = try soundLink()
        guard PQenterPipelineMode(link.raw) == 1 else { throw link.lost() }
        var waiter = Link.Waiter(cancellation)
        let steps = try send(batch, over: link)
        guard PQpipelineSync(link.raw) == 1 else { throw link.lost() }
        try link.flush(&waiter)
        let results = try receive(steps, over: link, &waiter)
        guard PQexitPipelineMode(link.raw) == 1 else { throw link.lost() }
        return try results.get()
    }

    private func send(_ batch: [SQL], over link: Link) throws -> [Step] {
        var steps: [Step] = []
        var fresh: [StatementCache.Key: String] = [:]
        if statements.isFull {
            try send(SQL(unsafe: "DEALLOCATE ALL"), name: nil, over: link)
            steps.append(.deallocateAll)
        }
        let isEmptied = statements.isFull
        for statement in batch {
            guard statement.isPrepared else {
                try send(statement, name: nil, over: link)
                steps.append(.execute(statement, nil))
                continue
            }
            let key = StatementCache.Key(text: statement.text, types: statement.parameters.map(\.type))
            var name = isEmptied ? fresh[key] : statements.name(of: key) ?? fresh[key]
            if name == nil {
                let newName = statements.newName()
                let types = key.types.map { Oid($0.rawValue) }
                guard PQsendPrepare(link.raw, newName, key.text, Int32(types.count), types) == 1 else { throw link.lost() }
                steps.append(.prepare(key, name: newName))
                fresh[key] = newName
                name = newName
            }
            try send(statement, name: name, over: link)
            steps.append(.execute(statement, key))
        }
        return steps
    }

    private func send(_ statement: SQL, name: String?, over link: Link) throws {
        let parameters = statement.parameters
        let count = Int32(parameters.count)
        let lengths = parameters.map { Int32($0.range?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: parameters.count)
        let sent = statement.bytes.withUnsafeBufferPointer { bytes in
            withUnsafePointer(to: CChar(0)) { empty in
                // A pointer says "not NULL", even for a value of no bytes.
                let values = parameters.map { parameter -> UnsafePointer<CChar>? in
                    guard let range = parameter.range else { return nil }
                    guard !range.isEmpty, let base = bytes.baseAddress else { return empty }
                    return UnsafeRawPointer(base + range.lowerBound).assumingMemoryBound(to: CChar.self)
                }
                if let name { return PQsendQueryPrepared(link.raw, name, count, values, lengths, formats, 1) }
                let types = parameters.map { Oid($0.type.rawValue) }
                return PQsendQueryParams(link.raw, statement.text, count, types, values, lengths, formats, 1)
            }
        }
        guard sent == 1 else { throw link.lost() }
    }

    /// Reads the answers up to the synchronisation point. Throws only when the session is lost; a refused statement is in the result.
    private func receive(
        _ steps: [Step], over link: Link, _ waiter: inout Link.Waiter
    ) throws -> Result<[PostgresRows], PostgresError> {
        var rows: [PostgresRows] = []
        var failure: PostgresError?
        var remaining = steps[...]
        var emptyReads = 0
        while true {
            guard let result = try link.nextResult(&waiter) else {
                // One nothing follows each answer; more of it means that there is no session any more.
                emptyReads += 1
                guard emptyReads < 3, PQstatus(link.raw) == CONNECTION_OK else { throw failure ?? link.lost() }
                continue
            }
            emptyReads = 0
            if result.status == PGRES_PIPELINE_SYNC { break }
            guard let step = remaining.popFirst() else { throw link.lost() }
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: note(success: result, of: step, &rows)
            case PGRES_PIPELINE_ABORTED: continue
            case PGRES_FATAL_ERROR:
                let error = note(failure: result, of: step)
                if PQstatus(link.raw) != CONNECTION_OK { throw error }
                failure = failure ?? error
            default:
                // The session waits for the data of a COPY.
                close()
                throw PostgresError(.sql, "COPY is run by copyIn and copyOut only", sqlState: "0A000")
            }
        }
        return failure.map(Result.failure) ?? .success(rows)
    }

    private func note(success result: StatementResult, of step: Step, _ rows: inout [PostgresRows]) {
        switch step {
        case .prepare(let key, let name): statements.insert(key, name: name)
        case .deallocateAll: statements.removeAll()
        case .execute: rows.append(PostgresRows(result: result))
        }
    }

    private func note(failure result: StatementResult, of step: Step) -> PostgresError {
        switch step {
        case .prepare(let key, _): return result.error(statement: key.text)
        case .deallocateAll: return result.error(statement: nil)
        case .execute(let statement, let key):
            let error = result.error(statement: statement.text)
            if error.isStalePlan, let key { statements.forget(key) }
            return error
        }
    }
}
