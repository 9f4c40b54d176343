import Contracts
import Datasets
import Foundation
import RPC

/// Drives an import over as many connections as it takes. Sending a row again is safe: the gateway answers `duplicate`.
struct Importer {
    /// Why an import ended before its file did.
    enum Ending: Equatable {
        case done
        case interrupted
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let gateway = "ingestion-gateway"
    private static let minBackoff = Duration.milliseconds(200)
    private static let maxBackoff = Duration.seconds(5)
    /// A connection that brings nothing for so long is given up, so that a stuck gateway cannot hold an import for ever.
    private static let maxKeepAliveSeconds = 10

    let session: ImportSession
    let kind: RecordKind
    let channel: ChannelConfiguration
    /// Nil where the channel's certificate says who sends.
    let tokens: TokenSource?
    /// How long the gateway may be gone before the import fails.
    let patience: Duration

    /// - Throws: `Failure` when the gateway refuses the caller or stays away; what has been done is kept for the next run.
    func run() async throws -> Ending {
        var configuration = channel
        configuration.defaultTimeoutSeconds = 0
        configuration.keepAliveSeconds = max(1, min(Self.maxKeepAliveSeconds, Int(patience / .seconds(1)) / 2))
        return try await withChannel(configuration, logger: SuiteConnection.quiet) { channel in
            let client = IngestionV1.IngestionService.Client(channel)
            var backoff = Self.minBackoff
            var isTokenFresh = false
            while !session.isDone {
                if session.isStopping { return .interrupted }
                let problem: RPCError
                do {
                    let options = CallOptions(metadata: try await tokens?.metadata() ?? [:])
                    try await stream(client, options)
                    if session.isDone || session.isStopping { continue }
                    problem = RPCError(.unavailable, "the gateway ended the stream")
                } catch let error as RPCError {
                    problem = error
                }
                if session.connectionLost() {
                    backoff = Self.minBackoff
                    isTokenFresh = false
                }
                if session.isDone || session.isStopping { continue }
                if problem.code == .unauthenticated, !isTokenFresh {
                    await tokens?.forget()
                    isTokenFresh = true
                    continue
                }
                guard Self.mayPass(problem.code) else { throw Failure(description: "the gateway refused the import: \(problem)") }
                let silence = session.sinceLastAnswer
                guard silence < patience else {
                    let span = ImportProgress.span(seconds: ImportProgress.seconds(silence))
                    throw Failure(description: "no answer for \(span): \(problem)")
                }
                session.note("\(problem.message); trying again in \(ImportProgress.seconds(backoff)) s")
                try await Task.sleep(for: backoff)
                backoff = min(backoff * 2, Self.maxBackoff)
            }
            return .done
        }
    }

    private func stream(_ client: IngestionV1.IngestionService.Client, _ options: CallOptions) async throws {
        let session = session
        if kind == .transactions {
            try await client.streamTransactions(options: options) { writer in
                while let (row, message) = try await session.next() {
                    guard let transaction = message.transaction else { continue }
                    try await writer.write(IngestionV1.StreamTransactionsRequest(sequence: row, transaction: transaction, brief: true))
                }
            } read: { answers in
                for try await answer in answers {
                    try session.answer(row: answer.sequence, RowResult(answer))
                }
            }
        } else {
            try await client.importRecords(options: options) { writer in
                while let (row, message) = try await session.next() {
                    guard let record = message.record else { continue }
                    try await writer.write(IngestionV1.ImportRecordsRequest(sequence: row, record: record))
                }
            } read: { answers in
                for try await answer in answers {
                    try session.answer(row: answer.sequence, RowResult(answer))
                }
            }
        }
    }

    /// Whether a later attempt may succeed where this one failed.
    private static func mayPass(_ code: StatusCode) -> Bool {
        switch code {
        case .unavailable, .resourceExhausted, .aborted, .deadlineExceeded, .cancelled, .internal, .unknown: true
        default: false
        }
    }
}
