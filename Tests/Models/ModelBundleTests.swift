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
    }

    @Test func `reasons are said in words`() {
        let feature = FeatureDescription(name: "f", description: "Frauds", reason: "terminal had {} frauds", reasonIfZero: "none lately")
        #expect(feature.text(for: 3) == "terminal had 3 frauds")
        #expect(feature.text(for: 3.456) == "terminal had 3.46 frauds")
        #expect(feature.text(for: 12.04) == "terminal had 12 frauds")
        #expect(feature.text(for: -0.05) == "terminal had -0.05 frauds")
        #expect(feature.text(for: 0) == "none lately")
        #expect(feature.text(for: .nan) == "not known: frauds")
    }
}
