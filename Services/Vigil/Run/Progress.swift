import Foundation

/// One line for each step, with the time it took.
final class Progress {
    private let isTerminal = isatty(1) == 1
    private let began = ContinuousClock.now

    func line(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// Shows the step while it runs (on a terminal), and its time when it is done.
    func step<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
        let start = ContinuousClock.now
        if isTerminal { show("  … \(name)") }
        do {
            let result = try body()
            finish(name, mark: "✓", since: start)
            return result
        } catch {
            finish(name, mark: "✗", since: start)
            throw error
        }
    }

    var total: Duration { ContinuousClock.now - began }

    private func finish(_ name: String, mark: String, since start: ContinuousClock.Instant) {
        if isTerminal { show("\r\u{1B}[K") }
        let padding = String(repeating: " ", count: max(1, 56 - name.count))
        line("  \(mark) \(name)\(padding)\(Self.text(ContinuousClock.now - start))")
    }

    private func show(_ text: String) {
        print(text, terminator: "")
        fflush(nil)
    }

    /// For example "12.3 s".
    static func text(_ duration: Duration) -> String {
        let tenths = (Double(duration.components.seconds) * 10 + Double(duration.components.attoseconds) / 1e17).rounded()
        return "\(tenths / 10) s"
    }
}
