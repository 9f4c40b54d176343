import Foundation
import Identity
import Logging
import Testing

/// A clock that stands where the test puts it.
final class ManualClock: Sendable {
    private let now: Protected<Int64>

    init(_ seconds: Int64) { now = Protected(seconds) }

    var read: @Sendable () -> Int64 { { [now] in now.value } }
    func advance(bySeconds seconds: Int64) { now.change { $0 += seconds } }
}

@Suite struct TokenTests {
    let key = SigningKey(id: "key-1")
    let clock = ManualClock(1_800_000_000)

    func claims(_ change: (inout TokenClaims) -> Void = { _ in }) -> TokenClaims {
        var claims = TokenClaims(
            issuer: "https://127.0.0.1:8444", subject: "first-bank", kind: .bank, issuedAtSeconds: 1_800_000_000,
            expiresAtSeconds: 1_800_000_900, tokenID: "t-1", scopes: ["transactions:write", "decisions:read"], roles: ["bank"],
            bankID: "FIRST", jurisdictions: ["north", "south"])
        change(&claims)
        return claims
    }

    func verifier(issuer: String? = nil, keys: [PublicTokenKey]? = nil) throws -> TokenVerifier {
        try TokenVerifier(keys: KeySet(keys ?? [key.publicKey]), issuer: issuer, secondsSince1970: clock.read)
    }

    @Test func signedTokenGivesBackItsPrincipal() async throws {
        let token = try await key.sign(claims())
        let principal = try await verifier(issuer: "https://127.0.0.1:8444").verify(token)
        #expect(principal == claims().principal)
        #expect(principal.scopes == ["transactions:write", "decisions:read"])
        #expect(principal.jurisdictions == ["north", "south"])
        #expect(principal.bankID == "FIRST")
        #expect(principal.tokenID == "t-1")
    }

    @Test func tokenCountsUntilTheSecondItExpires() async throws {
        let verifier = try verifier()
        let token = try await key.sign(claims())
        clock.advance(bySeconds: 899)
        _ = try await verifier.verify(token)
        #expect(verifier.remembered(token) != nil)
        clock.advance(bySeconds: 1)
        #expect(verifier.remembered(token) == nil)
        await #expect(throws: TokenRejection.expired) { try await verifier.verify(token) }
    }

    @Test func everyChangedByteOfAPayloadIsRefused() async throws {
        let verifier = try verifier()
        let token = try await key.sign(claims())
        let parts = token.value.split(separator: ".").map(String.init)
        for index in stride(from: 0, to: parts[1].count, by: 7) {
            var payload = Array(parts[1])
            payload[index] = payload[index] == "A" ? "B" : "A"
            let forged = BearerToken("\(parts[0]).\(String(payload)).\(parts[2])")
            await #expect(throws: TokenRejection.self) { try await verifier.verify(forged) }
        }
    }

    @Test func algorithmNoneIsRefused() async throws {
        let verifier = try verifier()
        let token = try await key.sign(claims())
        let payload = token.value.split(separator: ".")[1]
        for header in [#"{"alg":"none","kid":"key-1"}"#, #"{"alg":"HS256","kid":"key-1"}"#, #"{"kid":"key-1"}"#] {
            let encoded = Data(header.utf8).base64EncodedString().replacing("=", with: "")
            for signature in ["", "AAAA"] {
                let forged = BearerToken("\(encoded).\(payload).\(signature)")
                await #expect(throws: TokenRejection.algorithmRefused) { try await verifier.verify(forged) }
            }
        }
    }

    @Test func keyOfAnotherIssuerIsRefusedEvenUnderAKnownID() async throws {
        let verifier = try verifier()
        let stranger = SigningKey(id: "key-1")
        let token = try await stranger.sign(claims())
        await #expect(throws: TokenRejection.badSignature) { try await verifier.verify(token) }
        let unknown = try await SigningKey(id: "key-2").sign(claims())
        await #expect(throws: TokenRejection.unknownKey) { try await verifier.verify(unknown) }
    }

