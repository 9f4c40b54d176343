import ServiceRuntime

/// The environment in which each service starts.
struct ServiceEnvironment {
    let home: SuiteHome
    let secrets: Secrets
    let cluster: PostgresCluster
    let certificates: SuiteCertificates
    /// By service, and by name of the feature stores beyond the first.
    let ports: [String: Int]
    /// Nil where one feature store keeps everything.
    let replicas: FeatureStoreReplicas?
    let mailPort: Int
    /// The folder with MapLibre's files, if the set-up could fetch them.
    let mapLibreFolder: String?
    /// The launcher's own environment.
    let inherited: [String: String]

    static let host = "127.0.0.1"

    func url(of service: ServiceIdentity) -> String { url(of: service.name) }

    /// - Parameter child: a service's name, or that of a feature store beyond the first.
    func url(of child: String) -> String { "https://\(Self.host):\(ports[child] ?? 0)" }

    /// - Parameter child: the name of a feature store beyond the first; the service's own otherwise.
    func variables(for service: ServiceIdentity, child: String? = nil) -> [String: String] {
        var variables = inherited
        // What the operator may choose.
        for (name, value) in defaults(for: service) where variables[name] == nil { variables[name] = value }
        // What the suite must agree on.
        variables["VIGIL_LISTEN_HOST"] = Self.host
        variables["VIGIL_LISTEN_PORT"] = String(ports[child ?? service.name] ?? 0)
        for other in Suite.services { variables[other.addressVariable] = url(of: other) }
        if let replicas {
            // Who does not ask by the ring may ask any of them.
            let hosts = replicas.names.map { "\(Self.host):\(ports[$0] ?? 0)" }
            variables[ServiceIdentity.featureStore.addressVariable] = "https://" + hosts.joined(separator: ",")
            variables.merge(replicas.variables { url(of: $0) }) { $1 }
            variables["VIGIL_FEATURES_REPLICA"] = child ?? service.name
        }
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
