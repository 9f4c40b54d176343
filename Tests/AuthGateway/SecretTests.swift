import Testing

@testable import AuthGateway

@Suite struct SecretTests {
    static let cheap = SecretHash.Cost(logRounds: 4, blockSize: 8, parallelism: 1)
    static let cheapCosts = SecretHash.Costs(password: cheap, machineSecret: cheap)

    @Test func hashMatchesOnlyItsSecret() throws {
        let hash = try SecretHash(of: "correct horse", cost: Self.cheap)
        #expect(try hash.matches("correct horse"))
        #expect(try !hash.matches("correct horsf"))
        #expect(try !hash.matches(""))
        #expect(try SecretHash(of: "correct horse", cost: Self.cheap).phc != hash.phc)
    }

    @Test func hashSurvivesItsTextForm() throws {
        let hash = try SecretHash(of: "pässword", cost: Self.cheap)
        #expect(hash.phc.hasPrefix("$scrypt$ln=4,r=8,p=1$"))
        let read = try #require(SecretHash(phc: hash.phc))
        #expect(read == hash)
        #expect(try read.matches("pässword"))
    }

    /// RFC 7914, section 12, third vector, cut to 32 bytes.
    @Test func hashIsScrypt() throws {
        let prefix = "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
        let hash = try #require(SecretHash(phc: prefix + "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI"))
        #expect(try hash.matches("pleaseletmein"))
        let reversed = try #require(SecretHash(phc: prefix + "8qFdVPZDtak+jk+Quvuo/es4/YHNBhxGSHP9Osu9I3A"))
        #expect(try !reversed.matches("pleaseletmein"))
    }

    @Test func brokenHashesAndAbsurdCostsAreRefused() {
        let texts = [
            "", "$scrypt$", "plain", "$argon2$ln=4,r=8,p=1$AAAA$AAAA", "$scrypt$ln=31,r=8,p=1$U29kaXVt$cCO9yzr9c0hGHAbNgf04",
            "$scrypt$ln=4,r=8$U29kaXVt$cCO9", "$scrypt$ln=4,r=8,p=1$U29kaXVt$cCO9", "$scrypt$ln=x,r=8,p=1$U29kaXVt$cCO9",
        ]
        for text in texts { #expect(SecretHash(phc: text) == nil) }
    }

    @Test func unknownNameNeverMatches() async throws {
        let hasher = SecretHasher(costs: Self.cheapCosts)
        let hash = try await hasher.hash("a secret of a client", isPassword: false)
        let (right, wrong, nobody, tooLong) = try await (
            hasher.matches("a secret of a client", hash, isPassword: false), hasher.matches("another", hash, isPassword: false),
            hasher.matches("", nil, isPassword: true), hasher.matches(String(repeating: "x", count: 100_000), hash, isPassword: false)
        )
        #expect(right)
        #expect(!wrong && !nobody && !tooLong)
    }

    @Test func vaultOpensOnlyWithItsKeyAndUnderItsName() throws {
        let vault = try KeyVault(keyText: String(repeating: "0a", count: 32) + "\n")
        let sealed = try vault.seal("the key", name: "k1")
        #expect(try vault.open(sealed, name: "k1") == "the key")
        #expect(throws: KeyVault.VaultError.self) { try vault.open(sealed, name: "k2") }
        #expect(throws: KeyVault.VaultError.self) { try KeyVault(keyText: String(repeating: "0b", count: 32)).open(sealed, name: "k1") }
        for index in sealed.indices {
            var tampered = sealed
            tampered[index] ^= 1
            #expect(throws: KeyVault.VaultError.self) { try vault.open(tampered, name: "k1") }
        }
        for text in ["", "short", String(repeating: "zz", count: 32)] {
            #expect(throws: KeyVault.VaultError.self) { try KeyVault(keyText: text) }
        }
    }
}
