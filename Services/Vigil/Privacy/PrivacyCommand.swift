import ArgumentParser
import Contracts
import Foundation
import RPC
import RecordCoding
import Records
import StandardContracts

/// `vigil privacy …`
struct PrivacyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privacy", abstract: "Raw identifiers and old data: erase, reveal, name, drop; each time on the record.",
        subcommands: [Erase.self, Reveal.self, Token.self, Retention.self, Log.self])

    struct Target: ParsableArguments {
        @Flag(help: "Print JSON.")
        var json = false

        @OptionGroup var connection: ConnectionOptions

        func call<R>(_ body: (IngestionV1.IngestionService.Client) async throws -> R) async throws -> R {
            let configuration = try connection.connection().operatorConfiguration("ingestion-gateway")
            do {
                return try await withChannel(configuration, logger: SuiteConnection.quiet) {
                    try await body(IngestionV1.IngestionService.Client($0))
                }
            } catch let error as RPCError {
                throw SuiteConnection.Problem(description: "the gateway answered: \(error.message)")
            }
        }

        func show(_ message: some Encodable, _ text: String) throws {
            guard json else { return print(text) }
            try FeaturesCommand.printJSON(message)
        }
    }

    struct Erase: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Erase what is kept of one person's raw identifiers, or one identifier of whomever, for good.",
            discussion: """
                Erases the customer's own identifier and those of accounts, cards, devices and addresses seen as this customer's only, and keeps \
                none of them again for this customer; what is another customer's as well stays that one's. With --kind, erases one identifier \
                whoever's it is, also of whom somebody paid, and keeps it for nobody again. What was stored of payments stays under tokens, which \
                lead nowhere from then on. Exit status: 0 erased, now or before, 3 nothing was kept of it, 1 failed.
                """)
        @Argument(help: "The bank's own identifier of the customer, or an identifier of another kind.")
        var identifier: String

        @Option(help: "What it is: customer, account, card, device, email, phone, ip, or token for the token of any of them.")
        var kind = "customer"

        @Option(help: "Whose customer; for customers only.")
        var bank = ""

        @Option(help: "Why, for the record.")
        var reason: String

        @OptionGroup var target: Target

        private struct Result: Encodable {
            let erased: Int64
            let shared: Int64
            let erasedBefore: String?
        }

        func run() async throws {
            var request = IngestionV1.EraseIdentifiersRequest(bankID: bank, reason: reason)
            if kind == "token" { request.token = identifier } else { (request.kind, request.identifier) = (kind, identifier) }
            let answer = try await target.call { [request] in
                try await $0.eraseIdentifiers(request, options: CallOptions(timeout: .seconds(60)))
            }
            let shared = answer.shared == 0 ? "" : ", \(answer.shared) stay: they are another customer's as well"
            let before = answer.erasedBefore.flatMap { Timestamp($0) }
            let mark = before.map { "; it is marked as erased since \($0.iso8601)" } ?? ""
            let result = Result(erased: answer.erased, shared: answer.shared, erasedBefore: before?.iso8601)
            try target.show(result, "\(answer.erased) identifiers erased\(shared)\(mark)")
            if answer.erased == 0, answer.shared == 0, before == nil {
                FileHandle.standardError.write(Data("warning: nothing was kept of this \(kind), and nothing is marked as erased\n".utf8))
                throw ExitCode(3)
            }
        }
    }

    struct Reveal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the raw identifier behind a token.")
        @Argument(help: "The token.")
        var token: String

        @Option(help: "Why, for the record.")
        var reason: String

        @OptionGroup var target: Target

        func run() async throws {
            let answer = try await target.call {
                try await $0.revealIdentifier(.init(token: token, reason: reason), options: CallOptions(timeout: .seconds(10)))
            }
            try target.show(["kind": answer.kind, "identifier": answer.identifier], "\(answer.kind) \(answer.identifier)")
        }
    }

    struct Token: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the token of a raw identifier, by which all but the bank knows it.",
            discussion: "As `GetFeatures` of the feature store takes it and `vigil features export` writes it, whether it was ever seen or not.")
        @Argument(help: "The bank's own identifier of the customer, or an identifier of another kind.")
        var identifier: String

        @Option(help: "What it is: customer, account, card, device, email, phone or ip.")
        var kind = "customer"

        @Option(help: "Whose customer; for customers only.")
        var bank = ""

        @Option(help: "Why, for the record.")
        var reason: String

        @OptionGroup var target: Target

        func run() async throws {
            let request = IngestionV1.TokenizeIdentifierRequest(identifier: identifier, kind: kind, bankID: bank, reason: reason)
            let token = try await target.call { try await $0.tokenizeIdentifier(request, options: CallOptions(timeout: .seconds(10))) }.token
            try target.show(["token": token], token)
        }
    }

    struct Retention: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Drop the gateway's log where it is older than the retention, and raw identifiers that came with nothing since.",
            discussion: """
                The log goes by whole partitions of 31 days. A raw identifier goes when no payment that is kept names it, one partition later \
                than the last that did; one that names a registered customer, or an account in a complaint, stays until `vigil privacy erase` lets it go.
                """)
        @Option(help: ArgumentHelp("Keep at least so many days, 62 or more; what the gateway is configured with unless given.", valueName: "days"))
        var keepDays: UInt32 = 0

        @Flag(help: "Only say what would be dropped.")
        var dryRun = false

        @OptionGroup var target: Target

        private struct Result: Encodable {
            let partitions: [String]
            let identifiers: Int64
        }

        func run() async throws {
            let answer = try await target.call {
                try await $0.applyRetention(.init(keepDays: keepDays, dryRun: dryRun), options: CallOptions(timeout: .seconds(600)))
            }
            let lines = answer.dropped.map { "\($0.name), until \($0.until.flatMap(Timestamp.init)?.iso8601 ?? "")" }
            let verb = dryRun ? "would be dropped" : "dropped"
            try target.show(
                Result(partitions: answer.dropped.map(\.name), identifiers: answer.identifiers),
                (["\(lines.count) partitions and \(answer.identifiers) identifiers \(verb)"] + lines).joined(separator: "\n  "))
        }
    }

    struct Log: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show what was erased, revealed, named and dropped, newest first.")
        @Option(help: "How many at most.")
        var limit: UInt32 = 100

        @OptionGroup var target: Target

        private struct Row: Encodable {
            let at: String
            let action: String
            let actor: String
            let subject: String
            let reason: String
            let count: Int64
        }

        func run() async throws {
            let answer = try await target.call {
                try await $0.listPrivacyRecords(.init(limit: limit), options: CallOptions(timeout: .seconds(10)))
            }
            let rows = answer.records.map {
                Row(
                    at: $0.at.flatMap(Timestamp.init)?.iso8601 ?? "", action: $0.action, actor: $0.actor, subject: $0.subject,
                    reason: $0.reason, count: $0.count)
            }
            let lines = rows.map { "\($0.at)  \($0.action)  \($0.subject)  \($0.count)  by \($0.actor): \($0.reason)" }
            try target.show(rows, lines.isEmpty ? "nothing yet" : lines.joined(separator: "\n"))
        }
    }
}
