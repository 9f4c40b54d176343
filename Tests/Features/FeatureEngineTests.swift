import Features
import Records
import SeededRandom
import Testing

@Suite struct FeatureEngineTests {
    @Test func `a window holds what came before the payment and after its start`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start, cents: 1_000))
        engine.observe(payment("2", at: start + .hours(23), cents: 3_000))
        let values = engine.observe(payment("3", at: start + .days(1), cents: 9_900))
        #expect(values["customer_count_1d"] == 1)  // the first is exactly a day old: out
        #expect(values["customer_sum_1d"] == 30)
        #expect(values["customer_count_7d"] == 2)
        #expect(values["customer_mean_7d"] == 20)
        #expect(values["terminal_count_7d"] == 2)
        #expect(values["amount"] == 99)
        #expect(values["pair_count_60d"] == 2)
    }

    @Test func `counts and sums of every window equal a plain recount`() {
        let world = World(seed: 1)
        let rows = world.rows()
        for index in stride(from: 0, to: world.transactions.count, by: 37) {
            let now = world.transactions[index]
            for days in [1, 7, 30] {
                let past = world.transactions[..<index].filter { $0.eventTime > now.eventTime - .days(days) }
                let ofCustomer = past.filter { $0.customerID == now.customerID }
                let atTerminal = past.filter { $0.terminalID == now.terminalID }
                #expect(rows[index]["customer_count_\(days)d"] == Double(ofCustomer.count))
                #expect(rows[index]["customer_sum_\(days)d"] == Double(ofCustomer.reduce(0) { $0 + $1.amount.minorUnits }) / 100)
                #expect(rows[index]["terminal_count_\(days)d"] == Double(atTerminal.count))
            }
        }
    }

    @Test func `terminal risk counts the frauds known by now behind the label delay`() {
        let world = World(seed: 2)
        let rows = world.rows()
        let labels = Dictionary(uniqueKeysWithValues: world.labels.map { ($0.key, $0) })
        for index in stride(from: 0, to: world.transactions.count, by: 37) {
            let now = world.transactions[index]
            for days in [1, 7, 30] {
                let settled = world.transactions[..<index].filter {
                    $0.terminalID == now.terminalID && $0.eventTime <= now.eventTime - .days(7)
                        && $0.eventTime > now.eventTime - .days(7 + days)
                }
                let frauds = settled.filter { labels[$0.key].map { $0.isFraud && $0.knownAt <= now.eventTime } ?? false }
                #expect(rows[index]["terminal_settled_count_\(days)d"] == Double(settled.count))
                let share = settled.isEmpty ? 0 : Double(frauds.count) / Double(settled.count)
                #expect(rows[index]["terminal_fraud_share_\(days)d"] == share)
            }
        }
    }

    @Test func `a label known later changes no earlier feature`() {
        let world = World(seed: 3)
        let moment = start + .days(40)
        let rows = world.rows()
        let without = world.rows(labels: world.labels.filter { $0.knownAt <= moment })
        let turned = world.rows(
            labels: world.labels.map { label in
                var label = label
                if label.knownAt > moment { label.isFraud.toggle() }
                return label
            })
        var earlier = 0
        var later = 0
        for (index, transaction) in world.transactions.enumerated() {
            if transaction.eventTime <= moment {
                if !sameBits(rows[index], without[index]) || !sameBits(rows[index], turned[index]) { earlier += 1 }
            } else if !sameBits(rows[index], without[index]) {
                later += 1
            }
        }
        #expect(earlier == 0)
        #expect(later > 100, "labels count once they are known")
    }

    @Test func `a payment that comes later changes no earlier feature`() {
        let world = World(seed: 4)
        var cut = world
        cut.transactions.removeLast(1_500)
        let rows = world.rows()
        for (index, row) in cut.rows().enumerated() { #expect(sameBits(row, rows[index])) }
    }

    @Test func `online answers equal the offline table to the bit`() {
        let world = World(seed: 5)
        var engine = FeatureEngine(set: .payments)
        var labels = world.labels.sorted { $0.knownAt < $1.knownAt }[...]
        let rows = world.rows()
        var mismatches: [Int] = []
        for (index, transaction) in world.transactions.enumerated() {
            while let next = labels.first, next.knownAt <= transaction.eventTime {
                engine.learn(next)
                labels.removeFirst()
            }
            if !sameBits(engine.features(of: transaction), rows[index]) || !sameBits(engine.observe(transaction), rows[index]) {
                mismatches.append(index)
            }
        }
        #expect(mismatches.isEmpty)
    }

    @Test func `columns give what records give, to the bit`() {
        for set in [FeatureSet.payments, .handbook] {
            var world = World(seed: 21)
            // Some labels are taken back, some come before their payment, some twice.
            for (place, known) in world.labels.enumerated() where place % 9 == 0 {
                world.labels.append(Label(key: known.key, isFraud: !known.isFraud, knownAt: known.knownAt + .days(2), source: "test"))
                world.labels[place].knownAt = known.knownAt - .days(20)
            }
            world.transactions.swapAt(10, 2_000)
            // Some of one time, some of these of one customer at one terminal, out of the order of their ids.
            for place in 300..<330 {
                world.transactions[place].eventTime = world.transactions[300].eventTime
                if place % 3 > 0 { (world.transactions[place].customerID, world.transactions[place].terminalID) = ("c1", "t1") }
            }
            world.transactions.swapAt(305, 311)
            world.transactions[77].terminalID = nil
            world.transactions[78].location = Coordinate(latitude: 1, longitude: 2)
            for index in stride(from: 90, to: world.transactions.count, by: 3) { world.transactions[index].timeZone = "Asia/Kolkata" }
            let homes = Dictionary(uniqueKeysWithValues: (0..<25).map { ("c\($0)", Coordinate(latitude: 50 + Double($0), longitude: 1)) })
            let places = Dictionary(uniqueKeysWithValues: (0..<40).map { ("t\($0)", Coordinate(latitude: Double($0), longitude: 2)) })

            var records = FeatureReplay(set: set)
            for (id, home) in homes { records.engine.place(customer: id, at: home) }
            for (id, place) in places { records.engine.place(terminal: id, at: place) }
            var expected = [[Double]](repeating: [], count: world.transactions.count)
            records.run(world.transactions, labels: world.labels) { expected[$0] = Array($1) }

            var payments = PaymentColumns()
            for transaction in world.transactions { payments.append(transaction, label: nil) }
            payments.setLabels(world.labels)
            var replay = ColumnReplay(set: set, payments, homes: homes, terminals: places)
            var order: [Int] = []
            var wrong = 0
            replay.run { row, values in
                order.append(row)
                if !sameBits(Array(values), expected[row]) { wrong += 1 }
            }
            #expect(wrong == 0)
            #expect(order == world.transactions.indices.sorted {
                let (one, other) = (world.transactions[$0], world.transactions[$1])
                return one.eventTime == other.eventTime ? one.key.precedes(other.key) : one.eventTime < other.eventTime
            })
        }
    }

    @Test func `the order of a file does not matter, where many payments are of one time`() {
        var world = World(seed: 5, count: 2_000)
        for place in world.transactions.indices {
            let day = world.transactions[place].eventTime.dayNumber()
            world.transactions[place].eventTime = Timestamp(seconds: Int64(day) * 86_400)
        }
        func table(_ transactions: [Transaction]) -> [[String]] {
            var payments = PaymentColumns()
            for transaction in transactions { payments.append(transaction, label: nil) }
            payments.setLabels(world.labels)
            var replay = ColumnReplay(set: .payments, payments)
            var rows: [[String]] = []
            replay.run { row, values in
                rows.append([payments.withID(of: row) { String(decoding: $0, as: UTF8.self) }] + values.map { "\($0)" })
            }
            return rows
        }
        var random = SplitMix64(seed: 9)
        #expect(table(world.transactions) == table(world.transactions.shuffled(using: &random)))
    }

    @Test func `a long history is searched as a short one is walked`() {
        // Far more events between two windows' ends than are walked over one by one.
        var engine = FeatureEngine(set: .payments)
        var last: [Double] = []
        for index in 0..<20_000 {
            last = engine.observe(payment("\(index)", at: start + .seconds(index * 120), cents: 1_000))
        }
        // What is exactly a window old is not in it.
        #expect(last["customer_count_1d"] == 719)
        #expect(last["customer_count_7d"] == 5_039)
        #expect(last["terminal_settled_count_7d"] == 5_040)
        #expect(last["customer_sum_7d"] == 50_390)
    }

    @Test func `a label that came early counts only from when it is known`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start))
        engine.learn(label("1", isFraud: true, knownAt: start + .days(5)))
        #expect(engine.features(of: payment("2", at: start + .days(4)))["terminal_frauds_30d"] == 0)
        #expect(engine.features(of: payment("2", at: start + .days(5)))["terminal_frauds_30d"] == 1)
    }

    @Test func `a label that is taken back counts no more`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start))
        engine.learn(label("1", isFraud: true, knownAt: start + .days(1)))
        #expect(engine.features(of: payment("2", at: start + .days(3)))["customer_frauds_30d"] == 1)
        engine.learn(label("1", isFraud: false, knownAt: start + .days(2)))
        #expect(engine.features(of: payment("2", at: start + .days(3)))["customer_frauds_30d"] == 0)
        let found = engine.learn(label("unknown", isFraud: true, knownAt: start))
        #expect(!found)
    }

    @Test func `of several labels the one known last counts, whatever the order in which they come`() {
        let words = [(false, 2), (true, 3), (false, 1)].map { label("1", isFraud: $0, knownAt: start + .days($1)) }
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            for comeBefore in 0...3 {
                var engine = FeatureEngine(set: .payments)
                for word in order.prefix(comeBefore) { engine.learnOrAwait(words[word]) }
                engine.observe(payment("1", at: start))
                for word in order.dropFirst(comeBefore) { engine.learnOrAwait(words[word]) }
                let values = engine.features(of: payment("2", at: start + .days(4)))
                #expect(values["customer_frauds_7d"] == 1)
                #expect(values["terminal_frauds_7d"] == 1)
            }
        }
        // What became known within one second is not told apart by time.
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start))
        engine.learn(label("1", isFraud: true, knownAt: start + .days(1)))
        engine.learn(label("1", isFraud: false, knownAt: start + .days(1)))
        #expect(engine.features(of: payment("2", at: start + .days(4)))["customer_frauds_7d"] == 0)
    }

    @Test func `labels wait for their payments, as many as there is room for`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("now", at: start + .days(100), customer: "other"))
        // No window reaches what these speak of.
        for index in 0..<20_000 { engine.learnOrAwait(label("old \(index)", isFraud: true, knownAt: start)) }
        for index in 0..<49_000 { engine.learnOrAwait(label("\(index)", isFraud: true, knownAt: start + .days(99))) }
        #expect(engine.observe(payment("0", at: start + .days(99)))["customer_frauds_7d"] == 0)
        #expect(engine.features(of: payment("next", at: start + .days(100)))["customer_frauds_7d"] == 1)
        // The room is full: those that came first go.
        for index in 49_000..<66_000 { engine.learnOrAwait(label("\(index)", isFraud: true, knownAt: start + .days(99))) }
        for index in [1, 65_999] { engine.observe(payment("\(index)", at: start + .days(99))) }
        #expect(engine.features(of: payment("next", at: start + .days(100)))["customer_frauds_7d"] == 2)
    }

    @Test func `late payments land in the right windows`() {
        let world = World(seed: 6)
        var inOrder = FeatureEngine(set: .payments)
        var shuffled = FeatureEngine(set: .payments)
        var random = SplitMix64(seed: 6)
        let ahead = world.transactions.map { $0.eventTime + .seconds(Int.random(in: 0..<2 * 86_400, using: &random)) }
        for transaction in world.transactions { inOrder.observe(transaction) }
        for index in world.transactions.indices.sorted(by: { ahead[$0] < ahead[$1] }) { shuffled.observe(world.transactions[index]) }
        for customer in 0..<25 {
            let probe = payment("probe", at: start + .days(60), customer: "c\(customer)", terminal: "t\(customer)")
            let a = inOrder.features(of: probe)
            let b = shuffled.features(of: probe)
            let names = ["customer_count_1d", "customer_sum_7d", "customer_sum_30d", "terminal_sum_1d", "terminal_count_30d", "pair_count_60d"]
            for name in names { #expect(a[name] == b[name]) }
        }
        // And a late payment sees only what was before it.
        let late = shuffled.features(of: payment("late", at: world.transactions[3_900].eventTime, customer: "c1", terminal: "t1"))
        let before = world.transactions.filter {
            $0.customerID == "c1" && $0.eventTime <= world.transactions[3_900].eventTime
                && $0.eventTime > world.transactions[3_900].eventTime - .days(7)
        }
        #expect(late["customer_count_7d"] == Double(before.count))
    }

    @Test func `history that no window reaches is let go and changes nothing`() {
        let world = World(seed: 7, count: 12_000, days: 400)
        var replay = FeatureReplay(set: .payments)
        replay.run(world.transactions, labels: world.labels) { _, _ in }
        #expect(replay.engine.retainedTransactionCount < 4_500)
        let recent = World(seed: 7, count: 12_000, days: 400).transactions.suffix(3_000)
        var fresh = FeatureEngine(set: .payments)
        for transaction in recent { fresh.observe(transaction) }
        let probe = payment("probe", at: start + .days(400), customer: "c3", terminal: "t3")
        let names = ["customer_count_30d", "customer_sum_30d", "terminal_sum_30d", "terminal_settled_count_30d"]
        for name in names { #expect(fresh.features(of: probe)[name] == replay.engine.features(of: probe)[name]) }
    }

    @Test func `windows that reach beyond what is kept are unknown, and not a part of what they were`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("now", at: start + .days(200)))
        // History that comes after: what is behind all that is kept, then what is within the reach of short windows.
        for number in 0..<12 {
            let values = engine.observe(payment("old\(number)", at: start + .hours(number)))
            #expect(values["customer_count_1d"].isNaN && values["customer_sum_30d"].isNaN && values["terminal_count_7d"].isNaN)
            #expect(values["pair_count_60d"].isNaN && values["amount_to_usual"].isNaN && values["amount"] == 10)
        }
        for number in 0..<12 {
            let values = engine.observe(payment("late\(number)", at: start + .days(180) + .hours(number)))
            #expect(values["customer_count_1d"] == Double(number) && values["customer_count_30d"] == Double(number))
            #expect(values["pair_count_60d"].isNaN)
        }
        // What is in time knows all.
        let next = engine.observe(payment("next", at: start + .days(197)))
        #expect(next["customer_count_30d"] == 12 && next["pair_count_60d"] == 12)
    }
}
