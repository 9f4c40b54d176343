/// What a person who wrote `word` most likely meant; nil when nothing is near.
func suggestion(for word: String, among known: [String]) -> String? {
    let lowered = Array(word.lowercased().unicodeScalars)
    let near = known.map { (name: $0, distance: editDistance(lowered, Array($0.lowercased().unicodeScalars))) }
    guard let best = near.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }) else { return nil }
    return best.distance <= max(1, min(3, lowered.count / 3)) ? best.name : nil
}

/// `; did you mean X?`, or a list of what there is when nothing is near and the list is short.
func hint(for word: String, among known: [String]) -> String {
    if let near = suggestion(for: word, among: known) { return "; did you mean `\(near)`?" }
    return known.isEmpty || known.count > 40 ? "" : "; known are \(known.joined(separator: ", "))"
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other (optimal string alignment).
private func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
    var before: [Int] = []
    var previous = Array(0...b.count)
    for i in a.indices {
        var current = [i + 1] + Array(repeating: 0, count: b.count)
        for j in b.indices {
            let cost = a[i] == b[j] ? 0 : 1
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { current[j + 1] = min(current[j + 1], before[j - 1] + 1) }
        }
        before = previous
        previous = current
    }
    return previous[b.count]
}
