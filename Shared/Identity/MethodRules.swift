/// Who may call what: every method of every service, in one table. Services enforce it on their own port, the auth gateway before
/// it forwards. A method that is not in it is refused everywhere.
///
/// A service adds the rules of its own routes to these.
public enum MethodRules {
    public static let all: [String: AccessRule] = [ingestion, features, models, notifications, tiles, auth, standard]
        .reduce(into: [:]) { $0.merge($1) { first, _ in first } }

    private static let ingestion = rules("vigil.ingestion.v1.IngestionService", [
        "SubmitTransaction": either(scope: Scope.writeTransactions, peers: [ServiceName.operator]),
        "StreamTransactions": either(scope: Scope.writeTransactions, peers: [ServiceName.operator]),
        "SubmitComplaint": either(scope: Scope.writeComplaints, peers: [ServiceName.operator]),
        "SubmitLabel": either(scope: Scope.writeLabels, peers: [ServiceName.operator]),
        // Carries records of every kind; the handler asks for each kind's own scope.
        "ImportRecords": .anyOf([
            .scope(Scope.writeTransactions), .scope(Scope.writeComplaints), .scope(Scope.writeLabels), .scope(Scope.writeRegistry),
            .peers([ServiceName.operator]),
        ]),
        // Rows of every kind; the handler asks for the scope of the mapping's own.
        "ImportFile": .anyOf([
            .scope(Scope.writeTransactions), .scope(Scope.writeComplaints), .scope(Scope.writeLabels), .scope(Scope.writeRegistry),
            .peers([ServiceName.operator]),
        ]),
        "GetFileImport": .anyOf([
            .scope(Scope.writeTransactions), .scope(Scope.writeComplaints), .scope(Scope.writeLabels), .scope(Scope.writeRegistry),
            .peers([ServiceName.operator]),
        ]),
        "EraseIdentifiers": either(scope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "RevealIdentifier": either(scope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "ApplyRetention": either(scope: Scope.writePrivacy, peers: [ServiceName.operator]),
        "ListPrivacyRecords": either(scope: Scope.readAudit, peers: [ServiceName.operator]),
        "TailEvents": .peers([
            ServiceName.featureStore, ServiceName.modelServer, ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator,
        ]),
        "GetStatistics": either(scope: Scope.readDecisions, peers: everyPeer),
    ])

    private static let features = rules("vigil.features.v1.FeatureStoreService", [
        "Observe": .peers([ServiceName.ingestionGateway, ServiceName.operator]),
        "ObserveAtTerminals": .peers([ServiceName.ingestionGateway, ServiceName.featureStore]),
        "GetFeatures": either(
            scope: Scope.readFeatures,
            peers: [ServiceName.ingestionGateway, ServiceName.featureStore, ServiceName.modelServer, ServiceName.operator]),
        "GetFeatureHealth": either(scope: Scope.readFeatures, peers: everyPeer),
        "SetFeatureReference": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "DescribeFeatureSet": either(scope: Scope.readFeatures, peers: everyPeer),
        "GetHistoricalFeatures": either(scope: Scope.readFeatures, peers: [ServiceName.modelServer, ServiceName.operator]),
        "TailObservations": .peers([ServiceName.modelServer, ServiceName.operator]),
    ])

    private static let models = rules("vigil.models.v1.ModelService", [
        "Score": .peers([ServiceName.ingestionGateway, ServiceName.operator]),
        "GetDecisions": either(
            scope: Scope.readDecisions,
            peers: [ServiceName.ingestionGateway, ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "ReplayDecision": either(scope: Scope.readDecisions, peers: [ServiceName.operator]),
        "UploadModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "PromoteModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "ShadowModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "RollBackModel": either(scope: Scope.writeModels, peers: [ServiceName.operator]),
        "ListModels": either(scope: Scope.readModels, peers: everyPeer),
        "GetModelHealth": either(scope: Scope.readModels, peers: everyPeer),
        "PredictCashOut": either(
            scope: Scope.readModels, peers: [ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "ForecastCells": either(
            scope: Scope.readModels, peers: [ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "TailDecisions": .peers([ServiceName.heatmapTiles, ServiceName.notifier, ServiceName.operator]),
        "GetStatistics": either(scope: Scope.readModels, peers: everyPeer),
    ])

    private static let notifications = rules("vigil.notifications.v1.NotifierService", [
        "RaiseAlert": either(scope: Scope.writeAlerts, peers: everyPeer),
        "ListAlerts": either(scope: Scope.readAlerts, peers: [ServiceName.heatmapTiles, ServiceName.operator]),
        "AcknowledgeAlert": either(scope: Scope.writeAlerts, peers: [ServiceName.operator]),
    ])

    private static let tiles = rules("vigil.tiles.v1.TileService", [
        "ListHotspots": either(scope: Scope.readTiles, peers: [ServiceName.operator]),
        "GetTimeSeries": either(scope: Scope.readTiles, peers: [ServiceName.operator]),
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
        "/metrics": either(scope: Scope.readMetrics, peers: [ServiceName.operator]),
        "/debug/connections": either(scope: Scope.readMetrics, peers: [ServiceName.operator]),
    ]

    private static let everyPeer = Set(ServiceName.all)

    private static func either(scope: String, peers: Set<String>) -> AccessRule {
        .anyOf([.scope(scope), .peers(peers)])
    }

    private static func rules(_ service: String, _ methods: [String: AccessRule]) -> [String: AccessRule] {
        Dictionary(uniqueKeysWithValues: methods.map { ("/\(service)/\($0.key)", $0.value) })
    }
}
