import Contracts
import Foundation
import Protobuf
import StandardContracts

/// The messages that the vectors are of.
let testedTypes: [String: any Message.Type] = Dictionary(
    uniqueKeysWithValues: [
        TestingV1.Scalars.self, TestingV1.Lists.self, TestingV1.Maps.self, TestingV1.Choice.self, TestingV1.Tree.self,
        TestingV1.WellKnown.self, TestingV1.Names.self, TestingV1.Sample.self,
    ].map { (type: any Message.Type) in (type.fullName, type) })

func bytes(hex: String) -> [UInt8] {
    stride(from: 0, to: hex.utf8.count, by: 2).map { index in
        let digits = hex.utf8.dropFirst(index).prefix(2)
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}

/// A field with a length, in the wire format, for numbers up to 15.
func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [number << 3 | 2]
    var length = content.count
    while length >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: length) | 0x80)
        length >>= 7
    }
    return bytes + [UInt8(length)] + content
}

func text<M: Message>(_ message: M) -> String {
    String(decoding: message.jsonBytes(), as: UTF8.self)
}

func fromJSON<M: Message>(_ text: String, as type: M.Type = M.self, refusesUnknownFields: Bool = false) throws -> M {
    try M(jsonBytes: [UInt8](text.utf8), options: JSONReader.Options(refusesUnknownFields: refusesUnknownFields))
}

/// The error that `body` throws, if it is one of the codec's.
func protobufError(_ body: () throws -> some Any) -> ProtobufError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? ProtobufError
    }
}

/// What Foundation makes of JSON, for comparison by value.
func parsed(_ json: String) throws -> NSObject? {
    try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed) as? NSObject
}
