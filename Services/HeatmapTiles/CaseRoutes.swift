import Contracts
import Foundation
import Identity
import RPC
import RecordCoding
import Records
import StandardContracts

/// What the page shows that other services know: asked for with the caller's own token, so that those services decide what the caller
/// may see and do, and record it.
struct CaseRoutes: Sendable {
    let notifier: NotificationsV1.NotifierService.Client
    let models: ModelsV1.ModelService.Client
    let map: LiveMap
    let renderer: TileRenderer
    var alertPages = AlertPages()
    /// Looks for an alert that is not among the newest.
    var storedAlert: @Sendable (String) async throws -> AlertNote? = { _ in nil }

    static let rules: [String: AccessRule] = [
        "/alerts/states": .limitedScope(Scope.readAlerts), "/alerts/{id}/acknowledge": .limitedScope(Scope.writeAlerts),
        "/models": .limitedScope(Scope.readModels), "/models/health": .limitedScope(Scope.readModels),
        "/complaints/{reporter}/{id}/cash-out": .limitedScope(Scope.readModels),
    ]

    static let timeout: Duration = .seconds(5)

    var all: [HTTPRoute] {
        [
            HTTPRoute("GET", "/alerts/states") { try await alertStates($0) },
            HTTPRoute("POST", "/alerts/{id}/acknowledge", maxBodyBytes: 1024) { try await acknowledge($0) },
            HTTPRoute("GET", "/models") { try await answerBare($0, listModels) },
            HTTPRoute("GET", "/models/health") { try await answerBare($0, modelHealth) },
            HTTPRoute("GET", "/complaints/{reporter}/{id}/cash-out") { try await answerBare($0, cashOut) },
        ]
    }

    /// Answers what takes no parameters, and refuses any.
    private func answerBare(
        _ request: HTTPRequest, _ answer: (HTTPRequest) async throws -> HTTPResponse
    ) async throws -> HTTPResponse {
        try await Routes.refusing {
            _ = try QueryParameters(request.query, allowed: [])
            return try await answer(request)
        }
    }

    private struct AlertState: Encodable {
        var alertID: String
        var isAcknowledged: Bool
        var acknowledgedBy: String?
        var acknowledgedAt: String?

        init(_ alert: NotificationsV1.Alert) {
            alertID = alert.alertID
            isAcknowledged = alert.state == .acknowledged
            acknowledgedBy = alert.acknowledgedBy.isEmpty ? nil : alert.acknowledgedBy
            acknowledgedAt = alert.acknowledgedAt.flatMap { Timestamp($0) }?.iso8601
        }
    }

    /// Where the alerts of a page of the list stand. No subject or text of theirs comes along.
    private func alertStates(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await Routes.refusing {
            let queries = MapQueries(
                state: map.current, renderer: renderer, permitted: request.serviceContext.principal?.permittedJurisdictions)
            let alerts = try await alertPages.page(request.query, queries, limit: MapState.maxAlerts)
            guard !alerts.isEmpty else { return try Self.json([AlertState]()) }
            let answer = try await notifier.listAlerts(
                .init(limit: UInt32(MapState.maxAlerts), alertIDs: alerts.map(\.decisionID)), options: try Self.options(request))
            return try Self.json(answer.alerts.map { AlertState($0) })
        }
    }

    private func acknowledge(_ request: HTTPRequest) async throws -> HTTPResponse {
        // A form of another site cannot send JSON.
        guard request.headers["content-type"]?.split(separator: ";").first == "application/json" else {
            return try Routes.refusal(415, "invalid_argument", "send JSON")
        }
        guard (try? JSONSerialization.jsonObject(with: Data(request.body))) is [String: Any] else {
            return try Routes.refusal(400, "invalid_argument", "the body is no JSON object; send {}")
        }
        let permitted = request.serviceContext.principal?.permittedJurisdictions
        guard let found = try await map.alert(request.pathParameters["id"] ?? "", for: permitted, stored: storedAlert) else {
            return try Routes.noAlert()
        }
        let answer = try await notifier.acknowledgeAlert(
            .init(alertID: found.decisionID), options: try Self.options(request))
        guard let alert = answer.alert else { throw RPCError(.internal, "the notifier did not say which alert it acknowledged") }
        return try Self.json(AlertState(alert))
    }

    private struct Model: Encodable {
        var version: String
        var stage: String
        var featureSetVersion: String
        var trainedAt: String?
        var promotedAt: String?
        var metrics: [String: Double]
        var alertThreshold: Double
    }

    private func listModels(_ request: HTTPRequest) async throws -> HTTPResponse {
        let answer = try await models.listModels(.init(), options: try Self.options(request))
        return try Self.json(answer.models.map { model in
            let stage = switch model.stage {
            case .champion: "champion"
            case .challenger: "challenger"
            case .retired: "retired"
            case .shadow: "shadow"
            case .unspecified, .unrecognized: "unknown"
            }
            return Model(
                version: model.version, stage: stage, featureSetVersion: model.featureSetVersion,
                trainedAt: model.trainedAt.flatMap { Timestamp($0) }?.iso8601,
                promotedAt: model.promotedAt.flatMap { Timestamp($0) }?.iso8601, metrics: model.metrics.filter { $0.value.isFinite },
                alertThreshold: model.alertThreshold)
        })
    }

