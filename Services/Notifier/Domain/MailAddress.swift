/// The address of a mailbox: an addr-spec of RFC 5322 in its plain form, `local-part@domain`, in ASCII.
struct MailAddress: Sendable, Hashable, CustomStringConvertible {
    let localPart: String
    let domain: String

    /// Nil for anything that could mean something else in an SMTP command or a header: spaces, quotes, brackets, control
    /// characters, letters beyond ASCII, parts that are empty or too long (RFC 5321, 4.5.3.1).
    init?(_ text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count <= 64, parts[1].utf8.count <= 255 else { return nil }
        guard Self.isDotAtom(parts[0], allowing: Self.atext), Self.isDotAtom(parts[1], allowing: Self.domainText) else { return nil }
        localPart = String(parts[0])
        domain = String(parts[1])
    }

    var description: String { "\(localPart)@\(domain)" }

    private static func isDotAtom(_ text: Substring, allowing allowed: Set<UInt8>) -> Bool {
        let atoms = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return atoms.allSatisfy { !$0.isEmpty && $0.allSatisfy(allowed.contains) }
    }

    private static let domainText = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-".utf8)
    private static let atext = domainText.union("!#$%&'*+/=?^_`{|}~".utf8)
}
