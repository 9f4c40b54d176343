/// Lines of source, indented by four spaces a level.
struct SourceWriter {
    private(set) var text = ""
    private var level = 0

    mutating func line(_ line: String = "") {
        if !line.isEmpty {
            text += String(repeating: "    ", count: level)
            text += line
        }
        text += "\n"
    }

    /// Lines between braces.
    mutating func block(_ head: String, _ body: (inout SourceWriter) throws -> Void) rethrows {
        line(head + " {")
        level += 1
        try body(&self)
        level -= 1
        line("}")
    }

    /// Lines one level further in, without braces.
    mutating func indented(_ body: (inout SourceWriter) throws -> Void) rethrows {
        level += 1
        try body(&self)
        level -= 1
    }

    /// A comment of the .proto file as documentation; `otherwise` where there is none.
    mutating func documentation(_ comment: String, otherwise: String = "") {
        let text = comment.isEmpty ? otherwise : comment
        guard !text.isEmpty else { return }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            // protoc keeps the space that follows the slashes.
            line.first == " " ? line.dropFirst() : line
        }
        while let last = lines.last, last.isEmpty { lines.removeLast() }
        for line in lines { self.line(line.isEmpty ? "///" : "/// \(line)") }
    }
}
