import Identity
import RPC
import ServiceContextModule
import Testing

@Suite struct AuthenticationInterceptorTests {
    let key = SigningKey(id: "key-1")
    let clock = ManualClock(1_800_000_000)

    private let looks = Protected<[AuthenticationInterceptor.Look]>([])

    private func interceptor() throws -> AuthenticationInterceptor {
        let policy = AccessPolicy([
            "/a.A/Open": .open, "/a.A/Scoped": .scope("tiles:read"), "/a.A/Peers": .peers(["notifier"]),
            "/tiles/{z}": .scope("tiles:read"), "/page": .open,
        ])
        return AuthenticationInterceptor(
            policy: policy, verifier: TokenVerifier(keys: KeySet([try key.publicKey]), secondsSince1970: clock.read)
        ) { [looks] look in looks.change { $0.append(look) } }
    }

    private func token(scopes: Set<String>, expired: Bool = false, kind: Principal.Kind = .user) async throws -> String {
        let now = clock.read()
        return try await key.sign(
            TokenClaims(
                issuer: "i", subject: "ann", kind: kind, issuedAtSeconds: now - 1_000, expiresAtSeconds: expired ? now - 1 : now + 900,
                tokenID: "t", scopes: scopes)
        ).value
    }

    private let notifier = Peer(address: "127.0.0.1:1", certificate: PeerCertificate(der: [], commonName: "notifier"))

    /// Who the call is let through as, or why not.
    private func admit(
        _ path: String, route: String? = nil, isRPC: Bool = true, metadata: Metadata = [:], peer: Peer = Peer(address: "127.0.0.1:1")
    ) async throws -> Result<String?, RPCError> {
        var call = IncomingCall(path: path, route: route, isRPC: isRPC, metadata: metadata, peer: peer)
        do {
            let end = try await interceptor().begin(&call)
            end?(CallOutcome(status: .notFound, httpStatus: 404, duration: .zero))
            return .success(call.serviceContext.principal?.subject)
        } catch let error as RPCError {
            return .failure(error)
        }
    }

    @Test func bearerWithTheScopePasses() async throws {
        let token = try await token(scopes: ["tiles:read"])
        let admitted = try await admit("/a.A/Scoped", metadata: ["authorization": "Bearer \(token)"])
        #expect(admitted == .success("ann"))
        let lowercase = try await admit("/a.A/Scoped", metadata: ["authorization": "bearer \(token)"])
        #expect(lowercase == .success("ann"))
    }

    @Test func refusalSaysWhatIsLacking() async throws {
        let token = try await token(scopes: ["alerts:read"])
        let denied = try await admit("/a.A/Scoped", metadata: ["authorization": "Bearer \(token)"])
        #expect(denied == .failure(RPCError(.permissionDenied, "this needs scope tiles:read")))
        let nobody = try await admit("/a.A/Scoped")
        guard case .failure(let error) = nobody else { throw RPCError(.unknown, "was admitted") }
        #expect(error.code == .unauthenticated)
        #expect(error.metadata["www-authenticate"] == "Bearer")
        let unruled = try await admit("/a.A/Unruled", metadata: ["authorization": "Bearer \(token)"])
        #expect(unruled == .failure(RPCError(.permissionDenied, "no access rule covers this path")))
    }

    @Test func tokenDecidesAloneEvenBesideACertificate() async throws {
        let token = try await token(scopes: ["tiles:read"])
        let denied = try await admit("/a.A/Peers", metadata: ["authorization": "Bearer \(token)"], peer: notifier)
        guard case .failure(let error) = denied else { throw RPCError(.unknown, "was admitted") }
        #expect(error.code == .permissionDenied)
        let broken = try await admit("/a.A/Peers", metadata: ["authorization": "Bearer x"], peer: notifier)
        guard case .failure(let error) = broken else { throw RPCError(.unknown, "was admitted") }
        #expect(error.code == .unauthenticated)
        let alone = try await admit("/a.A/Peers", peer: notifier)
        #expect(alone == .success("notifier"))
    }

    @Test func cookieCountsOnRoutesOnly() async throws {
        let cookie: Metadata = ["cookie": "theme=dark; vigil_session=\(try await token(scopes: ["tiles:read"]))"]
        let route = try await admit("/tiles/7", route: "/tiles/{z}", isRPC: false, metadata: cookie)
        #expect(route == .success("ann"))
        let call = try await admit("/a.A/Scoped", metadata: cookie)
        guard case .failure(let error) = call else { throw RPCError(.unknown, "was admitted") }
        #expect(error.code == .unauthenticated)
    }

    @Test func openPathKnowsAValidCallerAndIgnoresAnInvalidOne() async throws {
        let valid = try await token(scopes: [])
        let expired = try await token(scopes: [], expired: true)
        let known = try await admit("/page", isRPC: false, metadata: ["cookie": "vigil_session=\(valid)"])
        #expect(known == .success("ann"))
        for value in [expired, "nonsense", ""] {
            let unknown = try await admit("/page", isRPC: false, metadata: ["cookie": "vigil_session=\(value)"])
            #expect(unknown == .success(nil))
        }
        let other = try await admit("/a.A/Open", metadata: ["authorization": "Basic YTpi"])
        #expect(other == .success(nil))
    }

    @Test func looksOfPeopleAndAgenciesAreToldRefusedOnesTooAndBanksAndServicesAreNot() async throws {
        func headers(_ scopes: Set<String>, _ kind: Principal.Kind = .user) async throws -> Metadata {
            ["authorization": "Bearer \(try await token(scopes: scopes, kind: kind))"]
        }
        _ = try await admit("/a.A/Scoped", metadata: headers(["tiles:read"]))
        _ = try await admit("/tiles/7", route: "/tiles/{z}", isRPC: false, metadata: headers(["tiles:read"], .agency))
        _ = try await admit("/tiles/7", route: "/tiles/{z}", isRPC: false, metadata: headers([]))
        _ = try await admit("/a.A/Scoped")
        #expect(looks.value.map(\.path) == ["/a.A/Scoped", "/tiles/7", "/tiles/7", "/a.A/Scoped"])
        #expect(looks.value.map(\.status) == [StatusCode.notFound.name, "404", "403", StatusCode.unauthenticated.name])
        #expect(looks.value.map { $0.principal?.subject } == ["ann", "ann", "ann", nil])
        looks.change { $0 = [] }
        _ = try await admit("/a.A/Scoped", metadata: headers(["tiles:read"], .bank))
        _ = try await admit("/a.A/Scoped", metadata: headers([], .bank))
        _ = try await admit("/a.A/Peers", peer: notifier)
        _ = try await admit("/page", isRPC: false, metadata: headers([]))
        #expect(looks.value.isEmpty)
    }

    @Test func twoTokensAreOneTooMany() async throws {
        var metadata: Metadata = ["authorization": "Bearer \(try await token(scopes: ["tiles:read"]))"]
        metadata.add("Bearer x", for: "authorization")
        let twice = try await admit("/a.A/Scoped", metadata: metadata)
        guard case .failure(let error) = twice else { throw RPCError(.unknown, "was admitted") }
        #expect(error.code == .unauthenticated)
    }
}
