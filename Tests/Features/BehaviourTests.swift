import Foundation
import Records
import SeededRandom
import Testing

@testable import Features

@Suite struct BehaviourTests {
    private static let start = Timestamp(seconds: 1_770_000_000)

    private func payment(
        _ number: Int, after seconds: Double, from payer: String? = nil, to payee: String? = nil, cents: Int64 = 1_000, card: String? = nil,
        device: String? = nil, terminal: String? = nil, customer: String = "C", at location: Coordinate? = nil
    ) -> Transaction {
        Transaction(
            key: TransactionKey(bankID: "b", transactionID: "t\(number)"),
            eventTime: Timestamp(microseconds: Self.start.microseconds + Int64(seconds * 1_000_000)), customerID: customer, accountID: payer,
            cardID: card, terminalID: terminal, counterpartyAccountID: payee, deviceID: device, channel: .transfer,
            amount: Money(minorUnits: cents, currency: .eur), location: location)
    }

    private func value(_ name: String, of key: BehaviourKey, in engine: BehaviourEngine, after seconds: Double) throws -> Double {
        let values = try #require(engine.values(of: key, at: Timestamp(microseconds: Self.start.microseconds + Int64(seconds * 1_000_000))))
        let place = try #require(engine.set.views(of: key.entity).firstIndex { $0.name == name }, "no view \(name)")
        return values[place]
    }

    @Test func whatIsTooOldMakesRoomAndThenNoNewEntityIsTakenIn() throws {
        let room = 40 * (BehaviourEngine.bytesAnEntity + BehaviourEngine.bytesAPayment)
        var engine = BehaviourEngine(set: .standard, maxBytes: room)
        for number in 0..<40 { engine.remember(payment(number, after: 0, device: "old-\(number)")) }
        #expect(engine.refusedCount == 0)
        // Devices look 30 days back.
        let later = 40.0 * 86_400
        for number in 40..<80 { engine.remember(payment(number, after: later, device: "new-\(number)")) }
        #expect(engine.refusedCount == 0)
        #expect(engine.entityCount == 40)
        engine.remember(payment(80, after: later + 1, device: "late"))
        engine.remember(payment(81, after: later + 2, device: "new-40"))
        #expect(engine.refusedCount == 1)
        #expect(try value("device_count_10m", of: BehaviourKey(.device, "new-40"), in: engine, after: later + 3) == 2)
        let end = Timestamp(microseconds: Self.start.microseconds + Int64(later * 1_000_000))
        #expect(engine.values(of: BehaviourKey(.device, "late"), at: end) == nil)
        // Room or not, it would be a part of itself.
        engine.remember(payment(82, after: 2 * later, device: "late"))
        #expect(engine.values(of: BehaviourKey(.device, "late"), at: end) == nil)
    }

    @Test func aMuleAccountShowsFanInAndPassThrough() throws {
        var engine = BehaviourEngine(set: .standard)
        for number in 0..<20 { engine.remember(payment(number, after: Double(number * 60), from: "victim-\(number % 10)", to: "mule", cents: 5_000)) }
        engine.remember(payment(20, after: 1_800, from: "mule", to: "exit", cents: 90_000))
        let mule = BehaviourKey(.account, "mule")
        #expect(try value("account_fan_in_1d", of: mule, in: engine, after: 2_000) == 10)
        #expect(try value("account_fan_out_1d", of: mule, in: engine, after: 2_000) == 1)
        #expect(try value("account_in_sum_1d", of: mule, in: engine, after: 2_000) == 1_000)
        #expect(try value("account_pass_through_1h", of: mule, in: engine, after: 2_000) == 0.9)
        #expect(try value("account_seconds_since_out", of: mule, in: engine, after: 2_000) == 200)
        #expect(try value("account_out_max_90d", of: mule, in: engine, after: 2_000) == 900)
        #expect(try value("account_out_share_1d_of_30d", of: mule, in: engine, after: 2 * 86_400) == 0)
        #expect(try value("pair_sum_90d", of: BehaviourKey(.pair, "mule", paying: "exit"), in: engine, after: 2_000) == 900)
        #expect(engine.values(of: BehaviourKey(.pair, "exit", paying: "mule"), at: Self.start) == nil)
    }

