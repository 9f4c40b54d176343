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
        abstract: "Send a file to the running suite: terminals, customers, transactions, labels, complaints or context signals.",
        discussion: """
            The file is CSV, NDJSON or a JSON list, gzip or not; `-` is the standard input. A mapping says which column is which field:

              vigil import terminals terminals.csv --mapping handbook-terminals
              vigil import transactions tx.csv.gz --mapping handbook-transactions
              vigil import labels tx.csv.gz --mapping handbook-labels
              vigil import complaints crimes.csv --mapping ./ours.yaml --dry-run

            Shipped mappings: \(Mapping.shippedNames.joined(separator: ", ")).

            A row is done when the gateway has answered that it is durable. A bad row goes to the rejects file with field, value and \
            reason, and the rest goes on. If the gateway goes away, the import waits for it. If the import itself is interrupted, run \
            the same command again: it goes on where it stopped. Nothing is stored twice.

            Exit status: 0 all rows are in, 3 some were rejected, 1 the import failed, 130 it was interrupted.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Argument(help: "What the rows are: \(Self.kinds).", transform: ImportCommand.kind)
    var kind: RecordKind

    @Argument(help: "The file, or - for the standard input.")
    var file: String

    @Option(name: [.short, .long], help: ArgumentHelp("A shipped mapping's name, or a .yaml or .json file.", valueName: "name|file"))
    var mapping: String

    @Option(help: ArgumentHelp("Where refused rows are written; FILE.rejects.csv unless given.", valueName: "file"))
    var rejects: String?

    @Option(help: ArgumentHelp("Take only the first rows.", valueName: "rows"))
    var limit: Int?

    @Flag(help: "Read and check the whole file, and send nothing.")
    var dryRun = false

    @Flag(help: "Begin at the first row, also where an interrupted import could go on.")
    var restart = false

    @Option(help: ArgumentHelp("As whom to send: bank or agency; complaints go as the agency unless given.", valueName: "identity"))
    var `as`: SuiteConnection.Identity?

    @Option(help: ArgumentHelp("Rows on their way at once, at most.", valueName: "rows"))
    var inFlight = 2_000

    @Option(help: ArgumentHelp("How long the gateway may be gone before the import fails.", valueName: "seconds"))
    var patience = 300

    @Option(help: "text or json: how the result is printed.")
    var format: Format = .text

    @OptionGroup var connection: ConnectionOptions

    private static let kinds = RecordKind.allCases.map(\.rawValue).joined(separator: ", ")

    private static func kind(_ word: String) throws -> RecordKind {
        guard let kind = RecordKind(rawValue: word) else { throw ValidationError("`\(word)` is none of \(kinds).") }
        return kind
    }

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
        guard (1...100_000).contains(inFlight) else { throw ValidationError("--in-flight must be 1 to 100000.") }
        guard (1...86_400).contains(patience) else { throw ValidationError("--patience must be 1 to 86400 seconds.") }
    }

    func run() async throws {
        let started = ContinuousClock.now
        do {
            let result = try await perform(started)
            try result.show(as: format)
            if result.status != 0 { throw ExitCode(result.status) }
        } catch let code as ExitCode {
            throw code
        } catch let error as ValidationError {
            throw error
        } catch {
            FileHandle.standardError.write(Data("vigil import: \(error)\n".utf8))
            throw ExitCode(1)
        }
    }

    private func perform(_ started: ContinuousClock.Instant) async throws -> ImportResult {
        let mapping = try Mapping.load(mapping)
        guard mapping.kind == kind else {
            throw SuiteConnection.Problem(
                description: "the mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue)")
        }
        let suite = dryRun ? nil : try connection.connection()
        let identity = self.as ?? (kind == .complaints ? .agency : .bank)
        let channel = try suite?.channelConfiguration(Importer.gateway)
        var files = ImportFiles.place(file: file, rejects: rejects)
        if let channel { files.source = .init(kind: kind, file: file, mapping: mapping, gateway: channel.target) }
        if files.source == nil { files.checkpoint = nil }
        let bankID = suite?.suite.bank.bankID ?? suite?.suite.bank.subject ?? "bank"
        let session = try ImportSession(
            file: file, mapping: mapping, options: ReadOptions(bankID: bankID), limit: limit, files: files, maxInFlight: inFlight,
            resume: !restart)
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
            if let failure = session.failure { result.error = "\(failure); the rows before that are done" }
        } catch {
            result.error = "\(error)"
        }
        result.rejectsFile = try session.finish()
        result.finish(session.counts, seconds: ImportProgress.seconds(ContinuousClock.now - started))
        return result
    }
}

/// Where an import keeps its files.
enum ImportFiles {
    /// Beside the file, or in the working directory where nothing may be written there.
    static func place(file: String, rejects: String?) -> ImportSession.Files {
        let name = file == "-" ? "stdin" : URL(fileURLWithPath: file).lastPathComponent
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
