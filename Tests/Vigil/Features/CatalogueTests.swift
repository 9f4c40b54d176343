import Foundation
import Testing

@testable import Vigil

@Suite struct CatalogueTests {
    private func feature(_ name: String, window: Int64 = 86_400) -> Catalogue.Feature {
        .init(
            name: name, entity: "customer", aggregation: "count", windowSeconds: window, delaySeconds: 0, type: "double", owner: "o",
            description: "d")
    }

    @Test func whatRestsOnLabelsIsNamedWhereTheirDelayIsAnother() {
        func list(_ delay: Int64, restsOnLabels: Bool?) -> Catalogue {
            var resting = feature("usual")
            resting.restsOnLabels = restsOnLabels
            return Catalogue(
                version: "\(delay)", features: [feature("plain"), resting],
                computation: .init(labelDelaySeconds: delay, utcOffsetSeconds: 0, engineRevision: 1))
        }
        for known in [nil, true] {
            let changes = list(259_200, restsOnLabels: true).changes(since: list(604_800, restsOnLabels: known))
            #expect(changes.map(\.line) == ["what rests on labels (usual), computed otherwise: their delay 7 d → 3 d"])
        }
    }

    @Test func aDifferenceNamesWhatWasAddedRemovedChangedAndMoved() {
        let old = Catalogue(version: "1", features: [feature("a"), feature("b"), feature("c"), feature("d")])
        let new = Catalogue(version: "2", features: [feature("b"), feature("a", window: 172_800), feature("e"), feature("d")])
        let changes = new.changes(since: old)
        #expect(changes.map { "\($0.kind) \($0.feature)" } == ["changed a", "moved a", "removed c", "added e"])
        #expect(changes[0].what == "window       1 d → 2 d")
        #expect(changes[1].what == "from 0 to 1")
        #expect(old.changes(since: old) == [])
    }

    @Test func aDifferenceNamesAllByWhichFeaturesAreComputedOtherwiseBesideThoseThatAreDeclaredSo() {
        let old = Catalogue(
            version: "1", features: [feature("a"), feature("b")],
            computation: .init(labelDelaySeconds: 7 * 86_400, utcOffsetSeconds: 0, engineRevision: 3))
        var new = old
        new.version = "2"
        new.features[1].delaySeconds = 86_400
        new.computation = .init(labelDelaySeconds: 86_400, utcOffsetSeconds: 19_800, engineRevision: 4)
        #expect(
            new.changes(since: old).map(\.line) == [
                "what rests on labels, computed otherwise: their delay 7 d → 1 d",
                "night and weekend of payments without a zone, computed otherwise: clock UTC → UTC+05:30",
                "the same views, computed otherwise: revision 3 → 4", "changed  b  delay        none → 1 d",
            ])
        // A list that an earlier release kept does not say by what.
        var earlier = old
        earlier.computation = nil
        #expect(new.changes(since: earlier).map(\.kind) == ["changed"])
    }

    @Test func onlyWhatComesInAnotherOrderHasMoved() {
        let names = ["a", "b", "c", "d", "e", "f"]
        let old = Catalogue(version: "1", features: names.map { feature($0) })
        let shorter = Catalogue(version: "2", features: names.filter { $0 != "b" }.map { feature($0) })
        #expect(shorter.changes(since: old).map(\.line) == ["removed  b"])
        #expect(old.changes(since: shorter).map(\.line) == ["added  b"])
        let turned = Catalogue(version: "3", features: (names.dropFirst() + ["a"]).map { feature($0) })
        #expect(turned.changes(since: old).map(\.line) == ["moved  a  from 0 to 5"])
    }

    @Test func aListThatNamesAFeatureTwiceIsNone() throws {
        func text(_ list: Catalogue) throws -> String { String(decoding: try JSONEncoder().encode(list), as: UTF8.self) }
        var list = Catalogue(version: "1", features: [feature("a"), feature("b")], behaviourVersion: "b", behaviours: [feature("x")])
        #expect(try Catalogue(list: text(list), at: "before.json") == list)
        list.features.append(feature("a", window: 3_600))
        let fault = #expect(throws: PlaceFault.self) { try Catalogue(list: text(list), at: "before.json") }
        #expect(fault?.description == "before.json is not what `vigil features list --format json` prints: it has a twice")
        #expect(throws: PlaceFault.self) { try Catalogue(list: "[]", at: "before.json") }
    }

    @Test func aListWithoutWhatItWasComputedByIsComparedByItsVersion() {
        let now = Catalogue(
            version: "1", features: [feature("a")], computation: .init(labelDelaySeconds: 0, utcOffsetSeconds: 0, engineRevision: 3))
        var list = now
        list.computation = nil
        #expect(now.changes(since: list) == [])
        list.version = "0"
        #expect(now.changes(since: list).map(\.line) == ["the same views, computed otherwise: feature set version 0 → 1"])
    }

    @Test func theSameFeaturesOfAnotherVersionAreComputedOtherwise() {
        let views = [feature("x"), feature("y")]
        let old = Catalogue(version: "1", features: [feature("a")], behaviourVersion: "b", behaviours: views)
        let new = Catalogue(version: "2", features: [feature("a")], behaviourVersion: "b", behaviours: views)
        #expect(new.changes(since: old).map(\.line) == ["the same views, computed otherwise: feature set version 1 → 2"])
        // A feature more moves no view of behaviour.
        let longer = Catalogue(version: "3", features: [feature("a"), feature("b")], behaviourVersion: "c", behaviours: views)
        #expect(longer.changes(since: new).map(\.line) == ["the same views, computed otherwise: behaviour version b → c", "added  b"])
    }
}
