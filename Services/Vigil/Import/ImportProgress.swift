import Foundation

/// Shows how far an import is: one line that is drawn over on a terminal, a line every ten seconds elsewhere. On the standard error, so
/// that a result on the standard output stays alone.
struct ImportProgress {
    private static let barWidth = 24
    private static let terminalInterval = Duration.milliseconds(100)
    private static let plainInterval = Duration.seconds(10)

    private let isTerminal: Bool
    private let started: ContinuousClock.Instant
    private let rowsBefore: Int
    private var lastShown: ContinuousClock.Instant
    private var isLineOpen = false

    /// - Parameter rowsBefore: rows done by earlier runs, which this one's rate must not count.
    init(isTerminal: Bool = isatty(2) == 1, rowsBefore: Int = 0, now: ContinuousClock.Instant = .now) {
        self.isTerminal = isTerminal
        self.rowsBefore = rowsBefore
        started = now
        lastShown = now
    }

    /// - Parameter fraction: how much of the file is done, 0…1; nil when nobody can know.
    mutating func show(_ counts: ImportCounts, fraction: Double?, now: ContinuousClock.Instant = .now) {
        guard now - lastShown >= (isTerminal ? Self.terminalInterval : Self.plainInterval) else { return }
        lastShown = now
        let text = line(counts, fraction: fraction, now: now)
        if isTerminal {
            write("\r\u{1B}[K" + text)
            isLineOpen = true
        } else {
            write(text + "\n")
        }
    }

    /// Says something else than progress, on a line of its own.
    mutating func note(_ text: String) {
        end()
        write(text + "\n")
    }

    /// Leaves the line that was drawn over.
    mutating func end() {
        if isLineOpen { write("\r\u{1B}[K") }
        isLineOpen = false
    }

    func line(_ counts: ImportCounts, fraction: Double?, now: ContinuousClock.Instant) -> String {
        let seconds = max(0.001, Self.seconds(now - started))
        let rate = Double(counts.rows - rowsBefore) / seconds
        var text = "\(Self.grouped(counts.rows)) rows  \(Self.grouped(Int(rate)))/s"
        if counts.rejected > 0 { text += "  \(Self.grouped(counts.rejected)) rejected" }
        guard let fraction else { return text }
        let done = min(1, max(0, fraction))
        let filled = Int((done * Double(Self.barWidth)).rounded(.down))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.barWidth - filled)
        text = "\(bar) \(Int(done * 100)) %  " + text
        if done > 0.01, rate > 0 {
            let rowsLeft = Double(counts.rows) / done - Double(counts.rows)
            text += "  \(Self.span(seconds: rowsLeft / rate)) left"
        }
        return text
    }

    /// `978,321`
    static func grouped(_ number: Int) -> String {
        let digits = String(number.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return number < 0 ? "-" + text : text
    }

    /// `7 s`, `3 min 20 s`, `2 h 5 min`
    static func span(seconds: Double) -> String {
        let whole = Int(min(max(seconds.rounded(), 0), 1e9))
        if whole < 60 { return "\(whole) s" }
        if whole < 3_600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3_600) h \(whole / 60 % 60) min"
    }

    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
