import Contracts
import Protobuf
import StandardContracts
import Testing

@Suite("The wire format")
struct WireTests {
    @Test("a message of no bytes is all defaults")
    func emptyBytes() throws {
        #expect(try TestingV1.Scalars(protobuf: []) == TestingV1.Scalars())
        #expect(TestingV1.Scalars().protobufBytes().isEmpty)
    }

    @Test("a message in pieces has the same bytes, and its large fields are not copied")
    func pieces() {
        let large = [UInt8](repeating: 7, count: 40_000)
        let small = GRPCTesting.StreamingOutputCallResponse(payload: .init(body: [1, 2, 3]))
        #expect(small.protobufPieces(behind: [9]) == [[9] + small.protobufBytes()])
        let message = GRPCTesting.StreamingOutputCallResponse(payload: .init(body: large))
        let pieces = message.protobufPieces(behind: [9])
        #expect(pieces.flatMap { $0 } == [9] + message.protobufBytes())
        #expect(pieces.count == 2)
        #expect(pieces.last?.withUnsafeBytes { $0.baseAddress } == large.withUnsafeBytes { $0.baseAddress })
        let list = TestingV1.Lists(strings: ["a"], blobs: [large, [1], large, []])
        #expect(list.protobufPieces(behind: []).flatMap { $0 } == list.protobufBytes())
        #expect(GRPCTesting.StreamingOutputCallResponse().protobufPieces(behind: []).isEmpty)
    }

    @Test("a list of numbers is read whether packed or not")
    func packedOrNot() throws {
        let packed = field(3, [1, 2, 3])
        let unpacked: [UInt8] = [3 << 3, 1, 3 << 3, 2, 3 << 3, 3]
        #expect(try TestingV1.Lists(protobuf: packed).int32s == [1, 2, 3])
        #expect(try TestingV1.Lists(protobuf: unpacked).int32s == [1, 2, 3])
    }

    @Test("of two values for one field the last counts; of two messages both")
    func duplicates() throws {
        let scalar: [UInt8] = [3 << 3, 1, 3 << 3, 2]
        #expect(try TestingV1.Scalars(protobuf: scalar).int32Value == 2)
        let first = TestingV1.Tree(favourite: .init(name: "a", children: [.init(name: "x")]))
        let second = TestingV1.Tree(favourite: .init(name: "b", children: [.init(name: "y")]))
        let merged = try TestingV1.Tree(protobuf: first.protobufBytes() + second.protobufBytes())
        #expect(merged.favourite == .init(name: "b", children: [.init(name: "x"), .init(name: "y")]))
    }

    @Test("of two members of a oneof the last counts")
    func lastOfOneof() throws {
        let number = TestingV1.Choice(value: .number(1)).protobufBytes()
        let text = TestingV1.Choice(value: .text("one")).protobufBytes()
        #expect(try TestingV1.Choice(protobuf: number + text).value == .text("one"))
        #expect(try TestingV1.Choice(protobuf: text + number).value == .number(1))
    }

    @Test("a field that may be absent is told apart from zero")
    func presence() throws {
        #expect(try TestingV1.Choice(protobuf: []).limit == nil)
        let zero = TestingV1.Choice(limit: 0)
        #expect(!zero.protobufBytes().isEmpty)
        #expect(try TestingV1.Choice(protobuf: zero.protobufBytes()).limit == 0)
    }

    @Test("fields and enum numbers that the contract does not know do no harm; the numbers are kept")
    func unknowns() throws {
        let unknown: [UInt8] = [3 << 3, 9, 0xF8, 0x7F, 1] + [0xFA, 0x7F, 2, 1, 2]
        #expect(try TestingV1.Scalars(protobuf: unknown) == TestingV1.Scalars(int32Value: 9))
        let colour = try TestingV1.Scalars(protobuf: [0x80, 0x01, 77]).colour
        #expect(colour == .unrecognized(77))
        #expect(colour.name == nil)
        #expect(TestingV1.Scalars(colour: colour).protobufBytes() == [0x80, 0x01, 77])
    }

    @Test("a map's entry without key or value takes the defaults; of two entries with one key the last counts")
    func mapEntries() throws {
        #expect(try TestingV1.Maps(protobuf: field(1, [])).strings == ["": ""])
        #expect(try TestingV1.Maps(protobuf: field(2, [])).messages == [0: TestingV1.Scalars()])
        let twice = TestingV1.Maps(strings: ["k": "1"]).protobufBytes() + TestingV1.Maps(strings: ["k": "2"]).protobufBytes()
        #expect(try TestingV1.Maps(protobuf: twice).strings == ["k": "2"])
    }

