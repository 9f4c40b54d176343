/// Why the suite cannot start: one clear line, and what to do about it.
struct LaunchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
