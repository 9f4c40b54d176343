import Records

/// One e-mail to one recipient, as RFC 5322 text. The same alert and recipient always give the same bytes, so that a mail that is
/// sent again is the same mail to whoever knows its Message-ID.
struct MailMessage: Sendable, Hashable {
    let sender: MailAddress
    let recipient: MailAddress
    /// With its angle brackets.
    let messageID: String
    /// Lines end in CRLF. Lines that begin with a dot are not doubled yet: that is the transport's.
    let bytes: [UInt8]

    init(_ alert: Alert.Content, raisedAt: Timestamp, from sender: MailAddress, to recipient: MailAddress) {
        self.sender = sender
        self.recipient = recipient
        let id = Alert.Content.isAlertID(alert.alertID) ? alert.alertID : Self.hash(alert.alertID)
        messageID = "<\(id).\(Self.hash(recipient.description))@\(sender.domain)>"
        let body = Self.lines(of: alert.body)
        let isPlain = body.allSatisfy { line in line.utf8.count <= Self.maxPlainLineBytes && line.utf8.allSatisfy(Self.isPlain) }
        let headers = [
            "Date: \(Self.date(raisedAt))",
            "From: Vigil <\(sender)>",
            "To: <\(recipient)>",
            Self.unstructured("Subject", alert.subject),
            "Message-ID: \(messageID)",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: \(isPlain ? "7bit" : "quoted-printable")",
        ]
        let encoded = isPlain ? body : body.flatMap(Self.quotedPrintable)
        bytes = Array((headers + [""] + encoded).map { $0 + "\r\n" }.joined().utf8)
    }

    // MARK: Headers

    private static let maxLineCharacters = 76
    private static let maxPlainLineBytes = 78

    /// `Sun, 22 Nov 2026 10:43:21 +0000`
    static func date(_ time: Timestamp) -> String {
        let civil = time.civil()
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][time.dayOfWeek() - 1]
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][civil.month - 1]
        return "\(day), \(civil.day) \(month) \(civil.year) \(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) +0000"
    }

    /// A header of free text: as it stands where it is short ASCII, else as encoded words (RFC 2047), one a line. No text
    /// can end the header: what breaks a line is taken for a space.
    static func unstructured(_ name: String, _ text: String) -> String {
        let clean = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.isControl ? " " : $0 }))
        let isPlain = clean.utf8.allSatisfy { (0x20...0x7e).contains($0) } && !clean.contains("=?")
        if isPlain, name.utf8.count + 2 + clean.utf8.count <= maxLineCharacters { return "\(name): \(clean)" }
        // An encoded word is at most 75 characters: 12 for its frame, 60 for 45 bytes in Base64; characters stay whole.
        var words: [[UInt8]] = [[]]
        for scalar in clean.unicodeScalars {
            let encoded = Array(String(scalar).utf8)
            if words[words.count - 1].count + encoded.count > 39 { words.append([]) }
            words[words.count - 1] += encoded
        }
        return "\(name): " + words.map { "=?utf-8?B?\(base64($0))?=" }.joined(separator: "\r\n ")
    }

    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            var quartet: [UInt8] = []
            for _ in 0..<4 {
                quartet.append(alphabet[bits & 63])
                bits >>= 6
            }
            text += quartet.reversed().prefix(group.count + 1)
            text += repeatElement(UInt8(ascii: "="), count: 3 - group.count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: Body

    /// Whatever ends lines in `text`, without what may come after the last.
    private static func lines(of text: String) -> [String] {
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }.map(String.init)
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    private static func isPlain(_ byte: UInt8) -> Bool { byte == 0x09 || (0x20...0x7e).contains(byte) }

    /// A line as quoted-printable lines of at most 76 characters (RFC 2045, 6.7).
    static func quotedPrintable(_ line: String) -> [String] {
        let digits = Array("0123456789ABCDEF".utf8)
        var lines: [[UInt8]] = [[]]
        let bytes = Array(line.utf8)
        for (index, byte) in bytes.enumerated() {
            let isSpace = byte == 0x20 || byte == 0x09
            let isLiteral = (isSpace && index < bytes.count - 1) || ((0x21...0x7e).contains(byte) && byte != UInt8(ascii: "="))
            let encoded = isLiteral ? [byte] : [UInt8(ascii: "="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            if lines[lines.count - 1].count + encoded.count > maxLineCharacters - 1 {
                lines[lines.count - 1].append(UInt8(ascii: "="))
                lines.append([])
            }
            lines[lines.count - 1] += encoded
        }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }

    /// FNV-1a, 64 bits: tells recipients apart, hides nothing.
    static func hash(_ text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
