/// Why a model was not trained.
public struct TrainingError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The data cannot teach anything: no rows, no fraud, nothing but fraud.
        case data
        /// The period asked for is not in the data.
        case period
        /// The trainer failed.
        case trainer
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
