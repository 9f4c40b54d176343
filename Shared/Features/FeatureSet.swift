public import Records

/// An ordered, versioned list of features. The order is that of a feature vector's values.
public struct FeatureSet: Sendable, Hashable {
    public let name: String
    public let definitions: [FeatureDefinition]
    /// How long until a payment without a fraud label is taken for genuine.
    public let labelDelay: TimeSpan
    /// The clock by which night and weekend are told of payments that state no zone of their own, in seconds east of UTC.
    public let utcOffsetSeconds: Int
    /// Sixteen hexadecimal digits over everything that decides a value, and over `engineRevision`. Two sets with the same version compute
    /// the same values from the same history.
    public let version: String

    /// Raised whenever the engine computes another value from the same declaration.
    public static let engineRevision = 4

    /// - Precondition: names are unique; windows and delays are not negative.
    public init(name: String, definitions: [FeatureDefinition], labelDelay: TimeSpan = .days(7), utcOffsetSeconds: Int = 0) {
        precondition(Set(definitions.map(\.name)).count == definitions.count, "feature names must be unique")
        precondition(definitions.allSatisfy { $0.window.microseconds >= 0 && $0.delay.microseconds >= 0 }, "windows and delays look back")
        self.name = name
        self.definitions = definitions
        self.labelDelay = labelDelay
        self.utcOffsetSeconds = utcOffsetSeconds
        var hash = FNV1a()
        hash.combine("\(name)|\(labelDelay.microseconds)|\(utcOffsetSeconds)|\(FeatureSet.engineRevision)\n")
        for definition in definitions { hash.combine(definition.canonical + "\n") }
        version = hash.hexadecimal
    }

    public var count: Int { definitions.count }
    public var names: [String] { definitions.map(\.name) }

    /// The features of `names`, in that order, as a set of its own; nil if one of them is not here.
    /// - Parameter name: of the new set; that of this one if nil.
    public func selecting(_ names: [String], as name: String? = nil) -> FeatureSet? {
        let byName = Dictionary(uniqueKeysWithValues: definitions.map { ($0.name, $0) })
        let chosen = names.compactMap { byName[$0] }
        guard chosen.count == names.count else { return nil }
        return FeatureSet(
            name: name ?? self.name, definitions: chosen, labelDelay: labelDelay, utcOffsetSeconds: utcOffsetSeconds)
    }

    /// How much history an entity must keep for every value to be right.
    var horizon: TimeSpan {
        definitions.map { TimeSpan(microseconds: $0.window.microseconds + $0.delay.microseconds) }.max() ?? .days(0)
    }
}

/// 64-bit FNV-1a, for version numbers: stable over processes and machines, no defence against a forger.
/// Source: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm", IETF draft.
struct FNV1a {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func combine(_ text: String) {
        for byte in text.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    var hexadecimal: String {
        let digits = String(state, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
