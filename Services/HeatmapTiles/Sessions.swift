import Contracts
import Foundation
import Identity
import RPC

/// A person's session at the dashboard: a token of the auth gateway, kept in a cookie that no script can read.
struct Sessions: Sendable {
    let auth: AuthV1.AuthService.Client

    private struct Credentials: Decodable {
        var username: String
        var password: String
    }

    private struct Account: Encodable {
        var subject: String
        var jurisdictions: [String]
        var scopes: [String]
    }

    static let timeout: Duration = .seconds(20)

    /// Exchanges a user's name and password for a session.
    func login(_ request: HTTPRequest) async throws -> HTTPResponse {
        // A form of another site cannot send JSON, so nobody is signed in by a foreign page.
        guard request.headers["content-type"]?.split(separator: ";").first == "application/json" else {
            return try Routes.refusal(415, "invalid_argument", "send JSON")
        }
        guard let credentials = try? JSONDecoder().decode(Credentials.self, from: Data(request.body)) else {
            return try Routes.refusal(400, "invalid_argument", "send {\"username\": …, \"password\": …}")
        }
        let token: AuthV1.IssueTokenResponse
        do {
            token = try await auth.issueToken(
                .init(grant: .password(.init(username: credentials.username, password: credentials.password))),
                options: CallOptions(timeout: Self.timeout))
        } catch let error as RPCError where [.unauthenticated, .invalidArgument].contains(error.code) {
            return try Routes.refusal(401, "unauthenticated", "user name or password is wrong")
        } catch let error as RPCError where error.code == .permissionDenied {
            return try Routes.refusal(403, "permission_denied", "this user may not see the map")
        } catch let error as RPCError where error.code == .resourceExhausted {
            // Said here in a field that a browser reads.
            throw RPCError.resourceExhausted(error.message, retryAfter: error.retryDelay ?? .seconds(1))
        }
        // All that this person may do: the page acknowledges alerts and shows models for those who may.
        guard token.scope.split(separator: " ").contains(where: { $0 == Scope.readTiles }) else {
            return try Routes.refusal(403, "permission_denied", "this user may not see the map")
        }
        var response = HTTPResponse(status: 204, headers: ["cache-control": "no-store"])
        response.headers["set-cookie"] = Self.cookie(token.accessToken, maxAgeSeconds: token.expiresIn)
        return response
    }

    func logout(_ request: HTTPRequest) -> HTTPResponse {
        HTTPResponse(status: 204, headers: ["cache-control": "no-store", "set-cookie": Self.cookie("", maxAgeSeconds: 0)])
    }

    /// Who is signed in; refused before it comes here when nobody is.
    func current(_ request: HTTPRequest) throws -> HTTPResponse {
        guard let principal = request.serviceContext.principal else { throw RPCError(.unauthenticated, "nobody is signed in") }
        let account = Account(
            subject: principal.subject, jurisdictions: principal.jurisdictions.sorted(), scopes: principal.scopes.sorted())
        var response = HTTPResponse.json(try Payload.encode(account))
        response.headers["cache-control"] = "no-store"
        return response
    }

    private static func cookie(_ value: String, maxAgeSeconds: Int64) -> String {
        "\(AuthenticationInterceptor.sessionCookie)=\(value); Path=/; Max-Age=\(maxAgeSeconds); HttpOnly; Secure; SameSite=Strict"
    }
}
