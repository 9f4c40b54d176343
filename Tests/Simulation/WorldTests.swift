import Records
import Simulation
import Testing

@Suite struct WorldTests {
    static let start = Timestamp(CivilTime(year: 2026, month: 3, day: 1))
    static let world = World(WorldConfiguration(start: start, days: 20, customers: 400))
    private var world: World { Self.world }

    @Test func sameSeedGivesTheSameWorld() {
        let again = World(WorldConfiguration(start: Self.start, days: 20, customers: 400))
        #expect(again.transactions == world.transactions)
        #expect(again.labels == world.labels)
        #expect(again.complaints == world.complaints)
        #expect(again.terminals == world.terminals)
    }

    @Test func anotherSeedGivesAnotherWorld() {
        let other = World(WorldConfiguration(start: Self.start, seed: 7, days: 20, customers: 400))
        #expect(other.transactions != world.transactions)
    }

    @Test func everyRecordIsValid() {
        let now = Self.start + .days(60)
        #expect(world.transactions.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.labels.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.complaints.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.terminals.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.customers.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.jurisdictions.allSatisfy { $0.validate(now: now).isEmpty })
        #expect(world.contextSignals.allSatisfy { $0.validate(now: now).isEmpty })
    }

    @Test func transactionsComeInOrderWithinTheSpanUnderOneNameEach() {
        let times = world.transactions.map(\.eventTime)
        #expect(times == times.sorted())
        #expect(times.allSatisfy { Self.start <= $0 && $0 < Self.start + .days(20) })
        #expect(Set(world.transactions.map(\.key)).count == world.transactions.count)
    }

    @Test func fraudIsRareAndOfEveryPattern() {
        let share = Double(world.truth.count) / Double(world.transactions.count)
        #expect((0.003..<0.06).contains(share))
        #expect(Set(world.truth.values) == Set(FraudPattern.allCases))
    }

    @Test func nothingIsKnownBeforeItHappened() {
        let times = Dictionary(uniqueKeysWithValues: world.transactions.map { ($0.key, $0.eventTime) })
        #expect(world.labels.allSatisfy { label in times[label.key].map { $0 < label.knownAt } ?? false })
        #expect(world.complaints.allSatisfy { $0.occurredAt <= $0.reportedAt })
    }

    @Test func someFraudIsNeverReportedAndSomeHonestPaymentsAreCharged() {
        let marked = Set(world.labels.filter(\.isFraud).map(\.key))
        let fraud = Set(world.truth.keys)
        #expect(!fraud.subtracting(marked).isEmpty)
        #expect(marked.intersection(fraud).count > fraud.count / 2)
    }

    @Test func cashIsTakenOutAfterTheMoneyCameIn() {
        let cashOuts = world.transactions.filter { world.truth[$0.key] == .cashOut }
        #expect(!cashOuts.isEmpty)
        #expect(cashOuts.allSatisfy { $0.channel == .atm && $0.amount.minorUnits % 10_000 == 0 && $0.amount.minorUnits <= 1_000_000 })
    }

    @Test func moneyOfAScamIsSplitOverSeveralATMsAndPartOfItComesOutAfterTheComplaint() {
        let byComplaint = Dictionary(grouping: world.cashOuts, by: \.complaintID)
        #expect(byComplaint.values.contains { Set($0.map(\.atmID)).count >= 3 })
        let asked = world.complaints.filter { $0.channel == .transfer }
        let late = asked.filter { complaint in
            byComplaint[complaint.complaintID]?.contains { $0.time > complaint.reportedAt } ?? false
        }
        #expect(!late.isEmpty && late.count < asked.count)
    }

    @Test func cashOutsAreTheWithdrawalsThatTheTruthNames() {
        let named = Set(world.truth.filter { $0.value == .cashOut }.keys)
        #expect(Set(world.cashOuts.map(\.transaction)) == named)
        #expect(world.cashOuts.map(\.time) == world.cashOuts.map(\.time).sorted())
    }

    @Test func complaintsAreInexact() {
        let scams = world.complaints.filter { $0.crimeType == "upi_fraud" }
        #expect(scams.allSatisfy { $0.suspectAccountIDs.count <= 2 })
        let known = Set(world.transactions.map(\.eventTime))
        #expect(scams.contains { !known.contains($0.occurredAt) })
    }
}