    @Test func whatAnAccountPaysItselfDoesNotGoAnywhereAndAnUnknownOtherDoesNotCount() throws {
        var engine = BehaviourEngine(set: .standard)
        let account = BehaviourKey(.account, "A")
        engine.remember(payment(0, after: 0, from: "B", to: "A", cents: 10_000))
        engine.remember(payment(1, after: 1, from: "A", to: "A", cents: 10_000))
        #expect(try value("account_out_sum_1d", of: account, in: engine, after: 2) == 0)
        #expect(try value("account_in_sum_1d", of: account, in: engine, after: 2) == 100)
        #expect(try value("account_pass_through_1d", of: account, in: engine, after: 2) == 0)
        #expect(try value("account_fan_out_1d", of: account, in: engine, after: 2) == 0)
        #expect(engine.values(of: BehaviourKey(.pair, "A", paying: "A"), at: Self.start + .seconds(2)) == nil)

        engine.remember(payment(2, after: 2, from: "A", card: "K"))
        #expect(try value("account_fan_out_1d", of: account, in: engine, after: 3) == 0)
        #expect(try value("account_out_count_1h", of: account, in: engine, after: 3) == 1)
        #expect(try value("card_terminals_1h", of: BehaviourKey(.card, "K"), in: engine, after: 3) == 0)
        engine.remember(payment(3, after: 3, from: "A", card: "K", terminal: "T"))
        #expect(try value("account_fan_out_1d", of: account, in: engine, after: 3) == 1)
        #expect(try value("card_terminals_1h", of: BehaviourKey(.card, "K"), in: engine, after: 3) == 1)
    }

    @Test func sumsOfTheLargestPaymentsAreNotNegative() throws {
        var engine = BehaviourEngine(set: .standard)
        for number in 0..<300 { engine.remember(payment(number, after: Double(number), from: "A", to: "B", cents: RecordLimits.maxAmountMinorUnits)) }
        let account = BehaviourKey(.account, "A")
        #expect(try value("account_out_sum_1d", of: account, in: engine, after: 99) == 1e15)
        #expect(try value("account_out_sum_1d", of: account, in: engine, after: 299) == 3e15)
        #expect(try value("account_out_mean_90d", of: account, in: engine, after: 299) == 1e13)
    }

    @Test func cardsDevicesMerchantsAndCellsCountWhomTheyMeet() throws {
        var engine = BehaviourEngine(set: .standard)
        let place = Coordinate(latitude: 17.38, longitude: 78.48)
        for number in 0..<30 {
            var payment = payment(
                number, after: Double(number), card: "K", device: "D", terminal: "T\(number % 6)", customer: "C\(number % 4)", at: place)
            payment.merchantID = "M\(number % 2)"
            engine.remember(payment)
        }
        #expect(try value("card_count_1m", of: BehaviourKey(.card, "K"), in: engine, after: 29) == 30)
        #expect(try value("card_terminals_1h", of: BehaviourKey(.card, "K"), in: engine, after: 29) == 6)
        #expect(try value("device_customers_1d", of: BehaviourKey(.device, "D"), in: engine, after: 29) == 4)
        #expect(try value("merchant_count_10m", of: BehaviourKey(.merchant, "M1"), in: engine, after: 29) == 15)
        #expect(try value("merchant_customers_1h", of: BehaviourKey(.merchant, "M1"), in: engine, after: 29) == 2)
        let cells = BehaviourEngine.keys(of: payment(0, after: 0, at: place))
        #expect(cells.map(\.entity) == [.cell] && cells[0].id.count == BehaviourEngine.cellZoom)
        #expect(try value("cell_customers_1h", of: cells[0], in: engine, after: 29) == 4)
        #expect(try value("cell_share_1h_of_1d", of: cells[0], in: engine, after: 29) == 1)
    }

    @Test func windowsEndWithTheMomentAndBeginBehindTheirLength() throws {
        var engine = BehaviourEngine(set: .standard)
        engine.remember(payment(0, after: 0, card: "K"))
        for (seconds, count) in [(-0.000_001, 0.0), (0, 1), (59.999_999, 1), (60, 0)] {
            #expect(try value("card_count_1m", of: BehaviourKey(.card, "K"), in: engine, after: seconds) == count, "\(seconds)")
        }
    }

    @Test func windowsThatReachBeyondWhatIsKeptAreUnknown() throws {
        var engine = BehaviourEngine(set: .standard)
        let key = BehaviourKey(.card, "K")
        for day in 0..<200 { engine.remember(payment(day, after: Double(day) * 86_400, card: "K", terminal: "T")) }
        let days = 86_400.0
        #expect(try value("card_count_1m", of: key, in: engine, after: 198 * days) == 1)
        #expect(try value("card_count_1m", of: key, in: engine, after: 60 * days).isNaN)
        #expect(try value("card_terminals_30d", of: key, in: engine, after: 60 * days).isNaN)
    }

