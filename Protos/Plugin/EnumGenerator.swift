/// One enum: its values as cases, and one more case for numbers that the contract does not know.
struct EnumGenerator {
    let enumeration: EnumSchema

    func write(to writer: inout SourceWriter) {
        // The first name of a number makes the case; further ones are aliases.
        var firstNames: [(name: String, value: EnumSchema.Value)] = []
        var aliases: [(name: String, original: String)] = []
        for value in enumeration.values {
            let name = SwiftName.enumCase(value.name, of: enumeration)
            if let original = firstNames.first(where: { $0.value.number == value.number }) {
                aliases.append((name, original.name))
            } else {
                firstNames.append((name, value))
            }
        }

        writer.documentation(enumeration.comment, otherwise: "`\(enumeration.fullName)`")
        writer.block("public enum \(SwiftName.type(SwiftName.lastPart(enumeration.fullName))): ProtobufEnum") { writer in
            for (name, value) in firstNames {
                writer.documentation(value.comment)
                writer.line("case \(SwiftName.quoted(name))")
            }
            writer.line("/// A number that this version of the contract does not know.")
            writer.line("case unrecognized(Int32)")
            for (name, original) in aliases {
                writer.line()
                writer.line("/// Another name of `\(original)`.")
                writer.line("public static var \(SwiftName.quoted(name)): Self { .\(original) }")
            }
            writer.line()
            writer.line("public static let fullName = \"\(enumeration.fullName)\"")
            writer.line("public static var allKnown: [Self] { [\(firstNames.map { ".\($0.name)" }.joined(separator: ", "))] }")
            writer.line()
            writer.line("public init() { self = Self(rawValue: 0) }")
            writeRawValues(firstNames, to: &writer)
            writeNames(firstNames, aliases: aliases, to: &writer)
        }
    }

    private func writeRawValues(_ cases: [(name: String, value: EnumSchema.Value)], to writer: inout SourceWriter) {
        writer.line()
        writer.block("public init(rawValue: Int32)") { writer in
            writer.line("switch rawValue {")
            for (name, value) in cases { writer.line("case \(value.number): self = .\(name)") }
            writer.line("default: self = .unrecognized(rawValue)")
            writer.line("}")
        }
        writer.line()
        writer.block("public var rawValue: Int32") { writer in
            writer.line("switch self {")
            for (name, value) in cases { writer.line("case .\(name): \(value.number)") }
            writer.line("case .unrecognized(let number): number")
            writer.line("}")
        }
    }

    private func writeNames(
        _ cases: [(name: String, value: EnumSchema.Value)], aliases: [(name: String, original: String)], to writer: inout SourceWriter
    ) {
        writer.line()
        writer.block("public init?(name: String)") { writer in
            writer.line("switch name {")
            for value in enumeration.values {
                let name = SwiftName.enumCase(value.name, of: enumeration)
                writer.line("case \"\(value.name)\": self = .\(name)")
            }
            writer.line("default: return nil")
            writer.line("}")
        }
        writer.line()
        writer.block("public var name: String?") { writer in
            writer.line("switch self {")
            for (name, value) in cases { writer.line("case .\(name): \"\(value.name)\"") }
            writer.line("case .unrecognized: nil")
            writer.line("}")
        }
    }
}
