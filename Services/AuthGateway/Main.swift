import Identity
import ServiceRuntime

@main
enum Main {
    static func main() async {
        await Service.run(.authGateway, configuration: AuthGatewayConfiguration.init(from:)) { configuration, runtime in
            try await AuthGateway.run(configuration, runtime)
        }
    }
}

enum AuthGateway {
    static func run(_ configuration: AuthGatewayConfiguration, _ runtime: ServiceRuntime) async throws {
        guard let vault = configuration.vault else { throw ServiceError("there is no key to encrypt signing keys with") }
        try await runtime.withDatabase(migrations: AuthStore.migrations) { pool in
            let store = AuthStore(pool: pool)
            let hasher = SecretHasher(costs: configuration.hashCosts)
            if let principals = configuration.principals {
                try await Provisioning(store: store, hasher: hasher).apply(principals)
            }
            let keys = KeyRing(store: store, vault: vault, limits: configuration.keyLimits, logger: runtime.logger)
            try await keys.reload()
            let tokens = TokenService(
                store: store, hasher: hasher, keys: keys, issuer: configuration.issuer, lifetimes: configuration.lifetimes,
                logger: runtime.logger)
            let oauth = OAuthRoutes(tokens: tokens, keys: keys, issuer: configuration.issuer)
            try await runtime.withChannels(to: Array(Forwarder.targets.values)) { channels in
                let forwarder = Forwarder(channels: channels, store: store, logger: runtime.logger)
                try await runtime.serve(
                    services: [AuthGatewayHandlers(tokens: tokens, keys: keys, store: store)], routes: oauth.routes,
                    rules: OAuthRoutes.rules.merging(Forwarder.rules) { first, _ in first }, tokenKeys: keys,
                    rawFallback: { try await forwarder.forward($0) },
                    background: [ServiceRuntime.BackgroundTask("signing keys") { try await keys.run() }])
            }
        }
    }
}