    @Test func claimsThatDoNotFitAreNamed() async throws {
        let verifier = try verifier(issuer: "https://127.0.0.1:8444")
        let cases: [(TokenRejection, TokenClaims)] = [
            (.wrongAudience, claims { $0.audiences = ["another"] }),
            (.wrongIssuer, claims { $0.issuer = "https://evil" }),
            (.notYetValid, claims { $0.issuedAtSeconds += 3600 }),
            (.expired, claims { $0.expiresAtSeconds -= 3600 }),
        ]
        for (rejection, claims) in cases {
            let token = try await key.sign(claims)
            await #expect(throws: rejection) { try await verifier.verify(token) }
        }
    }

    @Test func garbageIsMalformed() async throws {
        let verifier = try verifier()
        let texts = ["", ".", "..", "a.b.c", "a.b", String(repeating: "a", count: 10_000), "....", "e30.e30.e30=\u{0}"]
        for text in texts {
            await #expect(throws: TokenRejection.self) { try await verifier.verify(BearerToken(text)) }
        }
    }

    @Test func tokenIsForgottenWithItsKey() async throws {
        let keys = ChangingKeys([try key.publicKey])
        let verifier = TokenVerifier(keys: keys, secondsSince1970: clock.read)
        let token = try await key.sign(claims())
        _ = try await verifier.verify(token)
        keys.current.change { $0 = [] }
        #expect(verifier.remembered(token) == nil)
        await #expect(throws: TokenRejection.unknownKey) { try await verifier.verify(token) }
    }

    @Test func tokenIsVoidOnceItsBearersRightsHaveChangedAndNobodyElsesIs() async throws {
        let keys = ChangingKeys([try key.publicKey])
        let verifier = TokenVerifier(keys: keys, secondsSince1970: clock.read)
        let old = try await key.sign(claims { $0.subject = "asha" })
        let another = try await key.sign(claims())
        let new = try await key.sign(claims { ($0.subject, $0.rightsSince) = ("asha", 1_800_000_000_000_001) })
        for token in [old, another, new] { _ = try await verifier.verify(token) }
        keys.rightsChanges.change { $0 = ["asha": 1_800_000_000_000_001] }
        #expect(verifier.remembered(old) == nil)
        await #expect(throws: TokenRejection.rightsChanged) { try await verifier.verify(old) }
        #expect(verifier.remembered(another) != nil && verifier.remembered(new) != nil)
    }

    @Test func tokenNeverShowsInText() async throws {
        let token = try await key.sign(claims())
        var dumped = ""
        dump(token, to: &dumped)
        for text in ["\(token)", String(reflecting: token), dumped] {
            #expect(!text.contains(token.value))
        }
    }

    @Test func keyPassesThroughPEMAndKeySetJSON() async throws {
        let restored = try SigningKey(id: "key-1", pem: key.pem)
        let published = try KeySet(json: KeySet([restored.publicKey]).json())
        let verifier = TokenVerifier(keys: published, secondsSince1970: clock.read)
        _ = try await verifier.verify(try await key.sign(claims()))
        #expect(throws: KeyError.self) { try SigningKey(id: "x", pem: "-----BEGIN NOTHING-----") }
    }

    @Test func keySetSkipsForeignKeysAndRefusesBadOnes() throws {
        let foreign = #"{"keys":[{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-384","kid":"p","x":"AA","y":"AA"}]}"#
        #expect(try KeySet(json: Array(foreign.utf8)).keys.isEmpty)
        let offCurve = #"{"keys":[{"kty":"EC","crv":"P-256","kid":"p","x":"AAAA","y":"AAAA"}]}"#
        #expect(throws: KeyError.self) { try KeySet(json: Array(offCurve.utf8)) }
        #expect(throws: KeyError.self) { try KeySet(json: Array("[]".utf8)) }
    }
}

/// Keys that a test takes away.
final class ChangingKeys: TokenKeySource {
    let current: Protected<[PublicTokenKey]>
    let rightsChanges = Protected<[String: Int64]>([:])

    init(_ keys: [PublicTokenKey]) { current = Protected(keys) }

    func knownKey(_ id: String) -> PublicTokenKey? { current.value.first { $0.id == id } }
    func key(_ id: String) async throws -> PublicTokenKey? { knownKey(id) }
    func rightsChange(of subject: String) -> Int64? { rightsChanges.value[subject] }
}
