import Features
import Models
import Records
import SeededRandom
import Testing

@testable import Training

@Suite struct TrainingTests {
    let training = FraudTraining(options: SmallWorld.options)

    @Test func `our forest equals XGBoost's own predictions`() throws {
        var random = SplitMix64(seed: 3)
        let rows = (0..<4_000).map { _ in
            Int.random(in: 0..<10, using: &random) == 0 ? Float.nan : Float.random(in: -1...1, using: &random)
        }
        let labels = (0..<500).map { row in Float(rows[row * 8] > 0.2 && rows[row * 8 + 1] > 0 ? 1 : 0) }
        let matrix = try DataMatrix(rows: rows, columnCount: 8, labels: labels, threads: 1)
        let booster = try Booster(
            on: matrix, parameters: [("objective", "binary:logistic"), ("max_depth", "6"), ("nthread", "1"), ("base_score", "0.3")])
        for _ in 0..<60 { try booster.boost() }
        let forest = try XGBoostModel(try booster.encoded()).forest
        let theirs = try booster.margins(of: matrix)
        for (row, margin) in forest.margins(rows: rows).enumerated() { #expect(abs(margin - theirs[row]) < 1e-6) }
    }

    @Test func `what the trainer knows of its own rows is what the forest says, to the bit`() throws {
        let world = SmallWorld(count: 3_000)
        var replay = world.history.replay(set: .payments)
        let table = FeatureTable(replaying: world.history.transactions, labels: world.history.labels, with: &replay) { _ in true }
        let isFraud = Dictionary(uniqueKeysWithValues: world.labels.map { ($0.key, $0.isFraud) })
        let frauds = table.transactionIndices.map { isFraud[world.history.transactions[$0].key] ?? false }
        var options = SmallWorld.options
        options.parts = 1
        let trainer = EnsembleTrainer(options: options, table: table, isFraud: frauds, partOfRow: frauds.map { _ in 0 })
        let result = try trainer.run { _ in }
        #expect(result.heldOutMargins == result.forest.margins(rows: table.values))
    }

    @Test func `a trained model tells fraud and says why`() throws {
        let world = SmallWorld()
        let bundle = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        #expect(bundle.version.hasPrefix("fraud-\(bundle.manifest.training.to.prefix(10).replacing("-", with: "."))-"))
        #expect(try #require(bundle.manifest.metrics["held_out_average_precision"]) > 0.7)
        var replay = world.history.replay(set: .payments)
        replay.run(world.transactions, labels: world.labels) { _, _ in }
        var stolen = world.transactions[10]
        stolen.key.transactionID = "new"
        stolen.eventTime = world.end
        stolen.amount.minorUnits = 100_000
        let values = replay.engine.features(of: stolen)
        let score = bundle.model.score(values)
        #expect(score.riskScore > 0.5)
        #expect(score.label == .fraud)
        #expect(score.reasons.contains { $0.feature.hasPrefix("amount") })
        let sum = bundle.model.contributions(values).reduce(bundle.model.expectedMargin, +)
        #expect(abs(sum - Double(score.margin)) < 1e-4)
        #expect(bundle.model.score(values) == score)
    }

    @Test func `the same data and seed give the same model, another seed another`() throws {
        let world = SmallWorld(count: 3_000)
        let a = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        // Made on another day it is the same model.
        let b = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end + .days(3))
        #expect(a.version == b.version)
        var other = training
        other.options.seed = 2
        #expect(try other.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end).version != a.version)
    }

    @Test func `labels that are not known yet do not train`() throws {
        let world = SmallWorld(count: 4_000)
        let asOf = start + .days(21)
        let before = try training.train(
            on: PaymentHistory(transactions: world.transactions, labels: world.labels.filter { $0.knownAt <= asOf }), asOf: asOf,
            source: "test", createdAt: asOf)
        var turned = world
        for index in turned.labels.indices where turned.labels[index].knownAt > asOf { turned.labels[index].isFraud.toggle() }
        let after = try training.train(on: turned.history, asOf: asOf, source: "test", createdAt: asOf)
        #expect(before.model.forest == after.model.forest)
        #expect(before.manifest.training.rows == after.manifest.training.rows)
    }

    @Test func `chargebacks alone are enough: what is old and unlabelled is genuine`() throws {
        var world = SmallWorld(count: 4_000)
        world.labels.removeAll { !$0.isFraud }
        let bundle = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        #expect(bundle.manifest.training.frauds > 50)
        #expect(bundle.manifest.training.rows > 2_000)
    }

