import Contracts
import RecordCoding
import Testing

@Suite struct PackedValuesTests {
    private static let odd: [Double] = [
        0, -0.0, 1, -1, 3, 57.16, .pi, .nan, -.nan, .signalingNaN, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
        Double(bitPattern: .max), Double(bitPattern: 1 << 8), Double(bitPattern: 0x7FF8_0000_0000_00FF),
    ]

    @Test(arguments: 0...17) func valuesComeBackBitForBit(count: Int) throws {
        let values = Array(Self.odd.prefix(count))
        #expect(try PackedValues.unpack(PackedValues.pack(values)).map(\.bitPattern) == values.map(\.bitPattern))
    }

    @Test func countsAndUnknownValuesTakeTwoBytesAndZerosNone() {
        #expect(PackedValues.pack([]) == [0, 0])
        #expect(PackedValues.pack([0, 0, 0]) == [3, 0, 0, 0])
        #expect(PackedValues.pack([1, .nan, 0]) == [3, 0, 0x22, 0, 0x3F, 0xF0, 0x7F, 0xF8])
    }

    @Test func whatWasCutOrSaysMoreThanThereIsIsRefused() throws {
        let packed = PackedValues.pack(Self.odd)
        for length in packed.indices { #expect(throws: PackedValues.Failure.wrongLength) { try PackedValues.unpack(Array(packed[..<length])) } }
        #expect(throws: PackedValues.Failure.wrongLength) { try PackedValues.unpack(packed + [0]) }
        #expect(throws: PackedValues.Failure.wrongWidth) { try PackedValues.unpack([1, 0, 9] + [UInt8](repeating: 1, count: 9)) }
        #expect(throws: PackedValues.Failure.wrongWidth, "a second value of one") { try PackedValues.unpack([1, 0, 0x11, 1, 1]) }
    }

    @Test func anObservationIsReadAsItWasWhetherItsValuesWereStoredPackedOrNot() throws {
        let observation = FeaturesV1.Observation(key: .init(bankID: "b", transactionID: "t"), featureSetVersion: "1", values: [1, 57.16, 0])
        #expect(try FeaturesV1.Observation(encoded: observation.encoded) == observation)
        #expect(try FeaturesV1.Observation(encoded: Payload.encode(observation)) == observation)
        var twice = observation
        twice.packedValues = PackedValues.pack([1])
        #expect(throws: PackedValues.Failure.twice) { try FeaturesV1.Observation(encoded: Payload.encode(twice)) }
    }

    @Test func moreValuesThanCanBePackedStayAsTheyAre() throws {
        let observation = FeaturesV1.Observation(values: [Double](repeating: 2, count: PackedValues.maxCount + 1))
        #expect(try FeaturesV1.Observation(encoded: observation.encoded) == observation)
    }
}
