import BenchmarkSupport
import Contracts
import Foundation
import Protobuf
import StandardContracts

/// Decoding and encoding a transaction: ours into Swift values, protobuf-c's bare into its structs, Foundation's JSON.
enum CodecBenchmark {
    private static let transaction = RecordsV1.Transaction(
        key: RecordsV1.TransactionKey(bankID: "sagarpur-bank", transactionID: "7f3c1a52-20260408-000123"),
        eventTime: GoogleProtobuf.Timestamp(seconds: 1_775_600_000, nanos: 250_000_000), timeZone: "Asia/Kolkata",
        customerID: "b0d6a9f2c1e84d7790aa31c2b8f5e6d4", accountID: "acc-2f8e6d4b0a9c7135", cardID: "card-91b7d35f0e2c4a68",
        terminalID: "terminal-004521", merchantCategoryCode: "5411", counterpartyAccountID: "acc-77aa00bb11cc22dd",
        deviceID: "device-e5f60718", channel: .pos, amount: RecordsV1.Money(minorUnits: 125_050, currency: "INR"),
        location: RecordsV1.Location(latitude: 17.2034, longitude: 75.3512))

    /// The same fields as a Swift programmer would have them in JSON.
    private struct Plain: Codable {
        var bankID = "sagarpur-bank", transactionID = "7f3c1a52-20260408-000123", eventTime = "2026-04-07T22:13:20.250Z"
        var timeZone = "Asia/Kolkata", customerID = "b0d6a9f2c1e84d7790aa31c2b8f5e6d4", accountID = "acc-2f8e6d4b0a9c7135"
        var cardID = "card-91b7d35f0e2c4a68", terminalID = "terminal-004521", merchantCategoryCode = "5411"
        var counterpartyAccountID = "acc-77aa00bb11cc22dd", deviceID = "device-e5f60718", channel = "CHANNEL_POS"
        var minorUnits: Int64 = 125_050, currency = "INR", latitude = 17.2034, longitude = 75.3512
    }

    static func run(_ report: inout BenchmarkReport) throws {
        let bytes = transaction.protobufBytes()
        let file = FileManager.default.temporaryDirectory.appending(path: "bench-rpc-\(ProcessInfo.processInfo.processIdentifier).bin")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let beside = try paired(
            rounds: 5, ours: { try nanoseconds(iterations: 200_000) { try roundTrip(bytes) } },
            peer: { try Peers.figure(Peers.folder + "codec", [file.path, "200000"]) })
        report.compare(
            "decode and encode, 16 fields in \(bytes.count) bytes", unit: "ns CPU", ours: beside.ours, peer: beside.peer, "protobuf-c bare",
            .atMost(2))
        let json = try JSONEncoder().encode(Plain())
        let decoder = JSONDecoder()
        let encoder = JSONEncoder()
        let besideJSON = try paired(
            rounds: 3, ours: { try nanoseconds(iterations: 200_000) { try roundTrip(bytes) } },
            peer: {
                try nanoseconds(iterations: 10_000) { try encoder.encode(try decoder.decode(Plain.self, from: json)).count }
            })
        report.compare(
            "decode and encode, 16 fields", unit: "ns CPU", ours: besideJSON.ours, peer: besideJSON.peer, "Foundation's JSON", .atMost(0.2))
    }

    private static func roundTrip(_ bytes: [UInt8]) throws -> Int {
        let message = try RecordsV1.Transaction(protobuf: bytes)
        return message.protobufBytes().count
    }

    private static func nanoseconds(iterations: Int, _ body: () throws -> Int) rethrows -> Double {
        var sum = 0
        let before = processorSeconds()
        for _ in 0..<iterations { sum &+= try body() }
        let after = processorSeconds()
        precondition(sum > 0)
        return (after - before) * 1e9 / Double(iterations)
    }
}
