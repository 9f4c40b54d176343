import Features
import Records
import Testing

@Suite struct PaymentFeatureTests {
    @Test func `night and weekend go by the set's clock`() {
        var engine = FeatureEngine(set: .payments)
        let sundayMorning = engine.observe(payment("1", at: start + .hours(6) + .minutes(59)))
        #expect(sundayMorning["is_night"] == 1)
        #expect(sundayMorning["is_weekend"] == 1)
        let mondayMorning = engine.observe(payment("2", at: start + .days(1) + .hours(7)))
        #expect(mondayMorning["is_night"] == 0)
        #expect(mondayMorning["is_weekend"] == 0)
        let india = FeatureEngine(set: .payments(utcOffsetSeconds: 19_800))
        #expect(india.features(of: payment("1", at: start + .hours(2)))["is_night"] == 0)  // 07:30 there
    }

    @Test func `a payment's own time zone goes before the set's clock`() {
        let engine = FeatureEngine(set: .payments)
        func values(_ zone: String?, at time: Timestamp) -> [Double] {
            var payment = payment("1", at: time)
            payment.timeZone = zone
            return engine.features(of: payment)
        }
        // 20:00 on a Friday in UTC is 01:30 on Saturday in India.
        let friday = Timestamp(iso8601: "2018-06-15T20:00:00Z")!
        #expect(values(nil, at: friday)["is_night"] == 0)
        #expect(values("Asia/Kolkata", at: friday)["is_night"] == 1)
        #expect(values("Asia/Kolkata", at: friday)["is_weekend"] == 1)
        #expect(values("+05:30", at: friday)["is_weekend"] == 1)
        // 05:30 in UTC is 07:30 in Berlin's summer, and 06:30 in its winter.
        #expect(values("Europe/Berlin", at: Timestamp(iso8601: "2018-07-02T05:30:00Z")!)["is_night"] == 0)
        #expect(values("Europe/Berlin", at: Timestamp(iso8601: "2018-12-03T05:30:00Z")!)["is_night"] == 1)
        // One that does not exist, from before zones were checked, goes by the set's.
        #expect(values("Nowhere", at: friday)["is_night"] == 0)
    }

    @Test func `distance needs both places and is NaN without`() {
        var engine = FeatureEngine(set: .payments)
        #expect(engine.features(of: payment("1", at: start))["distance_km"].isNaN)
        engine.place(customer: "c", at: Coordinate(latitude: 28.6, longitude: 77.2))
        #expect(engine.features(of: payment("1", at: start))["distance_km"].isNaN)
        engine.place(terminal: "t", at: Coordinate(latitude: 28.7, longitude: 77.2))
        #expect(abs(engine.features(of: payment("1", at: start))["distance_km"] - 11.119) < 0.01)
    }

    @Test func `a customer never seen has no payments and no usual amount`() {
        let engine = FeatureEngine(set: .payments)
        let values = engine.features(of: payment("1", at: start))
        #expect(values["customer_count_30d"] == 0)
        #expect(values["customer_mean_30d"].isNaN)
        #expect(values["amount_to_usual"].isNaN)
        #expect(engine.features(ofCustomer: "c", at: start) == nil)
    }

