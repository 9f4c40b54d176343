public import Records

extension Mapping {
    /// Reads a moment that a person states, in ISO 8601: one without an offset is meant on the clock on which the file's own times are, in
    /// UTC where each row has its own.
    ///
    /// - Parameter target: the field whose zone counts, such as `occurred_at`.
    /// - Returns: nil for what is no moment.
    public func moment(_ text: String, onClockOf target: String) -> Timestamp? {
        var reading = FieldMapping(target: target, source: .constant(text))
        reading.zone = fields.first { $0.target == target }?.zone
        var text = text
        guard let reader = try? TimeReader(reading) else { return nil }
        return text.withUTF8 { reader.read($0) }
    }
}
