import Features
import Foundation
import Testing

@testable import HeatmapTiles

@Suite struct ReasonTests {
    static let reasons: [AlertNote.Reason] = [
        .init(feature: "amount", value: 12.5, text: "amount of 12.5"), .init(feature: "distance_km", text: "not known: km from home"),
        .init(text: "in other words"),
    ]

    @Test("Reasons are read as they were stored, and as they were stored before features were")
    func stored() {
        #expect(MapStore.reasons(inColumn: MapStore.column(Self.reasons)) == Self.reasons)
        #expect(MapStore.reasons(inColumn: "far from home\nat night") == [.init(text: "far from home"), .init(text: "at night")])
        #expect(MapStore.reasons(inColumn: MapStore.column([])).isEmpty)
    }

    @Test("A model's words cannot break the column's lines")
    func separators() {
        let reason = AlertNote.Reason(feature: "a\tb", value: 1, text: "one\ntwo\tthree")
        #expect(MapStore.reasons(inColumn: MapStore.column([reason])) == [.init(feature: "a b", value: 1, text: "one two three")])
    }

    @Test("The page's second language has words for every feature of payments")
    func words() throws {
        let source = String(decoding: PackageResources.strings_js, as: UTF8.self)
        let hindi = try #require(source.components(separatedBy: "const hindi").last)
        for name in FeatureSet.payments.definitions.map(\.name) {
            #expect(hindi.contains("'reason.\(Self.withoutWindow(name))':"), "\(name)")
        }
    }

    /// `customer_count` for `customer_count_7d`, as the page looks for it.
    static func withoutWindow(_ name: String) -> Substring {
        guard let last = name.lastIndex(of: "_") else { return name[...] }
        let end = name[name.index(after: last)...]
        return end.last == "d" && Int(end.dropLast()) != nil ? name[..<last] : name[...]
    }
}
