import Records
import Testing

@testable import Models

/// A made-up afternoon: a victim pays a mule, who passes the money on to a second one, who goes to the machines.
private enum Afternoon {
    static let noon = Timestamp(CivilTime(year: 2026, month: 3, day: 10, hour: 12))
    static let machines = CashMachines((0..<40).map { index in
        CashMachine(id: "ATM-\(index)", place: Coordinate(latitude: 17 + Double(index % 8) / 50, longitude: 75 + Double(index / 8) / 50))
    })

    static func transfer(_ minutes: Int, _ from: String, _ to: String, _ amount: Double) -> CashMovement {
        CashMovement(time: noon + .minutes(minutes), accountID: from, target: .account(to), amount: amount)
    }

    static func withdrawal(_ minutes: Int, _ account: String, _ machine: Int, _ amount: Double) -> CashMovement {
        CashMovement(time: noon + .minutes(minutes), accountID: account, target: .atm("ATM-\(machine)"), amount: amount)
    }

    static func complaint(_ id: String = "c", reportedAfterMinutes minutes: Int = 60, suspects: [String] = ["mule-1"]) -> Complaint {
        Complaint(
            reporter: .init(kind: .agency, id: "police"), complaintID: id, crimeType: "upi_fraud", occurredAt: noon,
            reportedAt: noon + .minutes(minutes), location: Coordinate(latitude: 17, longitude: 75), suspectAccountIDs: suspects,
            channel: .transfer)
    }

    static let movements = [
        transfer(1, "victim", "mule-1", 30_000), transfer(20, "mule-1", "mule-2", 28_000), withdrawal(50, "mule-2", 3, 10_000),
        withdrawal(70, "mule-2", 4, 10_000), withdrawal(90, "mule-2", 3, 7_000),
    ]
}

@Suite struct MoneyTraceTests {
    private func trace(_ movements: [CashMovement], before minutes: Int, suspects: [String] = ["mule-1"]) -> MoneyTrace {
        let history = CashHistory(machines: Afternoon.machines, movements: movements)
        return MoneyTrace(of: Afternoon.complaint(suspects: suspects), in: history, before: Afternoon.noon + .minutes(minutes))
    }

    @Test func moneyIsFollowedFromAccountToAccountToTheMachines() {
        let trace = trace(Afternoon.movements, before: 600)
        #expect(trace.inflow == 30_000)
        #expect(trace.withdrawals.map(\.machine) == [3, 4, 3])
        #expect(trace.withdrawn == 27_000)
        #expect(abs(trace.balance - 3_000) < 1e-6)
    }

    @Test func nothingAfterTheMomentIsSeen() {
        let trace = trace(Afternoon.movements, before: 60)
        #expect(trace.withdrawals.map(\.machine) == [3])
        #expect(trace.lastMovement == Afternoon.noon + .minutes(50))
    }

    @Test func moneyThatRunsInACircleIsFollowedToAnEnd() {
        let circle = [
            Afternoon.transfer(1, "victim", "mule-1", 1_000), Afternoon.transfer(2, "mule-1", "mule-1", 1_000),
            Afternoon.transfer(3, "mule-1", "mule-2", 1_000), Afternoon.transfer(3, "mule-2", "mule-1", 1_000),
            Afternoon.withdrawal(9, "mule-1", 5, 900),
        ]
        #expect(trace(circle, before: 600).withdrawals.map(\.machine) == [5])
    }

    @Test func aMulesOwnLaterWithdrawalsAreNotTheMoney() {
        let later = Afternoon.withdrawal(60 * 20, "mule-2", 9, 500)
        #expect(trace(Afternoon.movements + [later], before: 60 * 30).withdrawals.count == 3)
    }

    @Test func theNextCashOutIsTheFirstOfARunThatTakesAGoodPart() {
        let small = Afternoon.withdrawal(25, "mule-2", 8, 500)
        let whole = trace([small] + Afternoon.movements, before: 600)
        // Half an hour before the run begins it is part of it; two hours before it is the mule's own.
        #expect(whole.cashOut(from: Afternoon.noon)?.machine == 8)
        let late = Afternoon.movements.prefix(2) + [small, Afternoon.withdrawal(180, "mule-2", 5, 20_000)]
        let apart = trace(Array(late), before: 600)
        #expect(apart.withdrawals.map(\.machine) == [8, 5])
        #expect(apart.cashOut(from: Afternoon.noon)?.machine == 5)
        #expect(apart.cashOut(from: Afternoon.noon + .minutes(181)) == nil)
    }

    @Test func aSuspectWhoWasNotPaidLeavesNoTrace() {
        let trace = trace(Afternoon.movements, before: 600, suspects: ["stranger"])
        #expect(!trace.isFound && trace.accounts.isEmpty)
    }
}

@Suite struct CashOutModelTests {
    private func predict(_ history: CashHistory, _ complaint: Complaint, afterMinutes minutes: Int) -> CashOutPrediction {
        CashOutModel.prior.predict(complaint, at: Afternoon.noon + .minutes(minutes), history: history)
    }

