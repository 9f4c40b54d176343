import ServiceRuntime

/// The environment in which each service starts.
struct ServiceEnvironment {
    let home: SuiteHome
    let secrets: Secrets
    let cluster: PostgresCluster
    let certificates: SuiteCertificates
    let ports: [String: Int]
    let mailPort: Int
    /// The folder with MapLibre's files, if the set-up could fetch them.
    let mapLibreFolder: String?
    /// The launcher's own environment.
    let inherited: [String: String]

    static let host = "127.0.0.1"

    func url(of service: ServiceIdentity) -> String { "https://\(Self.host):\(ports[service.name] ?? 0)" }

    func variables(for service: ServiceIdentity) -> [String: String] {
        var variables = inherited
        // What the operator may choose.
        for (name, value) in defaults(for: service) where variables[name] == nil { variables[name] = value }
        // What the suite must agree on.
        variables["VIGIL_LISTEN_HOST"] = Self.host
        variables["VIGIL_LISTEN_PORT"] = String(ports[service.name] ?? 0)
        for other in Suite.services { variables[other.addressVariable] = url(of: other) }
        variables["VIGIL_DATABASE_URL"] = cluster.url(role: service.defaultSchema)
        variables["VIGIL_DATABASE_SCHEMA"] = service.defaultSchema
        variables["VIGIL_DATABASE_PASSWORD_FILE"] = secrets.file(Secrets.database(service))
        let identity = certificates.identity(service.name)
        variables["VIGIL_TLS_CERTIFICATE_FILE"] = identity.certificate
        variables["VIGIL_TLS_KEY_FILE"] = identity.key
        variables["VIGIL_TLS_TRUST_FILE"] = certificates.trust
        variables["VIGIL_EXIT_WITH_STDIN"] = "1"
        return variables
    }

    private func defaults(for service: ServiceIdentity) -> [String: String] {
        var defaults = ["VIGIL_LOG_LEVEL": "info"]
        switch service.name {
        case "ingestion-gateway":
            defaults["VIGIL_INGESTION_TOKEN_KEY_FILE"] = secrets.file(Secrets.ingestionToken)
        case "auth-gateway":
            defaults["VIGIL_AUTH_PRINCIPALS_FILE"] = secrets.file(Principals.fileName)
            defaults["VIGIL_AUTH_KEY_ENCRYPTION_FILE"] = secrets.file(Secrets.authKeyEncryption)
        case "model-server":
            defaults["VIGIL_MODELS_TRUSTED_KEYS_FILE"] = secrets.file(Secrets.modelTrust)
        case "heatmap-tiles":
            defaults["VIGIL_TILES_MAPLIBRE_DIR"] = mapLibreFolder
        case "notifier":
            defaults["VIGIL_NOTIFIER_SMTP_URL"] = "smtp://\(Self.host):\(mailPort)"
            defaults["VIGIL_NOTIFIER_RECIPIENTS"] = "duty-officer@vigil.example"
            defaults["VIGIL_NOTIFIER_SENDER"] = "vigil@vigil.example"
        default:
            break
        }
        return defaults
    }
}
