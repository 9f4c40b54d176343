import ServiceRuntime

/// What `vigil run` starts.
enum Suite {
    static let services = ServiceIdentity.all

    /// The first service's port unless told otherwise; the others follow it.
    static let defaultPortBase = ServiceIdentity.ingestionGateway.defaultPort

    /// The database that holds the six schemas.
    static let database = "vigil"
}

extension ServiceIdentity {
    /// Its port is the suite's base port plus this.
    var portOffset: Int { defaultPort - Suite.defaultPortBase }

    /// The environment variable from which `databases.sql` takes the role's password.
    var passwordVariable: String { "VIGIL_\(defaultSchema.uppercased())_PASSWORD" }
}
