import Foundation
import Records
import SeededRandom
import Testing

@testable import Features
@testable import Models
@testable import Training

@Suite struct EnsembleTests {
    @Test func `a score's parts and the base sum to its log-odds, and the same signals give the same bits`() throws {
        let world = SmallWorld()
        let bundle = try FraudTraining(options: SmallWorld.options).train(
            on: world.history, asOf: world.end, source: "test", createdAt: world.end)
        let ensemble = try #require(bundle.manifest.ensemble)
        #expect(ensemble.parts.map(\.signal) == [.account, .terminal])
        var replay = world.history.replay(set: .payments)
        replay.run(world.transactions, labels: world.labels) { index, values in
            guard index % 500 == 0 else { return }
            let score = bundle.model.score(Array(values))
            let sum = score.parts.reduce(ensemble.baseLogOdds) { $0 + $1.contribution }
            #expect(abs(sum - log(score.riskScore / (1 - score.riskScore))) < 1e-6)
            #expect(score.parts.map(\.signal) == ["fraud_classifier", "account_anomaly", "terminal_anomaly"])
            #expect(score.predictionSet == bundle.manifest.conformal?.set(score.riskScore))
            // A batch says what single rows say.
            #expect(bundle.model.riskScores(rows: values.map { Float($0) }) == [score.riskScore])
            let again = bundle.model.score(Array(values))
            #expect(again.parts == score.parts && again.riskScore.bitPattern == score.riskScore.bitPattern)
        }
        // It comes back from a file as it was.
        #expect(try ModelBundle(files: bundle.files).manifest.ensemble == ensemble)
    }

    @Test func `a signal that tells gets a weight, one that does not gets none, and none ever lowers the risk`() throws {
        var random = SplitMix64(seed: 11)
        var margins: [Double] = [], places: [Double] = [], isFraud: [Bool] = [], rows: [Float] = []
        for _ in 0..<4_000 {
            let margin = Double.random(in: -6...2, using: &random), place = Double.random(in: -2...2, using: &random)
            let odds = margin + 0.8 * place
            isFraud.append(Double.random(in: 0..<1, using: &random) < 1 / (1 + exp(-odds)))
            margins.append(margin)
            places.append(place)
            // A share that falls with genuine payments only: the opposite of what it should.
            rows.append(isFraud[isFraud.count - 1] ? 1 : Float.random(in: 0.05...1, using: &random))
        }
        let fit = EnsembleFit(margins: margins, rows: rows, featureNames: ["amount_tail_share"], placeRisk: places, isFraud: isFraud)
        #expect(fit.ensemble.parts.map(\.signal) == [.account, .terminal, .place])
        #expect(fit.ensemble.parts[0].weight == 0)
        #expect(fit.ensemble.parts[1].weight == 0)
        #expect(abs(fit.ensemble.parts[2].weight - 0.8) < 0.15)
        #expect(RankingMetrics.calibrationError(probabilities: fit.probabilities, isPositive: isFraud) < 0.03)
    }

    @Test func `a signal that is not at hand takes no part`() {
        let ensemble = Ensemble(parts: [.init(signal: .place, weight: 2, centre: 1)], baseLogOdds: -4)
        #expect(ensemble.shift([.nan]) == 0)
        #expect(ensemble.shift([2]) == 2)
        #expect(ensemble.contributions(margin: -3, [.nan]).map(\.contribution) == [1, 0])
    }

    @Test func `surprises are tail probabilities`() {
        // P(N ≥ 1) and P(N ≥ 3) with one expected.
        #expect(abs(TailSurprise.count(1, expected: 1) + log(1 - exp(-1))) < 1e-12)
        #expect(abs(TailSurprise.count(3, expected: 1) + log(1 - 2.5 * exp(-1))) < 1e-6)
        #expect(TailSurprise.count(0, expected: 3) == 0)
        #expect(TailSurprise.count(500, expected: 1) == TailSurprise.limit)
        #expect(TailSurprise.count(2, expected: 300) < 1e-9)
        #expect(TailSurprise.together(0, 0) == 0)
        #expect(abs(TailSurprise.together(2, 1) - (3 - log(4))) < 1e-12)
    }

    @Test func `the risk of a place is higher where incidents were, and knows nothing off the map`() throws {
        var incidents: [KnownIncident] = []
        let monday = Timestamp(iso8601: "2018-06-04T00:00:00Z")!
        for number in 0..<400 {
            let isHot = number % 2 == 0
            let place = Coordinate(
                latitude: 12.9 + (isHot ? 0 : Double(number % 20) * 0.005), longitude: 77.5 + (isHot ? 0 : Double(number / 20) * 0.005))
            let time = monday - .days(60) + .seconds(number * 12_000)
            incidents.append(KnownIncident(incident: Incident(time: time, place: place, type: "theft"), knownAt: time + .days(1)))
        }
        var history = PaymentHistory(transactions: [], labels: [])
        history.incidents = incidents
        var places = try #require(PlaceRiskByWeek(history))
        func payment(_ latitude: Double, _ longitude: Double, _ day: Int = 0) -> Transaction {
            var payment = SmallWorld(count: 1).transactions[0]
            payment.eventTime = monday + .days(day)
            payment.location = Coordinate(latitude: latitude, longitude: longitude)
            return payment
        }
        #expect(places.value(of: payment(12.9, 77.5)) > 1)
        #expect(places.value(of: payment(12.9, 77.5)) > places.value(of: payment(12.95, 77.55)))
        #expect(places.value(of: payment(-30, 10)).isNaN)
        // What is reported from the week's begin on changes nothing.
        let before = places.value(of: payment(12.95, 77.55, 3))
        history.incidents += (0..<300).map { number in
            KnownIncident(
                incident: Incident(time: monday - .days(1), place: Coordinate(latitude: 12.95, longitude: 77.55), type: "theft"),
                knownAt: monday + .seconds(number))
        }
        var later = try #require(PlaceRiskByWeek(history))
        #expect(later.value(of: payment(12.95, 77.55, 3)) == before)
        // Too few for any map.
        history.incidents.removeLast(history.incidents.count - 50)
        #expect(PlaceRiskByWeek(history) == nil)
    }
}
