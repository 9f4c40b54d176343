import Features
import Foundation
import Models
import Records
import Testing
import Training

@Suite struct ModelBundleTests {
    let bundle: ModelBundle

    init() throws {
        let world = SmallWorld(count: 2_000)
        let training = FraudTraining(options: SmallWorld.options)
        bundle = try training.train(on: world.history, asOf: world.end, source: "test", createdAt: world.end)
    }

    @Test func `a bundle comes back from its directory with the same scores`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        try bundle.write(to: directory.path)
        try bundle.write(to: directory.path)  // over itself
        let read = try ModelBundle(directory: directory.path)
        #expect(read.manifest == bundle.manifest)
        #expect(read.files == bundle.files)
        let values = (0..<bundle.model.featureNames.count).map { Double($0) / 7 }
        #expect(read.model.score(values) == bundle.model.score(values))
        try read.requireFeatures(of: .payments)
        #expect(try read.featureSet() == .payments)
        try FileManager.default.removeItem(at: directory.appendingPathComponent("forest.bin"))
        #expect(throws: BundleError.self) { try ModelBundle(directory: directory.path) }
    }

    @Test func `a truncated or changed file is refused`() throws {
        for name in bundle.files.keys {
            var files = bundle.files
            files[name]?.removeLast()
            #expect(throws: BundleError.self) { try ModelBundle(files: files) }
            files[name] = nil
            #expect(throws: BundleError.self) { try ModelBundle(files: files) }
        }
        var files = bundle.files
        files["forest.bin"]?[100] ^= 1
        #expect(throws: BundleError.self) { try ModelBundle(files: files) }
        var text = String(decoding: try #require(bundle.files["manifest.json"]), as: UTF8.self)
        text = text.replacing("\"fraud\" : 0.5", with: "\"fraud\" : 0.9")
        files = bundle.files
        files["manifest.json"] = Array(text.utf8)
        let error = #expect(throws: BundleError.self) { try ModelBundle(files: files) }
        #expect(error?.code == .corrupt)
    }

    @Test func `another format and other features are refused by name`() throws {
        let text = String(decoding: try #require(bundle.files["manifest.json"]), as: UTF8.self)
        var files = bundle.files
        files["manifest.json"] = Array(text.replacing("\"format\" : 1", with: "\"format\" : 99").utf8)
        let format = #expect(throws: BundleError.self) { try ModelBundle(files: files) }
        #expect(format?.code == .otherFormat)
        let features = #expect(throws: BundleError.self) { try bundle.requireFeatures(of: .payments(labelDelay: .days(3))) }
        #expect(features?.code == .otherFeatures)
        #expect(features?.description.contains(FeatureSet.payments.version) == true)
        #expect(features?.description.contains("train the bundle again") == true)
    }

    @Test func `a signature holds for the trusted key and for no change`() throws {
        let pair = ModelBundle.newSigningKey()
        let other = ModelBundle.newSigningKey()
        let unsigned = #expect(throws: BundleError.self) { try bundle.requireSignature(byKeysIn: pair.publicKeyPEM) }
        #expect(unsigned?.code == .badSignature)
        let signed = try bundle.signed(withKey: pair.privateKeyPEM)
        #expect(signed.version == bundle.version)
        let read = try ModelBundle(files: signed.files)
        try read.requireSignature(byKeysIn: other.publicKeyPEM + "\n" + pair.publicKeyPEM)
        let foreign = #expect(throws: BundleError.self) { try read.requireSignature(byKeysIn: other.publicKeyPEM) }
        #expect(foreign?.code == .badSignature)
        #expect(foreign?.description.contains(bundle.version) == true)
        var files = signed.files
        files[ModelBundle.signatureName]?.removeLast(3)
        let cut = try ModelBundle(files: files)
        #expect(throws: BundleError.self) { try cut.requireSignature(byKeysIn: pair.publicKeyPEM) }
        for text in ["", "no key", pair.privateKeyPEM] {
            let error = #expect(throws: BundleError.self) { try read.requireSignature(byKeysIn: text) }
            #expect(error?.code == .badKey)
        }
        #expect(throws: BundleError.self) { try bundle.signed(withKey: pair.publicKeyPEM) }
    }

    /// Key, signature and hash are OpenSSL's.
    @Test func `a signer is told by the hash of its key`() throws {
        let key = """
            -----BEGIN PUBLIC KEY-----
            MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+njYEH++FqvUk5UP+OHOPJwG4vOU
            m8Avq+cRxriz9UxSn4LHvPrDBRTGIAT3haFYIXHodFYgY6rQWLkDGAAojg==
            -----END PUBLIC KEY-----
            """
        let signature = try #require(
            Data(base64Encoded: "MEQCIHfsA91M1ynX0Gr0UUfcxvjLQ9jNQsuY92ykLkGfWAkQAiBHEu6JYxVIDws9QM4S8fXN1dLov1GBJa3ImdZHhlhO6g=="))
        func signer(_ manifest: String, _ keys: String) throws -> String? {
            try ModelBundle.signer(ofManifest: Array(manifest.utf8), signature: [UInt8](signature), amongKeysIn: keys)
        }
        let other = ModelBundle.newSigningKey().publicKeyPEM
        #expect(try signer("manifest", other + "\n" + key) == "66736019c05a5ac4af4ffd03299ad35082a3a811b433da532c2087bde32a324a")
        #expect(try signer("manifest", other) == nil && signer("Manifest", key) == nil)
    }

    @Test func `a signature and a card lie in the bundle's directory`() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: directory) }
        let pair = ModelBundle.newSigningKey()
        try bundle.signed(withKey: pair.privateKeyPEM).write(to: directory.path)
        try ModelBundle(directory: directory.path).requireSignature(byKeysIn: pair.publicKeyPEM)
        let card = try String(contentsOf: directory.appendingPathComponent("card.md"), encoding: .utf8)
        #expect(card.contains(bundle.version))
        #expect(card.contains("## How good it is"))
        #expect(!card.contains("Fairness by district"))
        #expect(bundle.hasOwnCard(inFolder: directory.path))
        try "# the best model ever\n".write(to: directory.appendingPathComponent("card.md"), atomically: true, encoding: .utf8)
        #expect(!bundle.hasOwnCard(inFolder: directory.path))
    }

    @Test func `the card tells of districts where homes are known`() throws {
        let world = SmallWorld(count: 2_000)
        var history = world.history
        for customer in 0..<150 { history.homes["c\(customer)"] = Coordinate(latitude: 19, longitude: customer < 75 ? 72.85 : -0.05) }
        let bundle = try FraudTraining(options: SmallWorld.options).train(
            on: history, asOf: world.end, source: "test", createdAt: world.end)
        let districts = try #require(bundle.manifest.districts)
        #expect(Set(districts.map(\.name)) == ["19.0°N 72.8°E", "19.0°N 0.1°W"])
        #expect(districts.reduce(0) { $0 + $1.payments } == bundle.manifest.training.rows)
        #expect(districts.reduce(0) { $0 + $1.frauds } == bundle.manifest.training.frauds)
        #expect(ModelCard(bundle.manifest).markdown.contains("| 19.0°N 72.8°E |"))
        #expect(ModelCard(bundle.manifest).markdown.contains("| currencies | EUR;"))
    }

    @Test func `drift is told for each feature, the largest first`() {
        let count = bundle.model.featureNames.count
        let drift = bundle.manifest.drift(rows: [Float](repeating: 1e6, count: count * 50))
        #expect(drift.count == count)
        #expect(drift.first.map { $0.stabilityIndex > 1 } == true)
        #expect(zip(drift, drift.dropFirst()).allSatisfy { $0.stabilityIndex >= $1.stabilityIndex })
        #expect(bundle.manifest.drift(rows: []).isEmpty)
    }

    @Test func `reasons are said in words`() {
        let feature = FeatureDescription(name: "f", description: "Frauds", reason: "terminal had {} frauds", reasonIfZero: "none lately")
        #expect(feature.text(for: 3) == "terminal had 3 frauds")
        #expect(feature.text(for: 3.456) == "terminal had 3.46 frauds")
        #expect(feature.text(for: 12.04) == "terminal had 12 frauds")
        #expect(feature.text(for: -0.05) == "terminal had -0.05 frauds")
        #expect(feature.text(for: 0) == "none lately")
        #expect(feature.text(for: .nan) == "not known: frauds")
        let age = FeatureDescription(name: "age", description: "Days", reason: "{} days since the last payment")
        #expect(age.text(for: 3.5) == "3.5 days since the last payment")
        #expect(age.text(for: 1) == "1 day since the last payment")
        #expect(age.text(for: 0.2) == "5 hours since the last payment")
        #expect(age.text(for: 0.0009) == "1 minute since the last payment")
    }
}
