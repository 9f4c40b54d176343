/// Who may call what: every method of every service, in one table. Services enforce it on their own port, the auth gateway before
/// it forwards. A method that is not in it is refused everywhere. Who may see some jurisdictions only is let in where that is said: to
/// writing, to what keeps to them, and to what is about no place. So is a bank: to writing, to what keeps to its own, and to what is
/// about no bank.
///
/// A service adds the rules of its own routes to these.
public enum MethodRules {
    public static let all: [String: AccessRule] = [ingestion, features, models, notifications, tiles, auth, standard]
        .reduce(into: [:]) { $0.merge($1) { first, _ in first } }

    private static let ingestion = rules("vigil.ingestion.v1.IngestionService", [
        "SubmitTransaction": either(limitedScope: Scope.writeTransactions, peers: [ServiceName.operator]),
        "StreamTransactions": either(limitedScope: Scope.writeTransactions, peers: [ServiceName.operator]),
        "SubmitComplaint": either(limitedScope: Scope.writeComplaints, peers: [ServiceName.operator]),
        "SubmitLabel": either(limitedScope: Scope.writeLabels, peers: [ServiceName.operator]),
        // Carries records of every kind; the handler asks for each kind's own scope.
        "ImportRecords": anyWriter,
        // Rows of every kind; the handler asks for the scope of the mapping's own.
        "ImportFile": anyWriter,
        "GetFileImport": anyWriter,
        "EraseIdentifiers": either(bankScope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "RevealIdentifier": either(bankScope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "TokenizeIdentifier": either(scope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "ApplyRetention": either(scope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "ListPrivacyRecords": either(bankScope: Scope.readAudit, peers: [ServiceName.operator]),
        "TailEvents": .peers([
            ServiceName.featureStore, ServiceName.modelServer, ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator,
        ]),
        "GetStatistics": either(bankScope: Scope.readDecisions, peers: everyPeer),
    ])

    private static let features = rules("vigil.features.v1.FeatureStoreService", [
        "Observe": .peers([ServiceName.ingestionGateway, ServiceName.operator]),
        "ObserveAtTerminals": .peers([ServiceName.ingestionGateway, ServiceName.featureStore]),
        "GetFeatures": either(
            scope: Scope.readFeatures,
            peers: [ServiceName.ingestionGateway, ServiceName.featureStore, ServiceName.modelServer, ServiceName.operator]),
        "GetFeatureHealth": either(scope: Scope.readFeatures, peers: everyPeer),
        "SetFeatureReference": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "DescribeFeatureSet": either(limitedScope: Scope.readFeatures, peers: everyPeer),
        "GetHistoricalFeatures": either(scope: Scope.readFeatures, peers: [ServiceName.modelServer, ServiceName.operator]),
        "TailObservations": .peers([ServiceName.modelServer, ServiceName.operator]),
    ])

    private static let models = rules("vigil.models.v1.ModelService", [
        "Score": .peers([ServiceName.ingestionGateway, ServiceName.operator]),
        "GetDecisions": either(
            bankScope: Scope.readDecisions,
            peers: [ServiceName.ingestionGateway, ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "ReplayDecision": either(bankScope: Scope.readDecisions, peers: [ServiceName.operator]),
        "UploadModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "PromoteModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "ShadowModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "RollBackModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "ListModels": either(limitedScope: Scope.readModels, peers: everyPeer),
        "GetModelHealth": either(limitedScope: Scope.readModels, peers: everyPeer),
        "PredictCashOut": either(
            limitedScope: Scope.readModels, peers: [ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "ForecastCells": either(
            limitedScope: Scope.readModels, peers: [ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "TailDecisions": .peers([ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "GetStatistics": either(scope: Scope.readModels, peers: everyPeer),
    ])

    private static let notifications = rules("vigil.notifications.v1.NotifierService", [
        "RaiseAlert": either(limitedScope: Scope.writeAlerts, peers: everyPeer),
        // The notifier does not know where an alert is; the tile service does.
        "ListAlerts": .anyOf([
            .scope(Scope.readAlerts), .relayedScope(Scope.readAlerts, by: [ServiceName.heatmapTiles]),
            .peers([ServiceName.heatmapTiles, ServiceName.operator]),
        ]),
        "AcknowledgeAlert": .anyOf([
            .scope(Scope.writeAlerts), .relayedScope(Scope.writeAlerts, by: [ServiceName.heatmapTiles]), .peers([ServiceName.operator]),
        ]),
    ])

    private static let tiles = rules("vigil.tiles.v1.TileService", [
        "ListHotspots": either(limitedScope: Scope.readTiles, peers: [ServiceName.operator]),
        "GetTimeSeries": either(limitedScope: Scope.readTiles, peers: [ServiceName.operator]),
    ])

    private static let auth = rules("vigil.auth.v1.AuthService", [
        "IssueToken": .open,
        "GetKeySet": .open,
        "ListAccessRecords": either(scope: Scope.readAudit, peers: [ServiceName.operator]),
    ])

    /// What every port serves. Health and the published contracts are no secret; figures about the traffic are.
    private static let standard: [String: AccessRule] = [
        "/grpc.health.v1.Health/": .open,
        "/grpc.reflection.v1.ServerReflection/": .open,
        "/grpc.reflection.v1alpha.ServerReflection/": .open,
        "/readyz": .open,
        "/metrics": either(scope: Scope.readMetrics, peers: [ServiceName.operator]),
        "/debug/connections": either(scope: Scope.readMetrics, peers: [ServiceName.operator]),
    ]

    private static let everyPeer = Set(ServiceName.all)

    private static let anyWriter = AccessRule.anyOf(
        [Scope.writeTransactions, Scope.writeComplaints, Scope.writeLabels, Scope.writeRegistry].map { .limitedScope($0) }
            + [jurisdictionWriter])

    /// Who draws the areas that others' access is limited to: nobody who is limited itself.
    public static let jurisdictionWriter = either(scope: Scope.writeJurisdictions, peers: [ServiceName.operator])

    private static func either(scope: String, peers: Set<String>) -> AccessRule {
        .anyOf([.scope(scope), .peers(peers)])
    }

    private static func either(bankScope scope: String, peers: Set<String>) -> AccessRule {
        .anyOf([.bankScope(scope), .peers(peers)])
    }

    private static func either(limitedScope scope: String, peers: Set<String>) -> AccessRule {
        .anyOf([.limitedScope(scope), .peers(peers)])
    }

    private static func rules(_ service: String, _ methods: [String: AccessRule]) -> [String: AccessRule] {
        Dictionary(uniqueKeysWithValues: methods.map { ("/\(service)/\($0.key)", $0.value) })
    }
}
