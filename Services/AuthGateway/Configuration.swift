import Foundation
import ServiceRuntime

/// The auth gateway's own variables.
struct AuthGatewayConfiguration: Sendable {
    /// `iss` in the tokens, and the base of the addresses in the discovery document.
    var issuer: String
    var principals: PrincipalsFile?
    var vault: KeyVault?
    var lifetimes: TokenService.Lifetimes
    var keyLimits: KeyRing.Limits
    var hashCosts = SecretHash.Costs()

    init(from reader: ConfigurationReader) {
        let gateway = ServiceIdentity.authGateway
        let address = reader.url(gateway.addressVariable, default: gateway.defaultAddress, "address of \(gateway.name)")
        let issuer = reader.url("VIGIL_AUTH_ISSUER", default: address, "issuer in the tokens: the gateway's public address")
        self.issuer = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer

        let keyFile = reader.requiredFile(
            "VIGIL_AUTH_KEY_ENCRYPTION_FILE", "file with the key that encrypts signing keys: 32 bytes in hexadecimal or base64")
        if !keyFile.isEmpty {
            do {
                vault = try KeyVault(keyText: String(contentsOf: URL(fileURLWithPath: keyFile), encoding: .utf8))
            } catch {
                reader.fail("VIGIL_AUTH_KEY_ENCRYPTION_FILE", "\(keyFile): \(error)")
            }
        }
        if let path = reader.optionalFile("VIGIL_AUTH_PRINCIPALS_FILE", "file that says who can get a token") {
            do {
                principals = try PrincipalsFile(path: path)
            } catch {
                reader.fail("VIGIL_AUTH_PRINCIPALS_FILE", "\(error)")
            }
        }
        lifetimes = TokenService.Lifetimes()
        lifetimes.machineSeconds = Int64(
            reader.int("VIGIL_AUTH_CLIENT_TOKEN_SECONDS", default: 900, in: 10...86_400, "how long a machine's token lives"))
        lifetimes.userSeconds = Int64(
            reader.int("VIGIL_AUTH_USER_TOKEN_SECONDS", default: 28_800, in: 10...86_400, "how long a person's token lives"))
        keyLimits = KeyRing.Limits()
        keyLimits.rotationSeconds = 86_400 * Int64(
            reader.int("VIGIL_AUTH_KEY_ROTATION_DAYS", default: 90, in: 1...3_650, "after this a new signing key takes over"))
        keyLimits.maxTokenSeconds = max(lifetimes.machineSeconds, lifetimes.userSeconds)
    }
}
