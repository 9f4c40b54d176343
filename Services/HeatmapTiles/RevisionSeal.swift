import Crypto
import Foundation

/// A revision of the map as a text that tells nobody else anything: revisions count what happens everywhere, and who may see some districts
/// only is to resume after one without learning how much happened in the others. The key is of this process, as revisions are: a text of
/// another is not understood, and its bearer is told everything anew.
struct RevisionSeal: Sendable {
    private let key = SymmetricKey(size: .bits128)

    func text(_ revision: UInt64) throws -> String {
        let bytes = withUnsafeBytes(of: revision.bigEndian) { Data($0) }
        return (try AES.GCM.seal(bytes, using: key).combined ?? Data()).base64EncodedString()
    }

    /// The revision; nil for a text that is not of this seal.
    func open(_ text: String) -> UInt64? {
        guard let sealed = Data(base64Encoded: text), let box = try? AES.GCM.SealedBox(combined: sealed),
            let bytes = try? AES.GCM.open(box, using: key), bytes.count == 8
        else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