    @Test("a map's entries are written in the order of their keys")
    func mapOrder() throws {
        let maps = TestingV1.Maps(strings: ["b": "2", "": "0", "a": "1"], messages: [5: .init(), -5: .init()], flags: [true: 1, false: 0])
        let expected = field(1, field(1, []) + field(2, [0x30])) + field(1, field(1, [0x61]) + field(2, [0x31]))
            + field(1, field(1, [0x62]) + field(2, [0x32]))
        #expect(maps.protobufBytes().starts(with: expected))
        #expect(text(maps) == #"{"strings":{"":"0","a":"1","b":"2"},"messages":{"-5":{},"5":{}},"flags":{"false":"0","true":"1"}}"#)
        #expect(try TestingV1.Maps(protobuf: maps.protobufBytes()) == maps)
    }

    @Test("messages much larger than the arena's first block come through", arguments: [20_000, 300_000, 3_000_000])
    func largeMessages(byteCount: Int) throws {
        let message = TestingV1.Lists(
            doubles: Array(repeating: 0.5, count: byteCount / 16), strings: (0..<byteCount / 64).map { "number \($0)" },
            blobs: [[UInt8](repeating: 7, count: byteCount)], scalars: Array(repeating: .init(stringValue: "x"), count: byteCount / 64))
        #expect(try TestingV1.Lists(protobuf: message.protobufBytes()) == message)
        // The thread's arena is as good as new afterwards.
        #expect(try TestingV1.Scalars(protobuf: [3 << 3, 1]).int32Value == 1)
    }

    @Test("messages are read on many threads at once")
    func concurrentDecoding() async throws {
        let message = TestingV1.Lists(strings: (0..<500).map { "number \($0)" })
        let bytes = message.protobufBytes()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask { try (0..<50).allSatisfy { _ in try TestingV1.Lists(protobuf: bytes) == message } }
            }
            for try await same in group { #expect(same) }
        }
    }

    @Test("encoding appends to what a buffer holds, and into memory of the counted size")
    func encodingAppends() {
        let message = TestingV1.Scalars(int32Value: 5)
        var buffer: [UInt8] = [1, 2]
        message.encodeProtobuf(into: &buffer)
        #expect(buffer == [1, 2, 3 << 3, 5])
        let exact = [UInt8](unsafeUninitializedCapacity: message.protobufByteCount) { storage, count in
            count = message.encodeProtobuf(into: UnsafeMutableRawBufferPointer(storage))
        }
        #expect(exact == [3 << 3, 5])
    }

    @Test("aliases of an enum's value are the same value")
    func aliases() {
        #expect(TestingV1.Colour.verdant == .green)
        #expect(TestingV1.Colour(name: "COLOUR_VERDANT") == .green)
        #expect(TestingV1.Colour.green.name == "COLOUR_GREEN")
        #expect(TestingV1.Colour(name: "COLOUR_MAUVE") == nil)
        #expect(TestingV1.Colour.allKnown.map(\.rawValue) == [0, 1, 2, -1])
        #expect(TestingV1.Colour() == .unspecified)
    }

    @Test("an Any gives back what was packed into it, as that type alone")
    func anyMessages() throws {
        let packed = GoogleProtobuf.AnyMessage(packing: TestingV1.Scalars(int32Value: 3))
        #expect(packed.typeURL == "type.googleapis.com/vigil.testing.v1.Scalars")
        #expect(try packed.unpack(as: TestingV1.Scalars.self) == TestingV1.Scalars(int32Value: 3))
        #expect(try packed.unpack(as: TestingV1.Choice.self) == nil)
    }

    @Test("a file describes itself and what it imports, in order, for reflection")
    func fileDescriptors() throws {
        let names = FileDescriptor.vigilTestingV1Testing.withDependencies.map(\.name)
        #expect(names.last == "vigil/testing/v1/testing.proto")
        #expect(names.count == 6)
        // Field 1 of FileDescriptorProto is the name.
        let name = [UInt8]("google/protobuf/any.proto".utf8)
        #expect(FileDescriptor.googleProtobufAny.serialized.starts(with: field(1, name)))
        #expect(FileDescriptor.grpcTestingTest.withDependencies.map(\.name) == [
            "grpc/testing/empty.proto", "grpc/testing/messages.proto", "grpc/testing/test.proto",
        ])
    }
}
