import Contracts
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import Synchronization
import TestSupport
import Testing

@Suite(.serialized) struct SubmissionTests {
    @Test func aTransactionIsStoredFirstAndDecidedOnAsSoonAsThereIsAModel() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                let early = payment("t-1")
                let first = try await client.submitTransaction(.init(transaction: early), options: options)
                #expect(first.outcome == .accepted)
                #expect(first.decision?.state == .pending)

                let version = try await path.promoteModel()
                let second = try await client.submitTransaction(.init(transaction: payment("t-2")), options: options)
                #expect(second.outcome == .accepted)
                let decision = try #require(second.decision)
                #expect(decision.state == .decided)
                #expect((0...1).contains(decision.riskScore))
                #expect(decision.modelVersion == version)
                #expect(!decision.reasons.isEmpty)
                #expect(decision.key == .init(bankID: ScoringPath.bank, transactionID: "t-2"))

                let late = try await waitForDecision(early, client, options)
                #expect(late.modelVersion == version)
            }
        }
    }

    @Test func sendingAgainAnswersTheFirstDecisionAndChangesNothing() async throws {
        try await ScoringPath.run { path in
            try await path.promoteModel()
            try await path.asBank { client, options in
                let transaction = payment("t-1")
                let first = try await client.submitTransaction(.init(transaction: transaction), options: options)
                let again = try await client.submitTransaction(.init(transaction: transaction), options: options)
                #expect(again.outcome == .duplicate)
                // By their encodings, since a reason's value may be NaN, which equals nothing.
                let before = try #require(first.decision)
                let after = try #require(again.decision)
                #expect(Payload.encode(before) == Payload.encode(after))
                var other = transaction
                other.amount?.minorUnits = 99_900
                let conflict = await #expect(throws: RPCError.self) {
                    try await client.submitTransaction(.init(transaction: other), options: options)
                }
                #expect(conflict?.code == .alreadyExists)
                #expect(conflict?.fieldViolations.map(\.field) == ["transaction.key.transaction_id"], "as a stream tells it")
                #expect(conflict?.message.hasSuffix("different transaction, whose transaction.amount is not the same") == true, "\(conflict?.message ?? "")")
                let nothing = await #expect(throws: RPCError.self) { try await client.submitLabel(.init(), options: options) }
                #expect(nothing?.fieldViolations.map(\.field) == ["label"])
                let counts = try await client.getStatistics(.init(), options: options)
                #expect(counts.transactions == 1)
                let decisions = try await path.asOperator { try await $0.getStatistics(.init()) }
                #expect(decisions.decisions == 1)
            }
        }
    }

    @Test func aPaymentIsTheSameWithTheZoneAndDetailsThatItWasStoredWithout() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            try await path.asBank { client, options in
                let plain = payment("old")
                var full = plain
                full.timeZone = "Asia/Kolkata"
                full.details = .init(ipAddress: "192.0.2.7", email: "a@example.in", creditorAgentBIC: "SBININBB104")
                var partial = payment("new")
                partial.timeZone = full.timeZone
                partial.details = .init(creditorAgentBIC: "SBININBB104")
                func outcome(_ transaction: RecordsV1.Transaction, _ change: (inout RecordsV1.Transaction) -> Void = { _ in }) async -> String {
                    var transaction = transaction
                    change(&transaction)
                    do {
                        return "\(try await client.submitTransaction(.init(transaction: transaction), options: options).outcome)"
                    } catch {
                        return "\((error as? RPCError)?.code ?? .unknown)"
                    }
                }
                #expect(await outcome(plain) == "accepted")
                #expect(await outcome(full) == "duplicate")
                #expect(await outcome(full) { $0.amount?.minorUnits? += 1 } == "alreadyExists")
                #expect(await outcome(full) { $0.deviceID = "D" } == "alreadyExists", "only zone and details came later")
                #expect(await outcome(partial) == "accepted")
                #expect(await outcome(partial) { $0.details?.phone = "+919876543210" } == "duplicate")
                #expect(await outcome(partial) { $0.details?.creditorAgentBIC = "WESTGB22" } == "alreadyExists")
                #expect(await outcome(partial) { $0.details = nil } == "alreadyExists")
                #expect(await outcome(partial) { $0.timeZone = "+05:30" } == "alreadyExists")
                #expect(await outcome(partial) { $0.timeZone = "" } == "alreadyExists")
                let counts = try await client.getStatistics(.init(), options: options)
                #expect(counts.transactions == 2)
            }
        }
    }

    @Test func aStreamAnswersEachTransactionUnderItsOwnNumber() async throws {
        try await ScoringPath.run { path in
            try await path.promoteModel()
            try await path.asBank { client, options in
                let total = 700
                let answers = try await client.streamTransactions(options: options) { writer in
                    for index in 0..<total {
                        var transaction = payment("s-\(index)", customer: "C\(index % 40)")
                        if index % 100 == 7 { transaction.amount?.currency = "XXQ" }
                        try await writer.write(.init(sequence: UInt64(index), transaction: transaction))
                    }
                } read: { responses in
                    var answers: [UInt64: IngestionV1.StreamTransactionsResponse] = [:]
                    for try await response in responses { answers[response.sequence] = response }
                    return answers
                }
                #expect(answers.count == total)
                #expect(answers.values.filter { $0.outcome == .rejected }.count == 7)
                #expect(answers[7]?.violations == [.init(field: "transaction.amount.currency", reason: "is not an ISO 4217 code")])
                #expect(answers.values.filter { $0.outcome == .accepted }.allSatisfy { $0.decision?.state == .decided })
                let counts = try await client.getStatistics(.init(), options: options)
                #expect(counts.transactions == Int64(total - 7))
            }
        }
    }

    /// Otherwise its sender would wait for answers that never come.
    @Test(.timeLimit(.minutes(1))) func aMessageThatCannotBeReadEndsTheStream() async throws {
        try await ScoringPath.run { path in
            let token = try await TestTokens.token(ScoringPath.bank, kind: .bank, scopes: ScoringPath.scopes, bankID: ScoringPath.bank)
            try await path.gateway.withChannel { channel in
                for method in ["StreamTransactions", "ImportRecords"] {
                    let wrong = Array(#"{"nope":1}"#.utf8)
                    let answer = try await channel.http(HTTPRequest(
                        method: "POST", path: "/vigil.ingestion.v1.IngestionService/\(method)",
                        headers: ["authorization": "Bearer \(token.value)", "content-type": "application/connect+json"],
                        body: [0, 0, 0, 0, UInt8(wrong.count)] + wrong))
                    #expect(answer.status == 200)
                    #expect(String(decoding: answer.bytes, as: UTF8.self).contains("invalid_argument"))
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func whatEndsAStreamComesAfterTheAnswersToAllBeforeIt() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                let answered = Mutex<[UInt64]>([])
                let error = await #expect(throws: RPCError.self) {
                    try await client.importRecords(options: options) { writer in
                        for number in 1...20 {
                            let place = RecordsV1.Location(latitude: 17, longitude: 75)
                            try await writer.write(
                                .init(sequence: UInt64(number), record: .terminal(.init(terminalID: "T\(number)", kind: .atm, location: place))))
                        }
                        try await writer.write(.init(sequence: 21, record: .jurisdiction(.init(jurisdictionID: "J", name: "J"))))
                    } read: { responses in
                        for try await response in responses { answered.withLock { $0.append(response.sequence) } }
                    }
                }
                #expect(error?.code == .permissionDenied)
                #expect(answered.withLock { $0 } == Array(1...20))
            }
        }
    }

    @Test func whatIsWrongIsToldByFieldAndNothingIsStored() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                var cases: [(RecordsV1.Transaction, String)] = []
                func add(_ field: String, _ change: (inout RecordsV1.Transaction) -> Void) {
                    var transaction = payment("bad")
                    change(&transaction)
                    cases.append((transaction, field))
                }
                add("transaction.event_time") { $0.eventTime = .init(Timestamp.now() + .days(2)) }
                add("transaction.amount") { $0.amount?.minorUnits = -1 }
                add("transaction.amount.currency") { $0.amount?.currency = "ABC" }
                add("transaction.amount.minor_units") { $0.amount?.minorUnits = nil }
                add("transaction.location.longitude") { $0.location = .init(latitude: 17.2) }
                add("transaction.location.latitude") { $0.location?.latitude = 91 }
                add("transaction.location.longitude") { $0.location?.longitude = .nan }
                add("transaction.customer_id") { $0.customerID = "" }
                add("transaction.customer_id") { $0.customerID = "  " }
                add("transaction.customer_id") { $0.customerID = String(repeating: "x", count: 1_000) }
                add("transaction.key.bank_id") { $0.key?.bankID = "another-bank" }
                add("transaction.key") { $0.key = nil }
                add("transaction.merchant_category_code") { $0.merchantCategoryCode = "12" }
                for (transaction, field) in cases {
                    let error = await #expect(throws: RPCError.self) {
                        try await client.submitTransaction(.init(transaction: transaction), options: options)
                    }
                    #expect(error?.code == .invalidArgument)
                    #expect(error?.message.contains(field) == true, "\(field): \(error?.message ?? "")")
                }
                let counts = try await client.getStatistics(.init(), options: options)
                #expect(counts.transactions == 0)
            }
        }
    }

    @Test func onlyTheBankItselfWithTheRightScopeIsLetIn() async throws {
        try await ScoringPath.run { path in
            try await path.gateway.withChannel { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                let nobody = await #expect(throws: RPCError.self) { try await client.submitTransaction(.init(transaction: payment("t"))) }
                #expect(nobody?.code == .unauthenticated)
            }
            try await path.asBank(scopes: [Scope.writeLabels]) { client, options in
                let wrongScope = await #expect(throws: RPCError.self) {
                    try await client.submitTransaction(.init(transaction: payment("t")), options: options)
                }
                #expect(wrongScope?.code == .permissionDenied)
                let answers = await #expect(throws: RPCError.self) {
                    try await client.importRecords(options: options) { writer in
                        try await writer.write(.init(sequence: 1, record: .terminal(.init(terminalID: "T", kind: .atm, location: .init()))))
                    } read: { responses in
                        for try await _ in responses {}
                    }
                }
                #expect(answers?.code == .permissionDenied)
            }
        }
    }

    @Test func peoplesIdentifiersLeaveTheGatewayAsTokensOnly() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                _ = try await client.submitTransaction(.init(transaction: payment("t-1", customer: "Asha Rao")), options: options)
            }
            try await path.gateway.withChannel(as: .peer(ServiceName.featureStore)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                let event = try await client.tailEvents(.init()) { responses -> IngestionV1.LoggedEvent? in
                    for try await response in responses { return response.events.first }
                    return nil
                }
                guard case .transactionAccepted(let transaction) = event?.event?.event else {
                    Issue.record("the log does not begin with the transaction")
                    return
                }
                #expect(transaction.customerID.hasPrefix("c.") && transaction.customerID.utf8.count == 24)
                #expect(transaction.accountID.hasPrefix("a."))
                #expect(transaction.cardID.hasPrefix("c."))
                #expect(transaction.terminalID == "POS-1")
            }
        }
    }

    /// What the log tells of so many transactions, records and positions, from a position on.
    private func logged(
        _ detail: IngestionV1.TransactionDetail, after: EventLogV1.LogPosition? = nil, until end: EventLogV1.LogPosition? = nil,
        count: Int = .max, _ client: IngestionV1.IngestionService.Client
    ) async throws -> [IngestionV1.LoggedEvent] {
        try await client.tailEvents(.init(after: after, transactions: detail)) { responses in
            var events: [IngestionV1.LoggedEvent] = []
            for try await response in responses {
                events += response.events
                if events.count >= count || events.last?.position == end { break }
            }
            return events
        }
    }

    @Test func readersOfTheLogGetAsMuchOfTransactionsAsTheyAskFor() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                for number in 0..<3 { _ = try await client.submitTransaction(.init(transaction: payment("p-\(number)")), options: options) }
                var withdrawal = payment("w")
                withdrawal.channel = .atm
                _ = try await client.submitTransaction(.init(transaction: withdrawal), options: options)
                let label = RecordsV1.Label(
                    key: .init(transactionID: "p-0"), isFraud: true, knownAt: .init(Timestamp.now() - .minutes(1)), source: "chargeback")
                _ = try await client.submitLabel(.init(label: label), options: options)
                _ = try await client.submitTransaction(.init(transaction: payment("p-3")), options: options)
            }
            try await path.gateway.withChannel(as: .peer(ServiceName.featureStore)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                let whole = try await logged(.unspecified, count: 6, client)
                #expect(whole.count == 6 && whole.allSatisfy { $0.event != nil && $0.transactions == nil })
                let end = whole.last?.position

                let runs = try await logged(.runs, until: end, client)
                #expect(runs.map(\.position) == whole.map(\.position))
                #expect(runs.compactMap(\.transactions).map(\.count) == [1, 1, 1, 1, 1])
                #expect(runs.compactMap(\.event) == [whole[4].event].compactMap { $0 })

                let movements = try await logged(.movements, until: end, client)
                #expect(movements.compactMap(\.event) == [whole[3].event, whole[4].event].compactMap { $0 })
                #expect(movements.last?.position == end)

                let refused = await #expect(throws: RPCError.self) { try await logged(.unrecognized(1), client) }
                #expect(refused?.code == .invalidArgument)
            }
        }
    }

    @Test func recordsOfAllKindsAreStoredOnceAndCorrected() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                _ = try await client.submitTransaction(.init(transaction: payment("t-1")), options: options)
                let now = GoogleProtobuf.Timestamp(Timestamp.now() - .minutes(1))
                let place = RecordsV1.Location(latitude: 17.2, longitude: 75.3)
                let records: [IngestionV1.ImportRecordsRequest.Record] = [
                    .terminal(.init(terminalID: "POS-1", kind: .pos, location: place)), .customer(.init(customerID: "C1", home: place)),
                    .label(.init(key: .init(transactionID: "t-1"), isFraud: true, knownAt: now, source: "chargeback")),
                    .complaint(.init(complaintID: "F-1", crimeType: "robbery", occurredAt: now, reportedAt: now, location: place)),
                    .contextSignal(.init(signalID: "S-1", kind: "festival", startsAt: now)),
                    .merchant(.init(merchantID: "M-1", name: "Asha Sweets", merchantCategoryCode: "5441", location: place, city: "Solapur")),
                    .terminal(.init(terminalID: "POS-1", kind: .pos, location: .init(latitude: 17.3, longitude: 75.3))),
                    .merchant(.init(merchantID: "M-2", merchantCategoryCode: "sweets")),
                    .terminal(.init(terminalID: "", kind: .pos, location: place)), .complaint(.init()),
                ]
                func send() async throws -> [IngestionV1.Outcome] {
                    try await client.importRecords(options: options) { writer in
                        for (index, record) in records.enumerated() { try await writer.write(.init(sequence: UInt64(index), record: record)) }
                    } read: { responses in
                        var outcomes = [IngestionV1.Outcome](repeating: .unspecified, count: records.count)
                        for try await response in responses { outcomes[Int(response.sequence)] = response.outcome }
                        return outcomes
                    }
                }
                let first = try await send()
                #expect(first == Array(repeating: .accepted, count: 7) + Array(repeating: .rejected, count: 3))
                let again = try await send()
                #expect(again[1...5].allSatisfy { $0 == .duplicate })
                let counts = try await client.getStatistics(.init(), options: options)
                #expect(counts.terminals == 1 && counts.customers == 1 && counts.merchants == 1 && counts.labels == 1 && counts.complaints == 1)
            }
        }
    }

    @Test func aDecisionIsReplayedToTheBit() async throws {
        try await ScoringPath.run { path in
            try await path.promoteModel()
            try await path.asBank { client, options in
                let answer = try await client.submitTransaction(.init(transaction: payment("t-1", minorUnits: 9_000_000)), options: options)
                let id = try #require(answer.decision?.decisionID)
                let replay = try await path.asOperator { try await $0.replayDecision(.init(decisionID: id)) }
                #expect(replay.identical)
                #expect(replay.features["amount"] == 90_000)
            }
        }
    }

    /// The decision that the logs bring; sending the transaction again asks for it.
    private func waitForDecision(
        _ transaction: RecordsV1.Transaction, _ client: IngestionV1.IngestionService.Client, _ options: CallOptions
    ) async throws -> RecordsV1.Decision {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            let answer = try await client.submitTransaction(.init(transaction: transaction), options: options)
            #expect(answer.outcome == .duplicate)
            if let decision = answer.decision, decision.state == .decided { return decision }
        }
        throw RPCError(.deadlineExceeded, "no decision came")
    }
}
