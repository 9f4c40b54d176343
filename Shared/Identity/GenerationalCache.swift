/// A bounded cache that forgets what was not used lately: new entries go to the young half; when that is full, the old half is
/// dropped and the young becomes the old. A hit in the old half moves the entry to the young one. Each operation is O(1).
struct GenerationalCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var young: [Key: Value] = [:]
    private var old: [Key: Value] = [:]
    private let maxYoungEntries: Int

    init(maxEntries: Int) {
        maxYoungEntries = max(1, maxEntries / 2)
    }

    var count: Int { young.count + old.count }

    subscript(key: Key) -> Value? {
        mutating get {
            if let value = young[key] { return value }
            guard let value = old.removeValue(forKey: key) else { return nil }
            insert(value, for: key)
            return value
        }
        set {
            old[key] = nil
            if let newValue {
                insert(newValue, for: key)
            } else {
                young[key] = nil
            }
        }
    }

    private mutating func insert(_ value: Value, for key: Key) {
        if young.count >= maxYoungEntries, young[key] == nil {
            old = young
            young = [:]
        }
        young[key] = value
    }
}