    @Test func `no flood of small payments hides the large ones`() {
        var engine = FeatureEngine(set: .payments)
        for day in 0..<20 { engine.observe(payment("usual \(day)", at: start + .days(day), cents: 10_000)) }
        for number in 0..<3 { engine.observe(payment("large \(number)", at: start + .days(21) + .minutes(number), cents: 900_000)) }
        let before = engine.features(of: payment("next", at: start + .days(21) + .minutes(4), cents: 10_000))
        for number in 0..<3_000 {
            engine.observe(payment("small \(number)", at: start + .days(21) + .minutes(3) + TimeSpan(microseconds: Int64(number) * 1_000), cents: 100))
        }
        let after = engine.features(of: payment("next", at: start + .days(21) + .minutes(4), cents: 10_000))
        let names = [
            "customer_unusual_count_1d", "customer_unusual_count_14d", "customer_largest_to_usual_1d", "customer_largest_to_usual_7d",
            "customer_days_since_unusual", "terminal_unusual_count_1d", "terminal_unusual_count_7d",
        ]
        for name in names { #expect(after[name] == before[name], "\(name)") }
        #expect(after["customer_unusual_count_1d"] == 3)
        #expect(after["customer_largest_to_usual_1d"] == 90)
        #expect(after["terminal_unusual_count_1d"] == 3)
        #expect(after["customer_unusual_share_7d"] == 3.0 / 3_008)
    }

    @Test func `sums of the largest payments are not negative`() {
        var engine = FeatureEngine(set: .payments)
        for number in 0..<150 {
            engine.observe(payment("\(number)", at: start + .minutes(number), cents: RecordLimits.maxAmountMinorUnits))
        }
        let values = engine.features(of: payment("next", at: start + .minutes(150)))
        #expect(values["customer_sum_1d"] == 1.5e15)
        #expect(values["customer_mean_1d"] == 1e13)
        // From before amounts were checked.
        engine.observe(payment("negative", at: start + .days(3), cents: .min))
        engine.observe(payment("too large", at: start + .days(3), cents: .max))
        #expect(engine.features(of: payment("next", at: start + .days(3)))["customer_sum_1d"] == 1e13)
    }

    @Test func `sums and means of many of the largest payments are right, whatever their order and after a snapshot`() throws {
        var engine = FeatureEngine(set: .payments)
        let payments = (0..<1_000).map { payment("\($0)", at: start + .minutes($0), cents: RecordLimits.maxAmountMinorUnits) }
        for payment in payments.enumerated().sorted(by: { ($0.offset % 7, $0.offset) < ($1.offset % 7, $1.offset) }).map(\.element) {
            engine.observe(payment)
        }
        var writer = FeatureSnapshotWriter(of: engine)
        var reader = FeatureSnapshotReader(set: .payments)
        while let chunk = writer.next() { try reader.add(chunk) }
        for engine in [engine, try reader.finish()] {
            for count in [184, 185, 250, 600, 1_000] {
                let values = engine.features(of: payment("next", at: start + .minutes(count - 1)))
                for entity in ["customer", "terminal"] {
                    #expect(values["\(entity)_sum_1d"] == Double(count) * 1e13 && values["\(entity)_mean_1d"] == 1e13, "\(entity) \(count)")
                }
            }
        }
        // Small ones behind them are told apart again.
        engine.observe(payment("small", at: start + .days(10), cents: 1_234))
        #expect(engine.features(of: payment("next", at: start + .days(10)))["customer_sum_7d"] == 12.34)
    }

    @Test func `visits to a terminal are counted among many payments`() {
        var engine = FeatureEngine(set: .payments)
        for number in 0..<1_000 {
            engine.observe(payment("\(number)", at: start + .hours(number), terminal: number % 40 == 0 ? "seldom" : "often"))
        }
        #expect(engine.features(of: payment("next", at: start + .hours(1_000), terminal: "seldom"))["pair_count_60d"] == 25)
    }

    @Test func `what is unusual is told from its labels, also of late payments`() throws {
        let world = World(seed: 31, count: 3_000)
        var engine = FeatureEngine(set: .payments)
        var shuffled = world.transactions
        for place in stride(from: 0, to: shuffled.count - 3, by: 5) { shuffled.swapAt(place, place + 3) }
        var toUsual: [TransactionKey: Double] = [:]
        for transaction in shuffled { toUsual[transaction.key] = engine.observe(transaction)["amount_to_usual"] }
        for label in world.labels { engine.learn(label) }
        let now = start + .days(60)
        let labels = Dictionary(uniqueKeysWithValues: world.labels.map { ($0.key, $0) })
        for terminal in 0..<40 {
            let unusual = world.transactions.filter { transaction in
                guard transaction.terminalID == "t\(terminal)", transaction.eventTime > now - .days(7),
                    Float(toUsual[transaction.key] ?? .nan) >= 3
                else { return false }
                let label = labels[transaction.key].flatMap { $0.knownAt <= now ? $0 : nil }
                return label?.isFraud ?? true
            }
            let values = try #require(engine.features(terminal: "t\(terminal)", at: now))
            #expect(values["terminal_unusual_count_7d"] == Double(unusual.count))
        }
    }

    @Test func `an unusually large payment does not move what is usual until it is proven genuine`() {
        var engine = FeatureEngine(set: .payments)
        for day in 0..<10 { engine.observe(payment("\(day)", at: start + .days(day), cents: 1_000)) }
        let large = engine.observe(payment("large", at: start + .days(10), cents: 6_000))
        #expect(large["amount_to_usual"] == 6)
        #expect(large["customer_unusual_count_7d"] == 0)
        #expect(large["amount_tail_share"] == 1.0 / 11)
        let soon = engine.features(of: payment("x", at: start + .days(11), cents: 2_000))
        #expect(soon["customer_usual_amount"] == 10)
        #expect(soon["customer_unusual_count_7d"] == 1)
        #expect(soon["customer_days_since_unusual"] == 1)
        #expect(soon["terminal_unusual_count_7d"] == 1)
        let settled = engine.features(of: payment("x", at: start + .days(17), cents: 2_000))
        #expect(settled["customer_usual_amount"] == 160.0 / 11)
        #expect(settled["customer_unusual_count_14d"] == 0)
        engine.learn(label("large", isFraud: true, knownAt: start + .days(12)))
        let stolen = engine.features(of: payment("x", at: start + .days(17), cents: 2_000))
        #expect(stolen["customer_usual_amount"] == 10)
        #expect(stolen["customer_unusual_count_14d"] == 1)
    }

    @Test func `a run of frauds at a terminal has a length, an age and an end`() {
        var engine = FeatureEngine(set: .payments)
        for day in 0..<30 { engine.observe(payment("\(day)", at: start + .days(day), customer: "c\(day)")) }
        for day in 12..<18 { engine.learn(label("\(day)", isFraud: true, knownAt: start + .days(day + 7))) }
        let during = engine.features(of: payment("x", at: start + .days(23)))
        #expect(during["terminal_fraud_run"] == 5)  // of days 12 to 16, known by now
        #expect(during["terminal_fraud_run_days"] == 11)
        #expect(during["terminal_fraud_run_limit_days"] == 12)
        #expect(during["terminal_genuine_since_fraud"] == 0)
        #expect(during["terminal_days_since_fraud"] == 7)
        let after = engine.features(of: payment("x", at: start + .days(29)))
        #expect(after["terminal_fraud_run"] == 6)
        #expect(after["terminal_genuine_since_fraud"] == 5)
        #expect(after["terminal_ordinary_frauds_40d"] == 6)
    }

    @Test func `what was labelled genuine counts behind a fraud only once it is older than the delay of labels`() {
        var engine = FeatureEngine(set: .payments)
        for day in 0..<3 { engine.observe(payment("\(day)", at: start + .days(day), customer: "c\(day)")) }
        engine.learn(label("0", isFraud: true, knownAt: start + .days(2)))
        for day in 1..<3 { engine.learn(label("\(day)", isFraud: false, knownAt: start + .days(3))) }
        #expect(engine.features(of: payment("x", at: start + .days(4)))["terminal_genuine_since_fraud"] == 0)
        #expect(engine.features(of: payment("y", at: start + .days(8)))["terminal_genuine_since_fraud"] == 1)
    }

    @Test func `descriptions say what the values are`() throws {
        func description(_ name: String) throws -> String {
            try #require(FeatureSet.payments.definitions.first { $0.name == name }).description
        }
        #expect(try description("terminal_settled_count_1d") == "Payments at the terminal in the day up to 7 days ago")
        #expect(try description("terminal_genuine_since_fraud").contains("what is labelled genuine before it is that old does not count"))
        #expect(try description("customer_largest_to_usual_7d").hasSuffix("in single precision"))
    }

    @Test func `what happened before the window of a run counts for nothing, whatever else is kept`() {
        let names = [
            "terminal_days_since_fraud", "terminal_fraud_run", "terminal_fraud_run_days", "terminal_fraud_run_limit_days",
            "terminal_genuine_since_fraud", "terminal_decayed_fraud", "customer_decayed_fraud", "terminal_ordinary_frauds_40d",
        ]
        /// Two frauds at the beginning, two days apart, then so many payments.
        func values(others: Int, at time: Timestamp) -> [Double] {
            var engine = FeatureEngine(set: .payments)
            engine.observe(payment("before", at: start - .days(1)))
            for day in [0, 2] {
                engine.observe(payment("fraud\(day)", at: start + .days(day)))
                engine.learn(label("fraud\(day)", isFraud: true, knownAt: start + .days(3)))
            }
            for number in 0..<others { engine.observe(payment("\(number)", at: start + .days(4) + .hours(number))) }
            engine.observe(payment("last", at: start + .days(100)))
            return names.map { engine.features(of: payment("x", at: time))[$0] }
        }
        for others in [0, 2, 200] {
            let nothing = [Double.nan, 0, .nan, .nan, .nan, 0, 0, 0]
            #expect(sameBits(values(others: others, at: start + .days(102)), nothing), "\(others)")
            #expect(values(others: others, at: start + .days(150))[0].isNaN)
        }
        func justBefore(_ day: Int) -> [Double] {
            var engine = FeatureEngine(set: .payments)
            engine.observe(payment("before", at: start - .days(1)))
            for day in [0, 2] {
                engine.observe(payment("fraud\(day)", at: start + .days(day)))
                engine.learn(label("fraud\(day)", isFraud: true, knownAt: start + .days(3)))
            }
            let values = engine.features(of: payment("x", at: start + .days(day)))
            return ["terminal_fraud_run", "terminal_fraud_run_days", "terminal_fraud_run_limit_days", "terminal_days_since_fraud"].map { values[$0] }
        }
        #expect(justBefore(38) == [2, 38, 39, 36])
        // The payment before the run is out of the window a day before the run's first fraud is.
        #expect(sameBits(justBefore(39), [2, 39, .nan, 37]))
        #expect(sameBits(justBefore(40), [1, 38, .nan, 38]), "cut where the window begins")
        #expect(sameBits(justBefore(42), [0, .nan, .nan, .nan]))
    }

    @Test func `the last payment before a late one is unknown where it may be kept or not`() {
        // Fewer than four are not let go.
        for old in [3, 4] {
            var engine = FeatureEngine(set: .payments)
            for number in 0..<old { engine.observe(payment("old\(number)", at: start + .minutes(number))) }
            engine.observe(payment("newest", at: start + .days(100)))
            #expect(engine.features(of: payment("late", at: start + .days(98)))["customer_days_since_last"].isNaN)
            #expect(engine.features(of: payment("next", at: start + .days(101)))["customer_days_since_last"] == 1)
        }
    }

    @Test func `entities can be asked about without a transaction`() throws {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start, cents: 700))
        let customer = try #require(engine.features(ofCustomer: "c", at: start + .hours(1)))
        #expect(customer["customer_sum_1d"] == 7)
        #expect(customer["amount"].isNaN)
        #expect(customer["amount_to_usual"].isNaN)
        #expect(customer["terminal_sum_1d"].isNaN)
        let both = try #require(engine.features(ofCustomer: "c", terminal: "t", at: start + .hours(1)))
        #expect(both["terminal_sum_1d"] == 7)
        #expect(both["pair_count_60d"] == 1)
        #expect(engine.newestEventTime(ofTerminal: "t", at: start + .hours(1)) == start)
        #expect(engine.newestEventTime(ofTerminal: "t", at: start) == start)
        #expect(engine.newestEventTime(ofTerminal: "t", at: start - .hours(1)) == nil)
    }

    @Test func `a payment without a terminal has no terminal features`() {
        var engine = FeatureEngine(set: .payments)
        engine.observe(payment("1", at: start, terminal: nil))
        let values = engine.observe(payment("2", at: start + .hours(1), terminal: nil))
        #expect(values["customer_count_1d"] == 1)
        #expect(values["terminal_count_1d"].isNaN)
        #expect(values["pair_count_60d"].isNaN)
    }

    @Test func `the version tells every change of a declaration that changes a value`() {
        let set = FeatureSet.payments
        #expect(set.version == FeatureSet.payments().version)
        #expect(set.version.utf8.count == 16)
        #expect(set.version != FeatureSet.payments(labelDelay: .days(3)).version)
        #expect(set.version != FeatureSet.payments(utcOffsetSeconds: 3_600).version)
        var changed = set.definitions
        changed[5].window = .days(2)
        #expect(set.version != FeatureSet(name: set.name, definitions: changed).version)
        var reworded = set.definitions
        reworded[5].description = "another word"
        #expect(set.version == FeatureSet(name: set.name, definitions: reworded).version)
        #expect(set.selecting(["amount", "is_night"])?.names == ["amount", "is_night"])
        #expect(set.selecting(["amount", "nonsense"]) == nil)
    }
}
