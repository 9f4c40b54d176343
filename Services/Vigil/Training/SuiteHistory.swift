import Contracts
import Foundation
import RPC
import RecordCoding
import Records
import Training

/// The running suite's history, read from the ingestion gateway's event log as the operator.
struct SuiteHistory {
    /// So long nothing may come before the gateway is taken for gone.
    private static let patience = Duration.seconds(60)
    private static let batchEvents: UInt32 = 2_000

    let connection: SuiteConnection

    /// What the log held when the reading began, and perhaps a little more.
    func load(_ progress: inout ProgressLine) async throws -> PaymentHistory {
        var line = progress
        defer { progress = line }
        let configuration = try connection.operatorConfiguration("ingestion-gateway")
        return try await withChannel(configuration, logger: SuiteConnection.quiet) { channel in
            let gateway = IngestionV1.IngestionService.Client(channel)
            let statistics = try await gateway.getStatistics(.init(), options: CallOptions(timeout: Self.patience))
            var records = LoggedRecords(expecting: statistics)
            while !records.isComplete {
                records = try await read(after: records, from: gateway, line: &line)
            }
            return records.history
        }
    }

    /// Follows the log until all that was expected is there.
    private func read(
        after start: LoggedRecords, from gateway: IngestionV1.IngestionService.Client, line: inout ProgressLine
    ) async throws -> LoggedRecords {
        let request = IngestionV1.TailEventsRequest(after: start.position, maxBatch: Self.batchEvents)
        let (records, drawn) = try await gateway.tailEvents(request) { [line] responses in
            var records = start
            var line = line
            for try await response in responses {
                for event in response.events { try records.append(event) }
                line.show("reading the suite's log, \(records.count) events", fraction: records.fraction)
                if records.isComplete { break }
            }
            return (records, line)
        }
        line = drawn
        guard records.count > start.count || records.isComplete else {
            throw SuiteConnection.Problem(description: "the ingestion gateway ended its log after \(records.count) events")
        }
        return records
    }
}

/// What has been read of the log.
private struct LoggedRecords: Sendable {
    private(set) var position: EventLogV1.LogPosition?
    private(set) var count = 0
    private var transactions: [Transaction] = []
    private var labels: [Label] = []
    private var customers: [Customer] = []
    private var terminals: [Terminal] = []
    private var incidents: [KnownIncident] = []
    private let expectedTransactions: Int
    private let expectedLabels: Int

    init(expecting statistics: IngestionV1.GetStatisticsResponse) {
        expectedTransactions = Int(statistics.transactions)
        expectedLabels = Int(statistics.labels)
    }

    var isComplete: Bool { transactions.count >= expectedTransactions && labels.count >= expectedLabels }

    var fraction: Double {
        Double(transactions.count + labels.count) / Double(max(1, expectedTransactions + expectedLabels))
    }

    var history: PaymentHistory {
        var history = PaymentHistory(transactions: transactions, labels: labels, customers: customers, terminals: terminals)
        history.incidents = incidents
        return history
    }

    mutating func append(_ logged: IngestionV1.LoggedEvent) throws {
        position = logged.position
        count += 1
        guard let event = logged.event else { return }
        switch event.event {
        case .transactionAccepted(let message): transactions.append(try Transaction(message, sender: event.senderID))
        case .labelAccepted(let message): labels.append(try Label(message, sender: event.senderID))
        case .customerRegistered(let message): customers.append(try Customer(message))
        case .terminalRegistered(let message): terminals.append(try Terminal(message))
        case .complaintAccepted(let message):
            let complaint = try? Complaint(message, reporter: .init(kind: .agency, id: event.senderID))
            if let incident = complaint.flatMap({ KnownIncident($0) }) { incidents.append(incident) }
        case .contextSignalAccepted, .jurisdictionRegistered, .merchantRegistered, nil: break
        }
    }
}
