/// One of the six services: what it is called in the places that name it.
struct SuiteService: Sendable, Hashable {
    /// The executable, which is also the common name of its certificate, its log and its key in `suite.json`.
    let name: String
    /// The port is the suite's base port plus this.
    let portOffset: Int
    /// The environment variable that tells the others its address.
    let urlVariable: String
    /// Its PostgreSQL schema and role.
    let schema: String
    /// The protobuf service whose health speaks for it.
    let protobufService: String

    /// The environment variable from which `databases.sql` takes the role's password.
    var passwordVariable: String { "VIGIL_\(schema.uppercased())_PASSWORD" }
}

/// What `vigil run` starts.
enum Suite {
    /// The ingestion gateway's port unless told otherwise; the others follow it.
    static let defaultPortBase = 8441

    static let services = [
        SuiteService(
            name: "ingestion-gateway", portOffset: 0, urlVariable: "VIGIL_INGESTION_URL", schema: "ingestion",
            protobufService: "vigil.ingestion.v1.IngestionService"),
        SuiteService(
            name: "feature-store", portOffset: 1, urlVariable: "VIGIL_FEATURES_URL", schema: "features",
            protobufService: "vigil.features.v1.FeatureStoreService"),
        SuiteService(
            name: "model-server", portOffset: 2, urlVariable: "VIGIL_MODELS_URL", schema: "models",
            protobufService: "vigil.models.v1.ModelService"),
        SuiteService(
            name: "auth-gateway", portOffset: 3, urlVariable: "VIGIL_AUTH_URL", schema: "auth",
            protobufService: "vigil.auth.v1.AuthService"),
        SuiteService(
            name: "heatmap-tiles", portOffset: 4, urlVariable: "VIGIL_TILES_URL", schema: "tiles",
            protobufService: "vigil.tiles.v1.TileService"),
        SuiteService(
            name: "notifier", portOffset: 5, urlVariable: "VIGIL_NOTIFIER_URL", schema: "notifications",
            protobufService: "vigil.notifications.v1.NotifierService"),
    ]

    /// The database that holds the six schemas.
    static let database = "vigil"
}
