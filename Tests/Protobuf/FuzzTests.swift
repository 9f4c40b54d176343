import Contracts
import Foundation
import Protobuf
import SeededRandom
import Testing

/// Mutates good messages from a seed. Nothing may crash, and whatever is accepted must survive the way out and in again.
/// `VIGIL_FUZZ_ITERATIONS` sets how many mutations each vector gets, `VIGIL_FUZZ_SEED` where they begin.
@Suite("Mutated input")
struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let iterations = environment["VIGIL_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? 300
    private static let seed = environment["VIGIL_FUZZ_SEED"].flatMap { UInt64($0) } ?? 20_260_131

    private func mutate(_ original: [UInt8], using generator: inout SplitMix64) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let position = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where !bytes.isEmpty: bytes[position] = .random(in: 0...255, using: &generator)
            case 1 where !bytes.isEmpty: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2 where !bytes.isEmpty: bytes.remove(at: position)
            case 3: bytes.insert(.random(in: 0...255, using: &generator), at: position)
            case 4: bytes.insert(contentsOf: bytes[position...].prefix(16), at: position)
            default: bytes.removeLast(min(bytes.count, 3))
            }
        }
        return bytes
    }

    private func survives<M: Message>(_ type: M.Type, _ bytes: [UInt8]) throws {
        guard let message = try? M(protobuf: bytes) else { return }
        let encoded = message.protobufBytes()
        #expect(try M(protobuf: encoded).protobufBytes() == encoded, "\(M.fullName) \(hex(bytes))")
        #expect(throws: Never.self, "\(M.fullName) \(hex(bytes))") { try M(jsonBytes: message.jsonBytes()) }
    }

    private func survivesJSON<M: Message>(_ type: M.Type, _ json: [UInt8]) throws {
        guard let message = try? M(jsonBytes: json) else { return }
        let again = try M(jsonBytes: message.jsonBytes())
        #expect(again.protobufBytes() == message.protobufBytes(), "\(M.fullName) \(String(decoding: json, as: UTF8.self))")
    }

    @Test("in the wire format", arguments: vectors)
    func wire(_ vector: Vector) throws {
        let type = try #require(testedTypes[vector.type])
        var generator = SplitMix64(seed: Self.seed)
        let original = bytes(hex: vector.hex)
        for _ in 0..<Self.iterations { try survives(type, mutate(original, using: &generator)) }
    }

    @Test("in JSON", arguments: vectors)
    func json(_ vector: Vector) throws {
        let type = try #require(testedTypes[vector.type])
        var generator = SplitMix64(seed: Self.seed)
        let original = [UInt8](vector.json.utf8)
        for _ in 0..<Self.iterations { try survivesJSON(type, mutate(original, using: &generator)) }
    }
}
