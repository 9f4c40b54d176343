/// A mail as it came.
struct ReceivedMail: Sendable, Hashable {
    var sender: String
    var recipients: [String]
    /// Lines end in CRLF, dots are no longer doubled.
    var content: [UInt8]
}

/// What a mail receiver allows.
struct SMTPLimits: Sendable, Hashable {
    /// With its CRLF (RFC 5321, 4.5.3.1.4, and room for extensions).
    var maxCommandBytes = 2_048
    /// With its CRLF; RFC 5321 asks for 1,000, others send more.
    var maxTextLineBytes = 16_384
    var maxMessageBytes = 1 << 20
    var maxRecipients = 100
    /// After so many commands that make no sense, the session ends.
    var maxErrors = 20
}

/// The receiver's side of one SMTP session (RFC 5321): bytes in, what to do out. No I/O.
///
/// Commands may come many at once (RFC 2920). A mail in the output must be kept before its answer goes out; whoever keeps it calls
/// ``finish(kept:)`` for that answer, and ``next()`` goes on with what has come meanwhile.
struct SMTPSession {
    enum Output: Sendable, Hashable {
        /// A reply, with its CRLF.
        case reply(String)
        /// To be kept; then ``SMTPSession/finish(kept:)``.
        case mail(ReceivedMail)
    }

    private enum State {
        case commands, data, keeping, closed
    }

    private let hostName: String
    private let limits: SMTPLimits
    private var state = State.commands
    private var input: [UInt8] = []
    /// Where in `input` the next line begins, and how far it has been looked for the line's end.
    private var lineStart = 0
    private var searched = 0
    private var hasGreeted = false
    private var sender: String?
    private var recipients: [String] = []
    private var content: [UInt8] = []
    private var isTooLarge = false
    private var errors = 0

    init(hostName: String, limits: SMTPLimits = SMTPLimits()) {
        self.hostName = hostName
        self.limits = limits
    }

    /// What the receiver says first.
    var greeting: String { "220 \(hostName) ESMTP Vigil mail catcher\r\n" }

    mutating func receive(_ bytes: some Sequence<UInt8>) {
        guard state != .closed else { return }
        input.append(contentsOf: bytes)
    }

    /// What comes next; nil when more bytes are needed, or a mail waits for ``finish(kept:)``.
    mutating func next() -> Output? {
        while state == .commands || state == .data {
            guard let line = nextLine() else {
                let limit = state == .data ? limits.maxTextLineBytes : limits.maxCommandBytes
                return input.count - lineStart > limit ? end(with: "500 5.5.2 Line too long") : nil
            }
            let output = state == .data ? text(line) : command(line)
            if let output { return output }
        }
        return nil
    }

    /// The answer to a mail.
    mutating func finish(kept: Bool) -> Output {
        state = .commands
        return .reply(kept ? "250 2.0.0 Kept\r\n" : "452 4.3.1 Cannot be kept now\r\n")
    }

    // MARK: Lines

    /// The next line without its CRLF. A bare LF ends no line (RFC 5321, 2.3.8), or a mail could smuggle another in.
    private mutating func nextLine() -> ArraySlice<UInt8>? {
        var index = max(searched, lineStart + 1)
        while index < input.count {
            if input[index] == UInt8(ascii: "\n"), input[index - 1] == UInt8(ascii: "\r") {
                let line = input[lineStart..<index - 1]
                lineStart = index + 1
                searched = lineStart
                return line
            }
            index += 1
        }
        searched = max(input.count, lineStart)
        input.removeSubrange(..<lineStart)
        searched -= lineStart
        lineStart = 0
        return nil
    }

