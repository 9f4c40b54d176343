import Foundation
import Testing

@testable import Vigil

@Suite("The mail catcher's SMTP") struct SMTPSessionTests {
    /// The codes of all replies, and the mails, to what a client sends in these pieces.
    static func talk(_ pieces: [String], limits: SMTPLimits = SMTPLimits()) -> (codes: [Int], mails: [ReceivedMail], isClosed: Bool) {
        var session = SMTPSession(hostName: "test", limits: limits)
        var codes: [Int] = []
        var mails: [ReceivedMail] = []
        func note(_ output: SMTPSession.Output) {
            switch output {
            case .reply(let text): codes.append(text.split(separator: "\r\n").last.flatMap { Int($0.prefix(3)) } ?? 0)
            case .mail(let mail): mails.append(mail)
            }
        }
        for piece in pieces {
            session.receive(Array(piece.utf8))
            while let output = session.next() {
                note(output)
                if case .mail = output { note(session.finish(kept: true)) }
            }
        }
        return (codes, mails, session.isClosed)
    }

    static let dialogue = "EHLO me\r\nMAIL FROM:<a@b> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nrcpt to:<e@d>\r\nDATA\r\n"
        + "Subject: x\r\n\r\n..dot\r\n.x\r\nend\r\n.\r\nNOOP\r\nQUIT\r\n"

    @Test("A mail comes through whole, however its bytes are cut", arguments: [1, 2, 3, 7, 64, 10_000])
    func pieces(size: Int) {
        let bytes = Array(Self.dialogue)
        let pieces = stride(from: 0, to: bytes.count, by: size).map { String(bytes[$0..<min($0 + size, bytes.count)]) }
        let (codes, mails, isClosed) = Self.talk(pieces)
        #expect(codes == [250, 250, 250, 250, 354, 250, 250, 221])
        #expect(mails.map(\.recipients) == [["c@d", "e@d"]])
        #expect(mails.map(\.sender) == ["a@b"])
        #expect(mails.map { String(decoding: $0.content, as: UTF8.self) } == ["Subject: x\r\n\r\n.dot\r\nx\r\nend\r\n"])
        #expect(isClosed)
    }

    @Test("Commands out of order or without sense are refused, each by its code", arguments: [
        ("MAIL FROM:<a@b>\r\n", [503]), ("EHLO\r\n", [501]), ("EHLO x\r\nRCPT TO:<a@b>\r\n", [250, 503]), ("EHLO x\r\nDATA\r\n", [250, 503]),
        ("EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\n", [250, 250, 554]), ("EHLO x\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", [250, 250, 503]),
        ("EHLO x\r\nMAIL FROM:a@b\r\n", [250, 501]), ("EHLO x\r\nMAIL FROM:<a@b> X=1\r\n", [250, 555]),
        ("EHLO x\r\nMAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<c@d>\r\n", [250, 250, 250, 503]), ("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n", [250, 250, 501]),
        ("EHLO x\r\nMAIL FROM:<a@b> SIZE=2000000\r\n", [250, 552]), ("X\u{0}Y\r\nVRFY a\r\nHELP\r\nWHAT\r\n", [500, 252, 214, 500]),
    ])
    func order(dialogue: String, codes: [Int]) {
        #expect(Self.talk([dialogue]).codes == codes)
    }

    @Test("A bare line feed ends no line, so no mail is smuggled inside another")
    func smuggling() {
        let (codes, mails, _) = Self.talk([
            "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\n.\nMAIL FROM:<evil@x>\n.\r\nmore\r\n.\r\n"
        ])
        #expect(codes == [250, 250, 250, 354, 250])
        #expect(mails.count == 1)
    }

    @Test("Nothing grows beyond its limit: lines, mails, recipients, faults")
    func limits() {
        var limits = SMTPLimits()
        limits.maxCommandBytes = 64
        limits.maxTextLineBytes = 100
        limits.maxMessageBytes = 500
        limits.maxRecipients = 2
        limits.maxErrors = 3
        let start = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
        let line = String(repeating: "y", count: 98) + "\r\n"
        let long = Self.talk([String(repeating: "A", count: 65)], limits: limits)
        #expect(long.codes == [500])
        #expect(long.isClosed)
        #expect(Self.talk([start + "DATA\r\n" + String(repeating: "z", count: 101)], limits: limits).isClosed)
        #expect(Self.talk([start + "DATA\r\nz" + line], limits: limits).isClosed)
        let large = Self.talk([start + "DATA\r\n" + String(repeating: line, count: 6) + ".\r\nNOOP\r\n"], limits: limits)
        #expect(large.codes.suffix(2) == [552, 250])
        #expect(large.mails.isEmpty)
        #expect(Self.talk([start + "RCPT TO:<e@d>\r\nRCPT TO:<f@d>\r\n"], limits: limits).codes.suffix(2) == [250, 452])
        let faults = Self.talk([String(repeating: "WHAT\r\n", count: 10)], limits: limits)
        #expect(faults.codes == [500, 500, 500, 421])
        #expect(faults.isClosed)
    }
}

@Suite("The mail catcher's folder") struct MailFolderTests {
    @Test("A mail that comes again is the same file; others are others; nothing else stays")
    func names() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let folder = try MailFolder(path: path)
        func keep(_ content: String) throws -> String {
            try folder.keep(ReceivedMail(sender: "a@b", recipients: ["c@d"], content: Array(content.utf8)))
        }
        #expect(try keep("Message-ID: <a.1@x>\r\n\r\nfirst\r\n") == "a.1@x.eml")
        #expect(try keep("Subject: s\r\nMESSAGE-ID:\r\n <a.1@x>\r\n\r\nsecond\r\n") == "a.1@x.eml")
        let strange = try keep("Message-ID: <../../x@y>\r\n\r\nMessage-ID: <body@x>\r\n")
        let nameless = try keep("Subject: s\r\n\r\nMessage-ID: <body@x>\r\n")
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: path)) == ["a.1@x.eml", strange, nameless])
        #expect(!strange.contains("/"))
        #expect(try String(contentsOfFile: path + "/a.1@x.eml", encoding: .utf8).hasSuffix("second\r\n"))
    }

    @Test("Whatever a Message-ID holds, the name stays in the folder", arguments: [
        "<.>", "<..>", "<.hidden>", "<a/b>", "<a\u{0}b>", "<>", "<\(String(repeating: "x", count: 300))>", "no brackets", "<ü@x>",
    ])
    func hostileNames(id: String) throws {
        let name = try #require(MailFolder.fileName(messageID: id))
        #expect(name.utf8.count <= 200 && !name.hasPrefix(".") && !name.contains("/") && !name.isEmpty)
    }
}