    private struct Health: Encodable {
        struct ReliabilityBin: Encodable {
            var meanScore: Double
            var observed: Double
            var decisions: Int
        }

        struct Outcomes: Encodable {
            var decisions: Int
            var frauds: Int
            var calibrationError: Double
            /// Tenths of the range of scores, the lowest first; without empty ones.
            var reliability: [ReliabilityBin]
            /// Absent without outcomes of both kinds.
            var averagePrecision: Double?
            /// Shares of prediction sets that hold the truth; absent where the model states none.
            var statedCoverage: Double?
            var observedCoverage: Double?
        }

        struct Drift: Encodable {
            var feature: String
            var stabilityIndex: Double
        }

        var version: String
        var days: Int
        /// Where the truth came out; absent while it has for none.
        var outcomes: Outcomes?
        /// The features that have moved most since training, the most moved first.
        var drift: [Drift]
    }

    private static let healthDays = 90
    private static let maxDrifts = 5

    /// How the champion's decisions of the last months hold against what came out, as the model server judges them.
    private func modelHealth(_ request: HTTPRequest) async throws -> HTTPResponse {
        let answer = try await models.getModelHealth(.init(days: UInt32(Self.healthDays)), options: try Self.options(request))
        return try Self.json(Health(
            version: answer.version, days: Self.healthDays,
            outcomes: answer.outcomes.map { outcomes in
                .init(
                    decisions: Int(outcomes.decisions), frauds: Int(outcomes.frauds), calibrationError: outcomes.calibrationError,
                    reliability: outcomes.reliability.map {
                        .init(meanScore: $0.meanScore, observed: $0.observed, decisions: Int($0.decisions))
                    },
                    averagePrecision: outcomes.frauds > 0 && outcomes.frauds < outcomes.decisions ? outcomes.averagePrecision : nil,
                    statedCoverage: outcomes.coverage?.stated, observedCoverage: outcomes.coverage?.observed)
            },
            drift: answer.drift.filter { $0.stabilityIndex.isFinite }.prefix(Self.maxDrifts)
                .map { .init(feature: $0.feature, stabilityIndex: $0.stabilityIndex) }))
    }

    private struct CashOut: Encodable {
        struct Window: Encodable {
            var startsAt: String
            var endsAt: String
            var probability: Double
        }

        struct ATM: Encodable {
            var terminal: String
            var institution: String
            var latitude: Double?
            var longitude: Double?
            var probability: Double
            /// One for each window.
            var windows: [Double]
        }

        /// That no withdrawal comes any more.
        var goneProbability: Double
        var windows: [Window]
        /// That it comes after the last window, or at another ATM.
        var laterProbability: Double
        var elsewhereProbability: Double
        /// Likeliest first.
        var atms: [ATM]
        /// Whether the money was found on its way; else the answer is what holds for any complaint.
        var isTraced: Bool
        var asOf: String?
    }

    private static let cashOutATMs: UInt32 = 5
    private static let cashOutHours: UInt32 = 24

    /// Where and when a complaint's money may be taken out, as the model server tells whoever asks.
    private func cashOut(_ request: HTTPRequest) async throws -> HTTPResponse {
        let key = ModelsV1.ComplaintKey(
            reporterID: request.pathParameters["reporter"] ?? "", complaintID: request.pathParameters["id"] ?? "")
        let answer = try await models.predictCashOut(
            .init(subject: .submitted(key), maxATMs: Self.cashOutATMs, hours: Self.cashOutHours), options: try Self.options(request))
        let sites = map.current.sites
        func time(_ moment: GoogleProtobuf.Timestamp?) -> String { moment.flatMap { Timestamp($0) }?.iso8601 ?? "" }
        return try Self.json(CashOut(
            goneProbability: answer.goneProbability,
            windows: answer.windows.map { .init(startsAt: time($0.startsAt), endsAt: time($0.endsAt), probability: $0.probability) },
            laterProbability: answer.laterProbability, elsewhereProbability: answer.elsewhereProbability,
            atms: answer.atms.map { atm in
                .init(
                    terminal: atm.terminalID, institution: sites[atm.terminalID]?.institution ?? "",
                    latitude: atm.location.map(Coordinate.init)?.latitude, longitude: atm.location.map(Coordinate.init)?.longitude,
                    probability: atm.probability, windows: atm.windowProbabilities)
            },
            isTraced: answer.traced, asOf: time(answer.asOf)))
    }

    private static func options(_ request: HTTPRequest) throws -> CallOptions {
        guard let token = request.serviceContext.bearerToken else { throw RPCError(.unauthenticated, "this needs a person's token") }
        return CallOptions(timeout: timeout, metadata: ["authorization": "Bearer \(token.value)"])
    }

    private static func json(_ value: some Encodable) throws -> HTTPResponse {
        var response = HTTPResponse.json(try Payload.encode(value))
        response.headers["cache-control"] = "no-store"
        return response
    }
}
