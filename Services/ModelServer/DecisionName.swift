import Crypto
import Foundation
import Records

/// What a decision goes by: 128 bits of SHA-256 over its transaction's key, so that it is the same everywhere, and tells of a transaction
/// whether it has been decided on.
struct DecisionName: Sendable, Hashable {
    let bytes: UUID

    init(of key: TransactionKey) {
        var hash = SHA256()
        var (bank, transaction) = (key.bankID, key.transactionID)
        bank.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        hash.update(data: [0])
        transaction.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        bytes = hash.finalize().withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
    }

    init(_ bytes: UUID) { self.bytes = bytes }

    /// Half of the bits tell names apart as well as all: they are a hash already.
    func hash(into hasher: inout Hasher) { withUnsafeBytes(of: bytes.uuid) { hasher.combine($0.loadUnaligned(as: UInt64.self)) } }

    /// Nil for what is not 32 hexadecimal digits.
    init?(text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32 else { return nil }
        let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20...]]
        guard let bytes = UUID(uuidString: groups.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")) else { return nil }
        self.bytes = bytes
    }

    /// 32 hexadecimal digits.
    var text: String {
        withUnsafeBytes(of: bytes.uuid) { bytes in
            String(unsafeUninitializedCapacity: 32) { digits in
                for (index, byte) in bytes.enumerated() {
                    digits[2 * index] = Self.digit(byte >> 4)
                    digits[2 * index + 1] = Self.digit(byte & 15)
                }
                return 32
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value }
}