    /// A line of the mail's text; an output when it was the last.
    private mutating func text(_ line: ArraySlice<UInt8>) -> Output? {
        if line.elementsEqual([UInt8(ascii: ".")]) {
            defer { reset() }
            if isTooLarge {
                state = .commands
                return .reply("552 5.3.4 Mail too large\r\n")
            }
            state = .keeping
            return .mail(ReceivedMail(sender: sender ?? "", recipients: recipients, content: content))
        }
        if line.count + 2 > limits.maxTextLineBytes { return end(with: "500 5.5.2 Line too long") }
        let text = line.first == UInt8(ascii: ".") ? line.dropFirst() : line
        if content.count + text.count + 2 > limits.maxMessageBytes { isTooLarge = true }
        guard !isTooLarge else {
            content = []
            return nil
        }
        content += text
        content += [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        return nil
    }

    // MARK: Commands

    private mutating func command(_ bytes: ArraySlice<UInt8>) -> Output {
        guard bytes.count + 2 <= limits.maxCommandBytes else { return end(with: "500 5.5.2 Line too long") }
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return fault("500 5.5.2 Not a command") }
        let line = String(decoding: bytes, as: UTF8.self)
        let verb = line.prefix { $0 != " " }.uppercased()
        let argument = line.dropFirst(verb.count).drop { $0 == " " }
        switch verb {
        case "EHLO", "HELO":
            guard !argument.isEmpty else { return fault("501 5.5.4 Say who you are") }
            hasGreeted = true
            reset()
            guard verb == "EHLO" else { return .reply("250 \(hostName)\r\n") }
            return .reply(
                "250-\(hostName)\r\n250-PIPELINING\r\n250-SIZE \(limits.maxMessageBytes)\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n")
        case "MAIL": return mail(argument)
        case "RCPT": return recipient(argument)
        case "DATA":
            guard argument.isEmpty else { return fault("501 5.5.4 DATA takes no argument") }
            guard sender != nil else { return fault("503 5.5.1 MAIL first") }
            guard !recipients.isEmpty else { return fault("554 5.5.1 No recipients") }
            state = .data
            return .reply("354 End with a dot on a line of its own\r\n")
        case "RSET":
            reset()
            return .reply("250 2.0.0 Forgotten\r\n")
        case "NOOP": return .reply("250 2.0.0 Here\r\n")
        case "VRFY": return .reply("252 2.5.1 Send and see\r\n")
        case "HELP": return .reply("214 2.0.0 RFC 5321\r\n")
        case "QUIT": return end(with: "221 2.0.0 Bye")
        default: return fault("500 5.5.1 Unknown command")
        }
    }

    private mutating func mail(_ argument: Substring) -> Output {
        guard hasGreeted else { return fault("503 5.5.1 EHLO first") }
        guard sender == nil else { return fault("503 5.5.1 A mail has begun already") }
        guard let (path, parameters) = Self.path(argument, after: "FROM:") else { return fault("501 5.1.7 MAIL FROM:<address>") }
        for parameter in parameters {
            let pair = parameter.split(separator: "=", maxSplits: 1)
            switch pair[0].uppercased() {
            case "SIZE":
                guard pair.count == 2, let size = Int(pair[1]), size >= 0 else { return fault("501 5.5.4 SIZE=bytes") }
                guard size <= limits.maxMessageBytes else { return .reply("552 5.3.4 Mail too large\r\n") }
            case "BODY": continue
            default: return fault("555 5.5.4 Unknown parameter")
            }
        }
        sender = path
        return .reply("250 2.1.0 From noted\r\n")
    }

    private mutating func recipient(_ argument: Substring) -> Output {
        guard sender != nil else { return fault("503 5.5.1 MAIL first") }
        guard let (path, parameters) = Self.path(argument, after: "TO:"), !path.isEmpty else { return fault("501 5.1.3 RCPT TO:<address>") }
        guard parameters.isEmpty else { return fault("555 5.5.4 Unknown parameter") }
        guard recipients.count < limits.maxRecipients else { return .reply("452 4.5.3 Too many recipients\r\n") }
        recipients.append(path)
        return .reply("250 2.1.5 To noted\r\n")
    }

    /// `FROM:<address> SIZE=7` as address and parameters; nil when it has not that form.
    private static func path(_ text: Substring, after prefix: String) -> (path: String, parameters: [Substring])? {
        guard text.prefix(prefix.count).uppercased() == prefix else { return nil }
        let rest = text.dropFirst(prefix.count).drop { $0 == " " }
        guard rest.first == "<", let end = rest.firstIndex(of: ">") else { return nil }
        let path = rest[rest.index(after: rest.startIndex)..<end]
        let parameters = rest[rest.index(after: end)...]
        guard path.utf8.count <= 256, !path.contains(where: { $0 == " " || $0 == "<" }), parameters.isEmpty || parameters.first == " " else {
            return nil
        }
        return (String(path), parameters.split(separator: " "))
    }

    private mutating func reset() {
        sender = nil
        recipients = []
        content = []
        isTooLarge = false
    }

    private mutating func fault(_ reply: String) -> Output {
        errors += 1
        return errors > limits.maxErrors ? end(with: "421 4.7.0 Too many errors") : .reply(reply + "\r\n")
    }

    /// Says goodbye.
    private mutating func end(with reply: String) -> Output {
        state = .closed
        input = []
        lineStart = 0
        searched = 0
        return .reply(reply + "\r\n")
    }

    /// Whether the session is over once its outputs have been sent.
    var isClosed: Bool { state == .closed }
}
