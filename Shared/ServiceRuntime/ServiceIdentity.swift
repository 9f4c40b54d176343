internal import Identity

/// One of the six services: its name, and the defaults that follow from it.
public struct ServiceIdentity: Sendable, Hashable {
    /// The executable's name, which is also its certificate's common name.
    public let name: String
    public let defaultPort: Int
    /// The PostgreSQL schema and role that belong to the service.
    public let defaultSchema: String
    /// The variable from which other services learn its address.
    public let addressVariable: String

    public static let ingestionGateway = ServiceIdentity(
        name: ServiceName.ingestionGateway, defaultPort: 8441, defaultSchema: "ingestion", addressVariable: "VIGIL_INGESTION_URL")
    public static let featureStore = ServiceIdentity(
        name: ServiceName.featureStore, defaultPort: 8442, defaultSchema: "features", addressVariable: "VIGIL_FEATURES_URL")
    public static let modelServer = ServiceIdentity(
        name: ServiceName.modelServer, defaultPort: 8443, defaultSchema: "models", addressVariable: "VIGIL_MODELS_URL")
    public static let authGateway = ServiceIdentity(
        name: ServiceName.authGateway, defaultPort: 8444, defaultSchema: "auth", addressVariable: "VIGIL_AUTH_URL")
    public static let heatmapTiles = ServiceIdentity(
        name: ServiceName.heatmapTiles, defaultPort: 8445, defaultSchema: "tiles", addressVariable: "VIGIL_TILES_URL")
    public static let notifier = ServiceIdentity(
        name: ServiceName.notifier, defaultPort: 8446, defaultSchema: "notifications", addressVariable: "VIGIL_NOTIFIER_URL")

    public static let all = [ingestionGateway, featureStore, modelServer, authGateway, heatmapTiles, notifier]

    /// What the names of its own variables begin with.
    var variablePrefix: String { String(addressVariable.dropLast("URL".count)) }

    /// Where the service listens on a development machine.
    public var defaultAddress: String { "https://127.0.0.1:\(defaultPort)" }
}