    @Test(arguments: [1, 2, 3]) func lateAndShuffledPaymentsGiveWhatAPlainScanGives(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var payments = (0..<600).map { number in
            payment(
                number, after: Double(UInt64.random(in: 0..<(100 * 86_400), using: &random)), from: "A\(number % 5)", to: "A\(number * 7 % 6)",
                cents: Int64.random(in: 1...100_000, using: &random))
        }
        // At most two days late.
        payments.sort { $0.eventTime < $1.eventTime }
        for index in stride(from: 0, to: payments.count - 8, by: 8) { payments[index..<index + 8].shuffle(using: &random) }
        var engine = BehaviourEngine(set: .standard)
        for payment in payments { engine.remember(payment) }
        let end = try #require(payments.map(\.eventTime).max())
        for account in (0..<5).map({ "A\($0)" }) {
            let values = try #require(engine.values(of: BehaviourKey(.account, account), at: end))
            for (view, value) in zip(engine.set.views(of: .account), values) {
                func amounts(_ direction: BehaviourDirection, _ window: TimeSpan) -> [Double] {
                    payments.filter { payment in
                        let mine = direction == .out ? payment.accountID : payment.counterpartyAccountID
                        let isOwn = payment.accountID == payment.counterpartyAccountID
                        return mine == account && !isOwn && payment.eventTime > end - window
                    }.map(\.amount.amount)
                }
                switch view.aggregation {
                case .count(let direction): #expect(value == Double(amounts(direction, view.window).count), "\(view.name)")
                case .sum(let direction): #expect(abs(value - amounts(direction, view.window).reduce(0, +)) < 1e-6, "\(view.name)")
                case .max(let direction): #expect(value == amounts(direction, view.window).max() ?? value, "\(view.name)")
                case .distinct(let direction):
                    let others = payments.filter { payment in
                        let mine = direction == .out ? payment.accountID : payment.counterpartyAccountID
                        return mine == account && payment.accountID != payment.counterpartyAccountID && payment.eventTime > end - view.window
                    }.map { direction == .out ? $0.counterpartyAccountID : $0.accountID }
                    #expect(value == Double(Set(others).count), "\(view.name)")
                default: break
                }
            }
        }
    }

    @Test func distinctThingsAreCountedWithinAFewPercent() {
        let hash = SipHash(key0: 1, key1: 2)
        for count in [1, 2, 10, 100, 1_000, 10_000, 200_000] {
            var sketch = HyperLogLog()
            for repetition in 0..<2 { for number in 0..<count { _ = repetition; sketch.add(hash.hash("thing-\(number)")) } }
            let error = abs(sketch.estimate - Double(count)) / Double(count)
            #expect(error < (count <= 100 ? 0.02 : 0.07), "\(count): \(sketch.estimate)")
        }
    }

    @Test func asManyOthersAsATableHoldsAreCountedExactly() {
        let hash = SipHash(key0: 1, key1: 2)
        for count in [0, 1, 2, 3, 50, DistinctCount.maxExact] {
            for seed in 0..<20 {
                let hashes = (0..<3 * count).map { hash.hash("thing-\(seed)-\($0 % count)") & ~1 }
                #expect(DistinctCount.count(of: hashes, among: hashes.count) == Double(count))
            }
        }
        let many = (0..<2 * DistinctCount.maxExact).map { hash.hash("thing-\($0)") & ~1 }
        #expect(abs(DistinctCount.count(of: many, among: many.count) / Double(many.count) - 1) < 0.07)
    }

    @Test func descriptionsSayHowExactDistinctCountsAreAndWhoIsCountedTwice() throws {
        let views = BehaviourSet.standard.views
        for view in views {
            guard case .distinct = view.aggregation else { continue }
            #expect(view.description.contains("exact up to 512"), "\(view.name)")
        }
        let fanIn = try #require(views.first { $0.name == "account_fan_in_1d" })
        #expect(fanIn.description.hasPrefix("Accounts that paid into it in a day (a payer whose account a payment does not name counts as customer"))
    }

    @Test func theOrderOfCallsIsTheOnlyThingThatMatters() {
        let payments = (0..<200).map { payment($0, after: Double($0 * 997 % 5_000), from: "A\($0 % 3)", to: "B\($0 % 4)", card: "K\($0 % 2)") }
        var first = BehaviourEngine(set: .standard)
        var second = BehaviourEngine(set: .standard)
        for payment in payments {
            let known = first.observe(payment)
            let again = BehaviourEngine.keys(of: payment).map { second.values(of: $0, at: payment.eventTime) }
            second.remember(payment)
            for (known, again) in zip(known, again) where again != nil { #expect(known.values.map(\.bitPattern) == again?.map(\.bitPattern)) }
        }
    }
}
