import Datasets
import Records
import SeededRandom
import Testing

/// Files that nobody meant to write. Whatever they hold, reading ends, every row has a place after the one before, and a reader that begins
/// at any of these places meets the same rows.
@Suite struct HostileFileTests {
    let folder = try! TemporaryFolder()

    private static let seeds = [
        "id,x\na,1\n\"b\"\"c\",\"2\n3\"\nd,4\r\ne,\n",
        "{\"id\": \"a\", \"x\": [1, {\"y\": null}]}\n{\"id\": \"\\u00fc\\ud83d\\ude00\", \"z\": -1.5e3}\n{\"id\": true}\n",
        "[{\"id\": \"a\"}, {\"id\": \"b\\\"\"},\n {\"id\": 7, \"x\": \"]}\"}]",
    ]

    private static let pieces: [[UInt8]] = [
        [0x22], [0x22, 0x22], [0x0A], [0x0D, 0x0A], [0x2C], [0x3B], [0x5C], [0x5C, 0x75], [0x7B], [0x7D], [0x5B], [0x5D], [0], [0xFF],
        [0xC3, 0xBC], [0xEF, 0xBB, 0xBF], [0x20], [0x3A], [0x2D], [0x30],
    ]

    private func mutated(_ random: inout SplitMix64) -> [UInt8] {
        var bytes = Array(Self.seeds.randomElement(using: &random)!.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random)!, at: place)
            case 1 where place < bytes.count: bytes.remove(at: place)
            case 2 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
            default: bytes.removeLast(min(bytes.count, Int.random(in: 0..<4, using: &random)))
            }
        }
        return bytes
    }

    /// The rows before the end or the first error, and the error's code.
    private func read(_ file: String, from position: RowPosition? = nil) throws -> (items: [DatasetItem], code: DatasetError.Code?) {
        var items: [DatasetItem] = []
        do {
            let reader = try DatasetReader(file: file, mapping: customers())
            if let position { try reader.skip(to: position) }
            while let item = try reader.next() { items.append(item) }
            return (items, nil)
        } catch let error as DatasetError {
            return (items, error.code)
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func mutatedFilesAreReadToTheirEndOrAClearError(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for round in 0..<150 {
            let file = try folder.file("f\(seed)", mutated(&random))
            let (items, code) = try read(file)
            let rows = items.map(\.position.row)
            #expect(rows == Array(0..<rows.count).map { $0 + 1 }, "seed \(seed), round \(round)")
            let offsets = items.map(\.position.byteOffset)
            #expect(zip(offsets, offsets.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed), round \(round)")
            guard let middle = items.indices.randomElement(using: &random) else { continue }
            let (rest, restCode) = try read(file, from: items[middle].position)
            #expect(rest == Array(items[middle...]), "seed \(seed), round \(round)")
            #expect(restCode == code, "seed \(seed), round \(round)")
        }
    }
}
