import Models
import Records
import Testing
import Training

@Suite struct HandbookProtocolTests {
    let training = FraudTraining(options: SmallWorld.options)
    let weeks = HandbookProtocol(start: start + .days(10), topCards: 10)

    private func run(_ world: SmallWorld, _ weeks: HandbookProtocol? = nil) throws -> HandbookProtocol.Outcome {
        try (weeks ?? self.weeks).run(world.history, training: training, source: "test", createdAt: start)
    }

    @Test func `every payment of the test days is scored, and cards known to be compromised do not count`() throws {
        let world = SmallWorld()
        let outcome = try run(world)
        let inTest = world.transactions.filter { (weeks.testStart..<weeks.testEnd).contains($0.eventTime) }
        #expect(outcome.scores.map(\.key) == inTest.map(\.key))
        let fraud = Set(world.labels.filter(\.isFraud).map(\.key))
        for (transaction, score) in zip(inTest, outcome.scores) {
            let testDay = transaction.eventTime.dayNumber() - weeks.testStart.dayNumber()
            let known = world.transactions.contains {
                let day = $0.eventTime.dayNumber()
                return $0.customerID == transaction.customerID && fraud.contains($0.key) && day >= weeks.start.dayNumber()
                    && day <= weeks.trainingEnd.dayNumber() + testDay - 1
            }
            #expect(score.isExcluded == known)
        }
        #expect(outcome.averagePrecision > 0.5)
        #expect(outcome.testRows == outcome.scores.filter { !$0.isExcluded }.count)
    }

    @Test func `the test days' labels and all that comes after change no score`() throws {
        let world = SmallWorld()
        let whole = try run(world)
        var cut = world
        cut.transactions.removeAll { $0.eventTime >= weeks.testEnd }
        let inTest = Set(world.transactions.filter { $0.eventTime >= weeks.testStart }.map(\.key))
        cut.labels.removeAll { inTest.contains($0.key) }
        let blanked = try run(cut)
        #expect(blanked.scores.map(\.key) == whole.scores.map(\.key))
        #expect(blanked.scores.map(\.score) == whole.scores.map(\.score))
        #expect(blanked.averagePrecision.isNaN)
        #expect(blanked.bundle.files == whole.bundle.files)
        #expect(blanked.drift == whole.drift)
    }

    @Test func `all history trains on more and tests on the same`() throws {
        let world = SmallWorld()
        var all = weeks
        all.trainingDays = .all
        let outcome = try run(world, all)
        let week = try run(world)
        #expect(outcome.trainingRows > week.trainingRows)
        #expect(outcome.scores.map(\.key) == week.scores.map(\.key))
        #expect(outcome.testRows == week.testRows)
    }

    @Test func `days that the data does not have are refused`() throws {
        let error = #expect(throws: TrainingError.self) { try run(SmallWorld(), HandbookProtocol(start: start + .days(60))) }
        #expect(error?.code == .period)
    }
}
