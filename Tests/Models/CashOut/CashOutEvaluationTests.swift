import Records
import Simulation
import Testing

@testable import Models

/// The bars of the model, on cities that it was not fitted to.
@Suite struct CashOutEvaluationTests {
    @Test func onACityNeverSeenItBeatsTheObviousGuessesAndItsProbabilitiesHold() throws {
        let start = Timestamp(CivilTime(year: 2026, month: 1, day: 1))
        var evaluation = CashOutEvaluation()
        for seed in [5_001, 5_002] as [UInt64] {
            let world = World(WorldConfiguration(start: start, seed: seed, days: 45, customers: 700))
            let machines = world.terminals.filter { $0.kind == .atm }.compactMap { atm in
                atm.location.map { CashMachine(id: atm.terminalID, place: $0) }
            }
            let history = CashHistory(
                machines: CashMachines(machines), movements: world.transactions.compactMap { CashMovement($0) },
                complaints: world.complaints)
            let outcomes = world.cashOuts.map { CashOutEvaluation.Outcome(complaintID: $0.complaintID, time: $0.time, atmID: $0.atmID) }
            evaluation.add(.prior, history, outcomes: outcomes, end: start + .days(45))
        }
        let report = try #require(evaluation.report)
        #expect(report.open >= 20)
        #expect(report.hitAt5 >= 2 * report.hitAt5MostUsed && report.hitAt5 >= 2 * report.hitAt5Nearest)
        // A small sample by itself is some way off; the bar of .05 is for `vigil evaluate cash-out`.
        #expect(report.gone.meanGap < 0.2 && report.machines.meanGap < 0.1 && report.hours.meanGap < 0.05)
    }
}
