import Testing

@testable import Vigil

@Suite struct CatalogueTests {
    private func feature(_ name: String, window: Int64 = 86_400) -> Catalogue.Feature {
        .init(
            name: name, entity: "customer", aggregation: "count", windowSeconds: window, delaySeconds: 0, type: "double", owner: "o",
            description: "d")
    }

    @Test func aDifferenceNamesWhatWasAddedRemovedChangedAndMoved() {
        let old = Catalogue(version: "1", features: [feature("a"), feature("b"), feature("c"), feature("d")])
        let new = Catalogue(version: "2", features: [feature("b"), feature("a", window: 172_800), feature("e"), feature("d")])
        let changes = new.changes(since: old)
        #expect(changes.map { "\($0.kind) \($0.feature)" } == ["changed a", "moved b", "removed c", "added e"])
        #expect(changes[0].what == "window       1 d → 2 d")
        #expect(old.changes(since: old) == [])
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
