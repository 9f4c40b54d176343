/// Holds a message in a place of its own, so that a message can have a field of its own type.
public final class MessageBox<Value: Sendable & Hashable>: Sendable, Hashable {
    public let value: Value

    public init(_ value: Value) {
        self.value = value
    }

    public static func == (left: MessageBox, right: MessageBox) -> Bool {
        left === right || left.value == right.value
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(value)
    }
}