    @Test(arguments: [true, false])
    func `one class only cannot be learnt from`(isFraud: Bool) throws {
        var world = SmallWorld(count: 1_000)
        for index in world.labels.indices { world.labels[index].isFraud = isFraud }
        let error = #expect(throws: TrainingError.self) {
            try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        }
        #expect(error?.code == .data)
        #expect(throws: TrainingError.self) {
            try training.train(on: PaymentHistory(transactions: [], labels: []), asOf: world.end, source: "test", createdAt: world.end)
        }
    }

    @Test func `the order of the file and repeated ids do not matter`() throws {
        var world = SmallWorld(count: 3_000)
        // Many of one time: whole hours.
        for place in world.transactions.indices {
            let hour = world.transactions[place].eventTime.seconds / 3_600
            world.transactions[place].eventTime = Timestamp(seconds: hour * 3_600)
            world.labels[place].knownAt = world.transactions[place].eventTime + .days(7)
        }
        var random = SplitMix64(seed: 4)
        let shuffled = PaymentHistory(
            transactions: world.transactions.shuffled(using: &random) + world.transactions.prefix(100),
            labels: world.labels.shuffled(using: &random))
        #expect(shuffled.duplicateCount == 100 && shuffled.conflicts.isEmpty)
        var other = world.transactions[7]
        other.amount.minorUnits += 1
        let contradicted = PaymentHistory(transactions: world.transactions + [world.transactions[3], other], labels: world.labels)
        #expect(contradicted.duplicateCount == 2 && contradicted.conflicts == [other.key])
        #expect(contradicted.transactions == world.history.transactions)
        let a = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        let b = try training.train(on: shuffled, asOf: world.end, source: "test", createdAt: world.end)
        #expect(a.model.forest == b.model.forest)
        #expect(a.manifest.training.dataSHA256 == b.manifest.training.dataSHA256)
    }

    @Test func `an ensemble of one part promises no coverage and calls nothing held out`() throws {
        let world = SmallWorld(count: 3_000)
        var alone = training
        alone.options.parts = 1
        let model = try alone.fit(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        #expect(!model.isHeldOut)
        #expect(model.bundle.manifest.conformal == nil)
        #expect(model.bundle.manifest.metrics.keys.allSatisfy { $0.hasPrefix("training_") })
        let parts = try training.fit(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        #expect(parts.isHeldOut)
        #expect(parts.bundle.manifest.conformal?.coverage == 0.95)
        #expect(parts.probabilities.count == parts.bundle.manifest.training.rows)
    }

    @Test func `sets are promised by the newest payments, whose outcome nobody knows yet, or by the newest known ones where these are few`()
        throws
    {
        func judged(labelDelayDays: Int) throws -> (genuine: Int?, newest: Int) {
            let world = SmallWorld(count: 9_000, labelDelayDays: labelDelayDays)
            let bundle = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
            let newest = world.transactions.filter { $0.eventTime > world.end - .days(7) }.count
            return (bundle.manifest.conformal?.genuine, newest)
        }
        let late = try judged(labelDelayDays: 7)
        #expect(late.genuine == late.newest && late.newest > FraudTraining.minNewest)
        #expect(try judged(labelDelayDays: 0).genuine == FraudTraining.minNewest)
    }

    @Test func `constant amounts, and values beyond all bounds, train and score`() throws {
        var world = SmallWorld(count: 3_000)
        for index in world.transactions.indices { world.transactions[index].amount.minorUnits = 1_000 }
        world.transactions[5].amount.minorUnits = .max / 2
        let bundle = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        for value in [Double.nan, .infinity, -.infinity, 0, 1e300, -1e300] {
            let score = bundle.model.score([Double](repeating: value, count: bundle.model.featureNames.count))
            #expect((0...1).contains(score.riskScore))
            #expect(score.reasons.allSatisfy { $0.contribution.isFinite })
        }
    }

    @Test func `night and weekend are told by a fixed offset, across a change of summer time too`() throws {
        // Clocks in Central Europe went forward on 2018-03-25 at 01:00 UTC; the set keeps UTC + 1 on both sides.
        let set = FeatureSet.payments(utcOffsetSeconds: 3_600)
        let night = try #require(set.names.firstIndex(of: "is_night"))
        let times = [
            ("2018-03-25T05:59:59Z", 1.0), ("2018-03-25T06:00:00Z", 0), ("2018-03-26T05:59:59Z", 1), ("2018-03-26T06:00:00Z", 0),
        ]
        for (time, expected) in times {
            var payment = SmallWorld(count: 1).transactions[0]
            payment.eventTime = try #require(Timestamp(iso8601: time))
            #expect(FeatureEngine(set: set).features(of: payment)[night] == expected)
        }
    }
}
