/// What happened, in the most general terms that the map tells apart.
enum Signal: String, Sendable, Hashable, CaseIterable {
    /// A transaction that was scored; its type is the channel.
    case transaction
    /// A transaction that was labelled fraud; its type is the channel.
    case fraud
    /// A decision above the alert threshold; its type is the channel.
    case alert
    /// A complaint; its type is the crime type.
    case complaint
    /// Complaints to expect, told by the model server; never stored. Its sum of risks is their number, its type a crime type or all.
    case forecast

    /// Whether it tells of an event for the first time; frauds and alerts are payments that are counted already.
    var isFirst: Bool { self == .transaction || self == .complaint }
}

/// A signal and its type: the finest distinction that the cube keeps.
struct Kind: Sendable, Hashable {
    var signal: Signal
    /// A channel ("atm") or a crime type ("upi_fraud"); at most ``maxTypeBytes``.
    var type: String

    /// The type of what came when no more types are kept apart.
    static let otherType = "other"
    static let maxTypeBytes = 64

    init(signal: Signal, type: String) {
        self.signal = signal
        self.type = type.isEmpty || type.utf8.count > Self.maxTypeBytes ? Self.otherType : type
    }
}

/// The kinds seen so far, numbered from 0. Numbers are given once and stay.
struct KindTable: Sendable {
    /// A kind's number fits in 12 bits; beyond this many, new types count as "other".
    static let maxKinds = 1024

    private(set) var kinds: [Kind] = []
    private var numbers: [Kind: Int] = [:]

    /// The number of a kind seen before.
    func number(of kind: Kind) -> Int? { numbers[kind] }

    /// The kind's number, given now if it is new; nil when it is new and the table is full.
    mutating func add(_ kind: Kind) -> Int? {
        if let number = numbers[kind] { return number }
        // The last places are kept for each signal's "other".
        let reserved = kind.type == Kind.otherType ? 0 : Signal.allCases.count
        guard kinds.count < Self.maxKinds - reserved else { return nil }
        numbers[kind] = kinds.count
        kinds.append(kind)
        return kinds.count - 1
    }

    /// The types seen of a signal, in the order of the alphabet.
    func types(of signal: Signal) -> [String] { kinds.types(of: signal) }
}

extension [Kind] {
    /// The types of a signal, in the order of the alphabet.
    func types(of signal: Signal) -> [String] {
        filter { $0.signal == signal }.map(\.type).sorted()
    }
}
