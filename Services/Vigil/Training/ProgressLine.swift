import Foundation
import Training

/// Says on the standard error what goes on: one line that is drawn over on a terminal, a line every ten seconds elsewhere.
struct ProgressLine {
    private let isTerminal: Bool
    private var lastShown: ContinuousClock.Instant
    private var isLineOpen = false

    init(isTerminal: Bool = isatty(2) == 1, now: ContinuousClock.Instant = .now) {
        self.isTerminal = isTerminal
        lastShown = now
    }

    /// - Parameter fraction: how much is done, 0…1; nil when nobody can know.
    mutating func show(_ what: String, fraction: Double?, now: ContinuousClock.Instant = .now) {
        guard now - lastShown >= (isTerminal ? .milliseconds(100) : .seconds(10)) else { return }
        lastShown = now
        let text = what + (fraction.map { "  \(Int(min(1, max(0, $0)) * 100)) %" } ?? "")
        write(isTerminal ? "\r\u{1B}[K" + text : text + "\n")
        isLineOpen = isTerminal
    }

    mutating func show(_ progress: TrainingProgress) {
        switch progress {
        case .features(let done, let total): show("point-in-time features", fraction: Double(done) / Double(max(1, total)))
        case .trees(let done, let total): show("trees", fraction: Double(done) / Double(max(1, total)))
        }
    }

    /// Says something else than progress, on a line of its own.
    mutating func note(_ text: String) {
        end()
        write(text + "\n")
    }

    /// Clears the line that was drawn over.
    mutating func end() {
        if isLineOpen { write("\r\u{1B}[K") }
        isLineOpen = false
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