    @Test func probabilitiesSumToOneOverWhenAndOverWhere() {
        let history = CashHistory(machines: Afternoon.machines, movements: Afternoon.movements)
        let prediction = predict(history, Afternoon.complaint(), afterMinutes: 60)
        #expect(abs(prediction.goneProbability + prediction.windows.reduce(0, +) - 1) < 1e-9)
        #expect(abs(prediction.goneProbability + prediction.machines.reduce(0) { $0 + $1.probability } - 1) < 1e-9)
        #expect(prediction.windows.count == CashOutModel.horizonHours && prediction.machines.count == 40)
    }

    @Test func whatComesLaterChangesNothing() {
        let early = CashHistory(machines: Afternoon.machines, movements: Array(Afternoon.movements.prefix(3)))
        let late = CashHistory(
            machines: Afternoon.machines, movements: Afternoon.movements + [Afternoon.withdrawal(500, "mule-2", 30, 9_000)],
            complaints: [Afternoon.complaint("later", reportedAfterMinutes: 900)])
        let (a, b) = (predict(early, Afternoon.complaint(), afterMinutes: 60), predict(late, Afternoon.complaint(), afterMinutes: 60))
        #expect(a.goneProbability == b.goneProbability && a.windows == b.windows)
        #expect(a.machines.map(\.machine) == b.machines.map(\.machine) && a.machines.map(\.probability) == b.machines.map(\.probability))
    }

    @Test func theMoneyIsThoughtGoneOnceItHasComeOut() {
        let history = CashHistory(machines: Afternoon.machines, movements: Afternoon.movements)
        let during = predict(history, Afternoon.complaint(), afterMinutes: 60).goneProbability
        let after = predict(history, Afternoon.complaint(), afterMinutes: 60 * 12).goneProbability
        #expect(during < 0.3 && after > 0.7)
    }

    @Test func machinesOfTheRunningCashOutComeFirst() {
        let history = CashHistory(machines: Afternoon.machines, movements: Afternoon.movements)
        let prediction = predict(history, Afternoon.complaint(), afterMinutes: 60)
        #expect(prediction.isTraced && prediction.machines.first?.machine.id == "ATM-3")
    }

    @Test func withoutATraceOrAMachineThereIsStillAnAnswer() {
        let bare = CashHistory(machines: Afternoon.machines)
        let prediction = predict(bare, Afternoon.complaint(suspects: []), afterMinutes: 60)
        #expect(!prediction.isTraced && prediction.machines.count == 40)
        #expect(prediction.machines.allSatisfy { $0.share.isFinite } && (0...1).contains(prediction.goneProbability))
        let nowhere = CashHistory(machines: CashMachines([]))
        #expect(predict(nowhere, Afternoon.complaint(), afterMinutes: 60).machines.isEmpty)
    }

    @Test func withoutACaseTheFitIsThePrior() {
        let history = CashHistory(machines: Afternoon.machines, movements: Afternoon.movements)
        #expect(CashOutModel.fitted(to: [history], before: Afternoon.noon) == .prior)
    }

    @Test func aHistoryTakesInTheSameInAnyOrder() {
        var turned = CashHistory(machines: Afternoon.machines)
        for movement in Afternoon.movements.reversed() { turned.add(movement) }
        let straight = CashHistory(machines: Afternoon.machines, movements: Afternoon.movements)
        let complaint = Afternoon.complaint()
        #expect(predict(turned, complaint, afterMinutes: 80).windows == predict(straight, complaint, afterMinutes: 80).windows)
    }
}

@Suite struct LogitFitTests {
    @Test func weightsAreRecoveredFromCounts() {
        // 30 of 40 with the sign, 10 of 40 without: log odds of 3 and 1/3.
        let rows = Array(repeating: [1.0, 1], count: 40) + Array(repeating: [1.0, 0], count: 40)
        let outcomes = (0..<40).map { $0 < 30 } + (0..<40).map { $0 < 10 }
        let weights = LogitFit.binary(rows: rows, outcomes: outcomes, prior: [0, 0], precision: 1e-9)
        #expect(abs(weights[0] + 1.0986) < 1e-3 && abs(weights[1] - 2.1972) < 1e-3)
    }

    @Test func choicesFollowTheirShares() {
        // The second of two is chosen three times in four.
        let weights = LogitFit.choice(
            alternatives: Array(repeating: [[0.0], [1.0]], count: 4), chosen: [1, 1, 1, 0], prior: [0], precision: 1e-9)
        #expect(abs(weights[0] - 1.0986) < 1e-3)
    }

    @Test func withoutEvidenceThePriorStands() {
        #expect(LogitFit.binary(rows: [], outcomes: [], prior: [0.5, -1], precision: 1) == [0.5, -1])
    }

    @Test func equationsAreSolved() {
        let solution = LogitFit.solve([[4, 2], [2, 3]], [2, 5])
        #expect(abs(solution[0] + 0.5) < 1e-12 && abs(solution[1] - 2) < 1e-12)
    }
}
