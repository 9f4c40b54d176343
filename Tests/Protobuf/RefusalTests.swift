import Contracts
import Protobuf
import StandardContracts
import Testing

@Suite("What the wire format refuses")
struct RefusalTests {
    @Test("NUL in a string, wherever the string stands")
    func nulInStrings() {
        let poisoned = [UInt8]("ab\0c".utf8)
        #expect(protobufError { try TestingV1.Scalars(protobuf: field(14, poisoned)) }?.code == .nulInString)
        #expect(protobufError { try TestingV1.Scalars(protobuf: field(14, [0])) }?.code == .nulInString)
        #expect(protobufError { try TestingV1.Lists(protobuf: field(14, poisoned)) }?.code == .nulInString)
        #expect(protobufError { try TestingV1.Choice(protobuf: field(2, poisoned)) }?.code == .nulInString)
        #expect(protobufError { try TestingV1.Maps(protobuf: field(1, field(1, poisoned))) }?.code == .nulInString)
        #expect(protobufError { try TestingV1.Maps(protobuf: field(1, field(2, poisoned))) }?.code == .nulInString)
    }

    @Test("a text, by its field's path from the outermost message")
    func textsByTheirPaths() {
        let poisoned = [UInt8]("ab\0c".utf8)
        func path(_ read: () throws -> Void) -> String? { protobufError(read)?.fieldPath }
        #expect(path { _ = try TestingV1.Scalars(protobuf: field(14, poisoned)) } == "string_value")
        #expect(path { _ = try TestingV1.Lists(protobuf: field(14, [65]) + field(14, [0xFF])) } == "strings[1]")
        #expect(path { _ = try TestingV1.Maps(protobuf: field(1, field(2, poisoned))) }?.hasSuffix("[0].value") == true)
    }

    @Test("invalid UTF-8", arguments: [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]] as [[UInt8]])
    func invalidUTF8(_ text: [UInt8]) {
        #expect(protobufError { try TestingV1.Scalars(protobuf: field(14, text)) }?.code == .invalidUTF8)
        #expect(protobufError { try TestingV1.Lists(protobuf: field(14, text)) }?.code == .invalidUTF8)
        #expect(protobufError { try TestingV1.Maps(protobuf: field(1, field(1, text))) }?.code == .invalidUTF8)
    }

    @Test("bytes, unlike strings, may hold anything")
    func bytesAreFree() throws {
        #expect(try TestingV1.Scalars(protobuf: field(15, [0, 0xFF, 0])).bytesValue == [0, 0xFF, 0])
    }

    @Test("a message cut at any byte is refused or read as a shorter one, and never crashes", arguments: vectors)
    func truncation(_ vector: Vector) throws {
        let whole = bytes(hex: vector.hex)
        let type = try #require(testedTypes[vector.type])
        for count in 0..<whole.count {
            let error = protobufError { try type.init(protobuf: Array(whole[..<count])) }
            #expect(error == nil || error?.code == .malformed || error?.code == .invalidUTF8)
        }
    }

    @Test(
        "bytes that are no message",
        arguments: [
            [0x00], [0x07], [0x08], [3 << 3, 0x80], [14 << 3 | 2, 5, 65], [14 << 3 | 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
            [14 << 3 | 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [3 << 3 | 3], [3 << 3 | 4], [3 << 3 | 6],
        ] as [[UInt8]])
    func malformed(_ bytes: [UInt8]) {
        #expect(protobufError { try TestingV1.Scalars(protobuf: bytes) }?.code == .malformed)
    }

    private func tree(depth: Int, through number: UInt8) -> [UInt8] {
        (1..<depth).reduce([]) { inner, _ in field(number, inner) }
    }

    @Test("messages inside one another beyond the limit", arguments: [2, 3] as [UInt8])
    func nesting(through number: UInt8) throws {
        _ = try TestingV1.Tree(protobuf: tree(depth: ProtobufLimits.maxNestingDepth, through: number))
        let error = protobufError { try TestingV1.Tree(protobuf: tree(depth: ProtobufLimits.maxNestingDepth + 1, through: number)) }
        #expect(error?.code == .tooDeep)
        // Deep enough to overflow a stack, were it followed; built by hand, for lengths grow with the depth.
        var deep: [UInt8] = []
        for _ in 0..<20_000 { deep = field(number, deep) }
        #expect(protobufError { try TestingV1.Tree(protobuf: deep) }?.code == .tooDeep)
    }

    @Test("nesting through a map is measured too")
    func nestingThroughMap() {
        var deep: [UInt8] = []
        for _ in 0..<40 { deep = field(4, field(2, deep)) }
        #expect(protobufError { try TestingV1.Tree(protobuf: deep) }?.code == .tooDeep)
    }

    @Test("a small message that would take a large memory")
    func expansion() {
        // Two bytes of tag and one of length for each empty message of some 150 bytes in memory.
        let bomb = [[UInt8]](repeating: [0x8A, 0x01, 0x00], count: 700_000).flatMap { $0 }
        let error = protobufError { try TestingV1.Lists(protobuf: bomb) }
        #expect(error?.code == .tooLarge)
    }
}
