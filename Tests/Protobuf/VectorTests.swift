import Contracts
import Protobuf
import Testing

@Suite("Messages as Google's protobuf for Python writes them")
struct VectorTests {
    private func type(_ vector: Vector) throws -> any Message.Type {
        try #require(testedTypes[vector.type])
    }

    @Test("read and written again, the bytes are the same", arguments: vectors)
    func bytesSurvive(_ vector: Vector) throws {
        let message = try type(vector).init(protobuf: bytes(hex: vector.hex))
        #expect(hex(message.protobufBytes()) == vector.hex)
        #expect(message.protobufByteCount == vector.hex.utf8.count / 2)
    }

    @Test("their JSON is read as the same message", arguments: vectors)
    func foreignJSONIsRead(_ vector: Vector) throws {
        let message = try type(vector).init(jsonBytes: [UInt8](vector.json.utf8), options: .init(refusesUnknownFields: true))
        #expect(hex(message.protobufBytes()) == vector.hex)
    }

    @Test("our JSON says the same as theirs", arguments: vectors)
    func ourJSONIsTheSame(_ vector: Vector) throws {
        let message = try type(vector).init(protobuf: bytes(hex: vector.hex))
        #expect(try parsed(text(message)) == parsed(vector.json), "\(text(message))")
    }
}
