import Models
import Records
import Simulation

/// A simulated city as the cash-out model sees it, and what its judge knows beside that.
struct SimulatedCashOuts {
    let history: CashHistory
    let end: Timestamp
    private let cashOuts: [CashOut]

    init(seed: UInt64, days: Int, customers: Int) {
        let start = Timestamp(CivilTime(year: 2026, month: 1, day: 1))
        let world = World(WorldConfiguration(start: start, seed: seed, days: days, customers: customers))
        let machines = world.terminals.filter { $0.kind == .atm }.compactMap { atm in
            atm.location.map { CashMachine(id: atm.terminalID, place: $0) }
        }
        history = CashHistory(
            machines: CashMachines(machines), movements: world.transactions.compactMap { CashMovement($0) }, complaints: world.complaints)
        end = start + .days(days)
        cashOuts = world.cashOuts
    }

    var outcomes: [CashOutEvaluation.Outcome] {
        cashOuts.map { .init(complaintID: $0.complaintID, time: $0.time, atmID: $0.atmID) }
    }
}
