/// Makes a memory of the chunks of a snapshot, which have to come whole, in their order, to the last.
///
/// ```swift
/// var reader = FeatureSnapshotReader(set: .payments)
/// for chunk in chunks { try reader.add(chunk) }
/// var engine = try reader.finish()
/// ```
public struct SnapshotReader<Memory: Sendable>: Sendable {
    /// Takes in a chunk of the kind that its first byte says, whose frame is sound.
    /// - Returns: whether it is the last.
    typealias TakeIn = @Sendable (_ kind: UInt8, inout SnapshotDecoder, inout Memory) throws(SnapshotError) -> Bool

    private var memory: Memory
    private var number = 0
    private var isComplete = false
    private let takeIn: TakeIn

    /// - Parameter memory: an empty one.
    init(into memory: Memory, _ takeIn: @escaping TakeIn) {
        self.memory = memory
        self.takeIn = takeIn
    }

    /// Takes in the next chunk.
    ///
    /// - Throws: ``SnapshotError/other`` where the snapshot is of no use to this memory, whatever it holds.
    public mutating func add(_ chunk: [UInt8]) throws(SnapshotError) {
        do {
            try chunk.withUnsafeBytes { try add($0) }
        } catch let error as SnapshotError {
            throw error
        } catch {
            throw .damaged(chunk: number)
        }
        number += 1
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer) throws(SnapshotError) {
        var decoder = try SnapshotDecoder(bytes, number: number)
        let kind = try decoder.byte()
        guard !isComplete, (kind == SnapshotEncoder.headKind) == (number == 0) else { throw decoder.damaged() }
        isComplete = try takeIn(kind, &decoder, &memory)
    }

    /// - Throws: ``SnapshotError/damaged(chunk:)`` if the last chunk has not come.
    public func finish() throws(SnapshotError) -> Memory {
        guard isComplete else { throw .damaged(chunk: number) }
        return memory
    }
}
