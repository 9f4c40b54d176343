import Contracts
import RPC
import RecordCoding
import Records
import Simulation
import StandardContracts

/// Sends the sample world to the running suite as those would who have the records: the bank its registry, payments and
/// labels, the police its complaints, each with a token of its own; the operator the districts. Sending again changes nothing.
struct SampleReplay {
    let connection: SuiteConnection
    let sample: SampleWorld

    private static let timeout = Duration.seconds(300)

    func run() async throws {
        try await withChannel(connection.operatorConfiguration("ingestion-gateway"), logger: SuiteConnection.quiet) { channel in
            let districts = sample.world.jurisdictions.map { IngestionV1.ImportRecordsRequest.Record.jurisdiction(.init($0)) }
            try await importRecords(districts, IngestionV1.IngestionService.Client(channel), as: [:])
        }
        let bank = try await connection.tokens(for: .bank)?.metadata() ?? [:]
        let agency = try await connection.tokens(for: .agency)?.metadata() ?? [:]
        try await withChannel(connection.channelConfiguration("ingestion-gateway"), logger: SuiteConnection.quiet) { channel in
            let client = IngestionV1.IngestionService.Client(channel)
            try await importRecords(registry, client, as: bank)
            let history = sample.transactions.filter { $0.eventTime < sample.dayBegins }
            try await submit(history, client, as: bank)
            try await importRecords(sample.labels.map { .label(.init($0)) }, client, as: bank)
            try await importRecords(sample.complaints.map { .complaint(.init($0)) }, client, as: agency)
            try await submit(sample.transactions.filter { $0.eventTime >= sample.dayBegins }, client, as: bank)
        }
    }

    private var registry: [IngestionV1.ImportRecordsRequest.Record] {
        let world = sample.world
        return world.terminals.map { .terminal(.init($0)) } + world.customers.map { .customer(.init($0)) }
            + world.contextSignals.map { .contextSignal(.init($0)) }
    }

    // MARK: Streams

    private func importRecords(
        _ records: [IngestionV1.ImportRecordsRequest.Record], _ client: IngestionV1.IngestionService.Client, as caller: Metadata
    ) async throws {
        let options = CallOptions(timeout: Self.timeout, metadata: caller)
        let answered = try await client.importRecords(options: options) { writer in
            for (index, record) in records.enumerated() { try await writer.write(.init(sequence: UInt64(index), record: record)) }
        } read: { responses in
            var count = 0
            for try await response in responses {
                if response.outcome == .rejected { throw SampleError("record \(response.sequence) was refused: \(response.violations)") }
                count += 1
            }
            return count
        }
        guard answered == records.count else { throw SampleError("\(records.count) records were sent and \(answered) answered") }
    }

    private func submit(
        _ transactions: [Transaction], _ client: IngestionV1.IngestionService.Client, as caller: Metadata
    ) async throws {
        let options = CallOptions(timeout: Self.timeout, metadata: caller)
        let answered = try await client.streamTransactions(options: options) { writer in
            for (index, transaction) in transactions.enumerated() {
                try await writer.write(.init(sequence: UInt64(index), transaction: .init(transaction)))
            }
        } read: { responses in
            var count = 0
            for try await response in responses {
                if response.outcome == .rejected { throw SampleError("transaction \(response.sequence) was refused: \(response.violations)") }
                count += 1
            }
            return count
        }
        guard answered == transactions.count else {
            throw SampleError("\(transactions.count) transactions were sent and \(answered) answered")
        }
    }
}

/// Why the sample could not be made or sent.
struct SampleError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
