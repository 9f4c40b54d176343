import ArgumentParser
import Datasets
import Foundation
import RPC
import Records

extension SuiteConnection.Identity: ExpressibleByArgument {}

/// `vigil import`
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Send rows to the running suite: terminals, merchants, customers, transactions, labels, complaints, context signals or jurisdictions.",
        discussion: """
            The file is CSV, NDJSON, a JSON list or ISO 20022 XML, gzip or not; `-` is the standard input. A mapping says which column is \
            which field:

              vigil import terminals terminals.csv --mapping handbook-terminals
              vigil import transactions tx.csv.gz --mapping handbook-transactions
              vigil import labels tx.csv.gz --mapping handbook-labels
              vigil import complaints crimes.csv --mapping ./ours.yaml --dry-run
              vigil import transactions payments.xml --mapping iso20022-pacs008
              vigil import jurisdictions districts.geojson --mapping simulated-jurisdictions
              vigil import transactions unknown.csv --propose-mapping > ours.yaml

            Rows may come from another database, and a later run takes only what is new; or from an HTTP API, which is asked \
            whether anything has changed:

              vigil import transactions --sql postgresql://reader@core/bank \\
                  --query 'SELECT * FROM payments' --watermark id --mapping ours.yaml
              vigil import terminals https://data.example/atms.geojson \\
                  --mapping newyork-atms --paging link --every 1h

            Shipped mappings: \(Mapping.shippedNames.joined(separator: ", ")).

            A row is done when the gateway has answered that it is durable. A bad row goes to the rejects file with its id, field, value \
            (masked where it may name a person) and reason, and the rest goes on. If the gateway goes away, the import waits for it. \
            If the import itself is interrupted, run the same command again: it goes on where it stopped. Nothing is stored twice.

            Exit status: 0 all rows are in, 3 some were rejected or a proposed mapping leaves a field open, 1 the import failed, \
            64 the command is wrong, 130 it was interrupted.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Argument(help: "What the rows are: \(Self.kinds).", transform: ImportCommand.kind)
    var kind: RecordKind

    @Argument(help: "The file, an http or https URL, or - for the standard input; left out with --sql.")
    var file: String?

    @Option(name: [.short, .long], help: ArgumentHelp("A shipped mapping's name, or a .yaml or .json file.", valueName: "name|file"))
    var mapping: String?

    @Flag(help: "Look at the file, print the mapping that fits it best, and send nothing.")
    var proposeMapping = false

    @OptionGroup(title: "Other sources") var source: ImportSourceOptions

    @Option(help: ArgumentHelp("Where refused rows are written; FILE.KIND.rejects.csv unless given.", valueName: "file"))
    var rejects: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Take only the first rows.", valueName: "rows"))
    var limit: Int?

    @Flag(help: "Read and check the whole file, and send nothing.")
    var dryRun = false

    @Flag(help: "Begin at the first row, also where an interrupted import could go on.")
    var restart = false

    @Option(
        help: ArgumentHelp(
            """
            As whom to send: bank, agency or operator; complaints go as the agency and jurisdictions as the operator unless given. The \
            operator may also change terminals and merchants that a bank has registered.
            """, valueName: "identity"))
    var `as`: SuiteConnection.Identity?

    @Option(parsing: .unconditional, help: ArgumentHelp("Rows on their way at once, at most.", valueName: "rows"))
    var inFlight = 2_000

    @Option(parsing: .unconditional, help: ArgumentHelp("How long the gateway may be gone before the import fails.", valueName: "seconds"))
    var patience = 300

    @Option(help: "text or json: how the result is printed.")
    var format: Format = .text

    @OptionGroup var connection: ConnectionOptions

    private static let kinds = RecordKind.allCases.map(\.rawValue).joined(separator: ", ")

    private static func kind(_ word: String) throws -> RecordKind {
        guard let kind = RecordKind(rawValue: word) else { throw ValidationError("`\(word)` is none of \(kinds).") }
        return kind
    }

    private static func fileName(_ label: String) -> String {
        String(label.map { $0.isLetter || $0.isNumber || $0 == "." || $0 == "-" ? $0 : "-" })
    }

    func validate() throws {
        guard (file == nil) != (source.sql == nil) else { throw ValidationError("Give a file, or --sql with --query.") }
        guard proposeMapping || mapping != nil else {
            throw ValidationError("Missing expected argument '--mapping <name|file>'; --propose-mapping makes one.")
        }
        if source.paging != nil, webURL == nil { throw ValidationError("--paging is for a URL.") }
        if source.every != nil, webURL == nil, source.sql == nil { throw ValidationError("--every is for --sql or a URL.") }
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
        guard (1...100_000).contains(inFlight) else { throw ValidationError("--in-flight must be 1 to 100000.") }
        guard (1...86_400).contains(patience) else { throw ValidationError("--patience must be 1 to 86400 seconds.") }
    }

    func run() async throws {
        do {
            if proposeMapping {
                guard let file, webURL == nil else { throw ValidationError("--propose-mapping looks at a file.") }
                return try propose(file)
            }
            let mapping = try Mapping.load(mapping ?? "")
            guard mapping.kind == kind else {
                throw SuiteConnection.Problem(
                    description: "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue)")
            }
            if !dryRun { _ = try connection.connection() }
            if let every = source.every { return try await repeatedly(mapping, every: every) }
            let result = try await once(mapping)
            try result.show(as: format)
            if result.status != 0 { throw ExitCode(result.status) }
        } catch let code as ExitCode {
            throw code
        } catch let error as ValidationError {
            throw error
        } catch {
            fail(plainly(error))
            throw ExitCode(1)
        }
    }

    /// Tells what went wrong before there was a result; to programs as the result is told.
    private func fail(_ words: String) {
        guard format == .json, !proposeMapping else { return Self.tell(words) }
        let name = webURL?.host ?? file ?? URLComponents(string: source.sql ?? "")?.host ?? ""
        var result = ImportResult(kind: kind.rawValue, file: name, mapping: mapping ?? "", dryRun: dryRun, rowsBefore: 0)
        result.error = words
        try? result.show(as: format)
    }

    /// Prints the mapping; what a person must still find is told beside it, by the exit status too.
    private func propose(_ file: String) throws {
        let proposal = try MappingProposal(file: file, kind: kind)
        print(proposal.yaml, terminator: "")
        fflush(nil)
        guard !proposal.open.isEmpty else { return }
        let reason =
            !proposal.hasNames ? "begins with data and names no columns"
            : proposal.rowCount == 0 ? "has no rows to tell columns by" : "does not tell all"
        Self.tell("\(file) \(reason); look at what the mapping leaves open: \(proposal.open.joined(separator: ", "))")
        throw ExitCode(3)
    }

    var webURL: URL? {
        guard let file, file.hasPrefix("http://") || file.hasPrefix("https://") else { return nil }
        return URL(string: file)
    }

    private var identity: SuiteConnection.Identity {
        if let identity = self.as { return identity }
        return switch kind {
        case .complaints: .agency
        case .jurisdictions: .operator
        case .transactions, .labels, .terminals, .customers, .merchants, .context: .bank
        }
    }

    /// Until it is interrupted. What goes wrong is told, and the next time may do better, unless the command itself is wrong.
    private func repeatedly(_ mapping: Mapping, every: ImportSourceOptions.Interval) async throws {
        while true {
            var pause = Duration.seconds(every.seconds)
            do {
                let result = try await once(mapping)
                try result.show(as: format)
                if result.interrupted { throw ExitCode(result.status) }
            } catch let error as ExitCode {
                throw error
            } catch let mistake as ImportMistake {
                throw mistake
            } catch {
                try Task.checkCancellation()
                if let wait = (error as? WebSource.Refusal)?.retryAfter { pause = max(pause, wait) }
                fail("\(plainly(error)); the next try is in \(ImportProgress.span(seconds: Double(pause.components.seconds)))")
            }
            try await Task.sleep(for: pause)
        }
    }

    private func once(_ mapping: Mapping) async throws -> ImportResult {
        let started = ContinuousClock.now
        if let file, webURL == nil { return try await perform(file, mapping, started) }
        if let webURL {
            return try await take(from: WebSource(url: webURL, paging: source.paging, records: mapping.format.records), mapping, started)
        }
        let sql = try SQLSource(
            url: source.sql ?? "", query: source.query ?? "", watermark: source.watermark, columns: mapping.columnNames,
            idColumn: mapping.idColumn)
        return try await take(from: sql, mapping, started)
    }

    private func take(from source: some RowSource, _ mapping: Mapping, _ started: ContinuousClock.Instant) async throws -> ImportResult {
        let home = SuiteHome(explicit: connection.home).path
        let statePath = self.source.state ?? "\(home)/import-state.json"
        let key = ImportState.key(source, mapping: mapping, as: identity, home: home)
        let kept = try ImportState.read(from: statePath).sources
        if kept[key] == nil, kept[source.formerKey] != nil {
            Self.tell("what \(statePath) keeps of \(source.label) does not say of which kind and mapping; this run takes all rows, none twice")
        }
        // A dry run says what is there, also where it has not changed since it was imported.
        let since = restart || (dryRun && kept[key]?.watermark == nil) ? nil : kept[key]
        let spooled: SpooledRows
        switch try await source.spool(since: since) {
        case .nothing(let why):
            var nothing = ImportResult(kind: kind.rawValue, file: source.label, mapping: mapping.name, dryRun: dryRun, rowsBefore: 0)
            nothing.note = why
            return nothing
        case .rows(let rows): spooled = rows
        }
        var mapping = mapping
        if spooled.areLines { mapping.format = FileFormat(kind: .ndjson, missing: mapping.format.missing) }
        let path = spooled.file.path
        var result: ImportResult
        do {
            result = try await perform(path, mapping, started, label: source.label)
        } catch {
            // By the source's name: the file here is only passing through.
            throw SuiteConnection.Problem(description: plainly(error).replacing(path, with: "what \(source.label) sent"))
        }
        result.error = result.error?.replacing(path, with: "what \(source.label) sent")
        result.file = source.label
        // Only what is in, or was refused for good, is not asked for again.
        if [0, 3].contains(result.status), !dryRun, limit == nil, let entry = spooled.entry {
            try ImportState.keep(entry, of: key, in: statePath)
        }
        return result
    }

    private static func tell(_ words: String) { FileHandle.standardError.write(Data("vigil import: \(words)\n".utf8)) }

    /// - Parameter label: what a file that is only passing through is called.
    private func perform(
        _ file: String, _ mapping: Mapping, _ started: ContinuousClock.Instant, label: String? = nil
    ) async throws -> ImportResult {
        let suite = dryRun ? nil : try connection.connection()
        let channel = try suite?.channelConfiguration(Importer.gateway, as: identity)
        var files = ImportFiles.place(
            file: label == nil ? file : "-", kind: kind, rejects: rejects ?? label.map { "./\(Self.fileName($0)).\(kind.rawValue).rejects.csv" })
        if let channel, label == nil { files.source = .init(kind: kind, file: file, mapping: mapping, gateway: channel.target) }
        if files.source == nil { files.checkpoint = nil }
        files.keepsEarlierRejects = !dryRun && (label != nil || file == "-")
        // What a dry run refuses is not what an import that may go on later has refused.
        if dryRun, rejects == nil { files.rejects += ".dry-run.csv" }
        let bankID = suite?.suite.bank.bankID ?? suite?.suite.bank.subject ?? "bank"
        let session = try ImportSession(
            file: file, mapping: mapping, options: ReadOptions(bankID: bankID),
            namesBank: mapping.maps("bank_id") || identity == .operator, limit: limit, files: files, maxInFlight: inFlight, resume: !restart)
        if session.rowsBefore > 0 {
            session.note("going on after row \(ImportProgress.grouped(session.rowsBefore)); --restart begins anew")
        }
        var result = ImportResult(kind: kind.rawValue, file: file, mapping: mapping.name, dryRun: dryRun, rowsBefore: session.rowsBefore)
        do {
            if let suite, let channel {
                let importer = Importer(
                    session: session, kind: kind, channel: channel, tokens: try suite.tokens(for: identity), patience: .seconds(patience))
                let ending = try await withInterruption({ session.stop() }) { try await importer.run() }
                result.interrupted = ending == .interrupted
            } else {
                try session.dryRun()
            }
            if let failure = session.failure {
                let done = session.counts.rows
                result.error = "\(failure); " + (done == 0 ? "no row is done" : "the first \(ImportProgress.grouped(done)) rows are done")
            }
        } catch {
            result.error = plainly(error)
        }
        do {
            result.rejectsFile = try session.finish()
        } catch {
            result.error = result.error ?? plainly(error)
        }
        result.firstRejected = session.firstFaults
        result.earlierRejectsFiles = session.earlierRejects
        if result.error == nil, session.isWithoutRows {
            result.note = "\(label ?? file) has no rows, a header or an envelope at most: nothing to import"
        }
        result.canGoOn = session.canGoOn
        result.finish(session.counts, seconds: ImportProgress.seconds(ContinuousClock.now - started))
        return result
    }
}

/// Where an import keeps its files.
enum ImportFiles {
    /// Beside the file, or in the working directory where nothing may be written there. The kind is part of their names, because one file
    /// may hold rows of several kinds: payments and their labels.
    static func place(file: String, kind: RecordKind, rejects: String?) -> ImportSession.Files {
        let name = (file == "-" ? "stdin" : URL(fileURLWithPath: file).lastPathComponent) + ".\(kind.rawValue)"
        let folder: String
        if let rejects {
            folder = URL(fileURLWithPath: rejects).deletingLastPathComponent().path
        } else {
            let own = file == "-" ? "." : URL(fileURLWithPath: file).deletingLastPathComponent().path
            folder = isWritable(own) ? own : FileManager.default.currentDirectoryPath
        }
        return ImportSession.Files(
            rejects: rejects ?? "\(folder)/\(name).rejects.csv", checkpoint: "\(folder)/\(name).import.json", source: nil)
    }

    /// A folder that nobody may write in is left alone, also by root.
    private static func isWritable(_ folder: String) -> Bool {
        let mode = (try? FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int) ?? 0
        return mode & 0o222 != 0 && FileManager.default.isWritableFile(atPath: folder)
    }
}
