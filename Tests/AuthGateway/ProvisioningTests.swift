import Foundation
import TestSupport
import Testing

@testable import AuthGateway

@Suite struct ProvisioningTests {
    private func read(_ json: String, files: [String: String] = [:]) throws -> PrincipalsFile {
        let folder = FileManager.default.temporaryDirectory.appending(path: "principals-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
        let file = folder.appending(path: "principals.json")
        try Data(json.utf8).write(to: file)
        return try PrincipalsFile(path: file.path)
    }

    @Test func secretsComeFromTheFileOrFromBesideIt() throws {
        let file = try read(
            """
            {"principals": [
                {"subject": "first-bank", "kind": "bank", "secretFile": "first.secret", "roles": ["bank"], "bankID": "FIRST"},
                {"subject": "analyst", "kind": "user", "secret": "analysts-password", "scopes": ["tiles:read"], "jurisdictions": ["north"]}
            ]}
            """, files: ["first.secret": "the-secret-of-first-bank\n"])
        #expect(file.entries.map(\.secret) == ["the-secret-of-first-bank", "analysts-password"])
        #expect(file.entries[0].bankID == "FIRST")
        #expect(file.entries[1].jurisdictions == ["north"])
    }

    @Test func whatIsWrongIsNamedWithoutTheSecret() {
        let cases: [(String, String)] = [
            (#"{"subject":"a","kind":"bank","secret":"long-enough-secret"}"#, "principal a: a bank needs a bankID"),
            (#"{"subject":"a","kind":"user","secret":"short"}"#, "principal a: a secret has at least 12 characters"),
            (#"{"subject":"a","kind":"user","secret":"long-enough-secret","roles":["king"]}"#, "principal a: there is no role king"),
            (#"{"subject":"a","kind":"user","secret":"long-enough-secret","scopes":["all"]}"#, "principal a: there is no scope all"),
            (#"{"subject":"a","kind":"user"}"#, "principal a: give either secret or secretFile"),
            (#"{"subject":"a","kind":"user","secretFile":"gone"}"#, "principal a: secret file gone cannot be read"),
            (#"{"subject":"a b","kind":"user","secret":"long-enough-secret"}"#,
             "principal a b: a subject is 1 to 200 characters without spaces and colons"),
        ]
        for (entry, expected) in cases {
            let error = #expect(throws: PrincipalsFile.FileError.self) { try read("{\"principals\":[\(entry)]}") }
            #expect(error?.description == expected)
        }
        let twice = #"{"subject":"a","kind":"user","secret":"long-enough-secret"}"#
        let error = #expect(throws: PrincipalsFile.FileError.self) { try read("{\"principals\":[\(twice),\(twice)]}") }
        #expect(error?.description == "principal a is named twice")
    }

    @Test func misspeltKeyIsRefusedByNameInsteadOfOpeningAll() {
        let user = #""subject":"a","kind":"user","secret":"long-enough-secret""#
        for (json, expected) in [
            ("{\"principals\":[{\(user),\"jurisdiction\":[\"north\"]}]}", "principal a: there is no key jurisdiction; did you mean jurisdictions?"),
            ("{\"principals\":[{\(user),\"bank_id\":\"B\"}]}", "principal a: there is no key bank_id; did you mean bankID?"),
            ("{\"principals\":[{\(user),\"note\":\"n\"}]}", "there are subject, kind, secret, secretFile, bankID, roles, scopes, jurisdictions"),
            ("{\"principals\":[],\"agencies\":[]}", "there is no key agencies, only principals"),
        ] {
            let error = #expect(throws: PrincipalsFile.FileError.self) { try read(json) }
            #expect(error?.description.hasSuffix(expected) == true, "\(error?.description ?? "")")
        }
    }

    @Test func brokenFileSaysWhere() {
        for (json, expected) in [
            ("[]", "has another type than expected"), ("{", "is not JSON"),
            (#"{"principals":[{"kind":"user"}]}"#, "principals[0] lacks subject"),
            (#"{"principals":[{"subject":"a","kind":"god"}]}"#, "principals[0].kind has a value that is not allowed"),
        ] {
            let error = #expect(throws: PrincipalsFile.FileError.self) { try read(json) }
            #expect(error?.description.hasSuffix(expected) == true)
        }
    }

    @Test func applyingTwiceChangesNothingAndLeavingOutDisables() async throws {
        let both = try read(
            """
            {"principals": [
                {"subject": "a", "kind": "agency", "secret": "the-secret-of-a", "roles": ["agency"]},
                {"subject": "b", "kind": "agency", "secret": "the-secret-of-b"}
            ]}
            """)
        let onlyB = try read(#"{"principals": [{"subject": "b", "kind": "agency", "secret": "another-secret-of-b"}]}"#)
        try await TemporaryPostgres.withPool(schema: "auth") { pool in
            let store = try await AuthStore.migrated(pool)
            let provisioning = Provisioning(store: store, hasher: SecretHasher(costs: SecretTests.cheapCosts))
            try await provisioning.apply(both)
            let first = try await store.principals()
            try await provisioning.apply(both)
            let second = try await store.principals()
            #expect(first == second)
            #expect(first.map(\.subject) == ["a", "b"])
            try await provisioning.apply(onlyB)
            let (a, b) = try await (store.principal("a"), store.principal("b"))
            #expect(a == nil)
            #expect(b != nil && b?.secretHash != first[1].secretHash)
        }
    }

    @Test func rightsBeginAnewWithEachChangeOfThemAndWithNothingElse() async throws {
        func file(_ entry: String) throws -> PrincipalsFile {
            try read(#"{"principals": [{"subject": "a", "kind": "user", \#(entry)}, {"subject": "b", "kind": "agency", "secret": "the-secret-of-b"}]}"#)
        }
        let secret = #""secret": "the-secret-of-a""#
        try await TemporaryPostgres.withPool(schema: "auth") { pool in
            let store = try await AuthStore.migrated(pool)
            func apply(_ entry: String, _ costs: SecretHash.Costs = SecretTests.cheapCosts) async throws -> [Int64] {
                try await Provisioning(store: store, hasher: SecretHasher(costs: costs)).apply(try file(entry))
                return try await store.principals().map(\.rightsSince)
            }
            #expect(try await apply("\(secret), \"jurisdictions\": [\"x\", \"y\"]") == [0, 0])
            #expect(try await apply("\(secret), \"jurisdictions\": [\"y\", \"x\"]") == [0, 0])
            var dearer = SecretTests.cheapCosts
            dearer.password.logRounds += 1
            #expect(try await apply("\(secret), \"jurisdictions\": [\"y\", \"x\"]", dearer) == [0, 0])
            var before: Int64 = 0
            for entry in [
                "\(secret), \"jurisdictions\": [\"y\"]", "\(secret), \"jurisdictions\": [\"y\"], \"roles\": [\"analyst\"]",
                "\(secret), \"scopes\": [\"audit:read\"]", secret, #""secret": "another-secret-of-a""#, "\(secret), \"bankID\": \"FIRST\"",
            ] {
                let times = try await apply(entry)
                #expect(times[0] > before && times[1] == 0, "\(entry)")
                before = times[0]
            }
            try await Provisioning(store: store, hasher: SecretHasher(costs: SecretTests.cheapCosts)).apply(
                try read(#"{"principals": [{"subject": "b", "kind": "agency", "secret": "the-secret-of-b"}]}"#))
            let changes = try await store.rightsChanges(withinSeconds: 60)
            #expect(Array(changes.keys) == ["a"])
            #expect(changes["a"].map { $0 > before } == true)
        }
    }
}
