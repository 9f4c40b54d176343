import Foundation
import ServiceRuntime

/// What the notifier reads from its environment beside the shared variables.
struct NotifierConfiguration: Sendable {
    /// Nil where alerts are only listed.
    var mailServer: MailServer?
    var sender: MailAddress?
    var recipients: [MailAddress]
    /// Without a slash at its end.
    var dashboard: String
    /// Decisions made longer ago than this are listed and not sent.
    var maxAgeHours: Int
    /// Alerts about payments made longer ago than this are listed and not sent.
    var maxPaymentAgeHours: Int
    var maxPerMinute: Int
    var concurrency: Int
    var retries: RetrySchedule
    /// How long a delivery belongs to the process that took it: longer than a mail may take.
    var leaseSeconds: Double

    init(from reader: ConfigurationReader) {
        dashboard = reader.optional("VIGIL_NOTIFIER_DASHBOARD_URL", "address of the dashboard, as officers reach it") ?? ""
        if dashboard.isEmpty { dashboard = reader.url("VIGIL_TILES_URL", default: "https://127.0.0.1:8445", "address of heatmap-tiles") }
        while dashboard.hasSuffix("/") { dashboard.removeLast() }
        maxAgeHours = reader.int(
            "VIGIL_NOTIFIER_MAX_AGE_HOURS", default: 48, in: 0...87_600, "decisions older than this are listed, not sent")
        maxPaymentAgeHours = reader.int(
            "VIGIL_NOTIFIER_MAX_PAYMENT_AGE_HOURS", default: 48, in: 0...876_000,
            "alerts about payments older than this are listed, not sent, as after an import of old ones")
        maxPerMinute = reader.int(
            "VIGIL_NOTIFIER_MAX_PER_MINUTE", default: 600, in: 1...1_000_000, "mails sent in a minute at most; the rest wait")
        concurrency = reader.int("VIGIL_NOTIFIER_CONCURRENCY", default: 4, in: 1...256, "mails under way at once, at most")
        let attempts = reader.int(
            "VIGIL_NOTIFIER_MAX_ATTEMPTS", default: 20, in: 1...1_000, "attempts at a mail, over about two hours, before it has failed")
        retries = RetrySchedule(maxAttempts: attempts)
        let timeout = reader.int("VIGIL_NOTIFIER_SMTP_TIMEOUT_SECONDS", default: 30, in: 1...600, "how long one mail may take")
        leaseSeconds = Double(timeout) + 30
        sender = nil
        recipients = []
        for text in reader.list("VIGIL_NOTIFIER_RECIPIENTS", "who is told of alerts; without any, alerts are only listed") {
            if let address = MailAddress(text) {
                if !recipients.contains(address) { recipients.append(address) }
            } else {
                reader.fail("VIGIL_NOTIFIER_RECIPIENTS", "\"\(text.prefix(80))\" is not an address of the form name@domain")
            }
        }
        mailServer = Self.mailServer(from: reader, timeoutSeconds: Double(timeout))
        let senderText = reader.optional("VIGIL_NOTIFIER_SENDER", "address from which alerts are sent")
        if let senderText {
            sender = MailAddress(senderText)
            if sender == nil { reader.fail("VIGIL_NOTIFIER_SENDER", "is not an address of the form name@domain") }
        }
        guard !recipients.isEmpty else { return }
        if mailServer == nil { reader.fail("VIGIL_NOTIFIER_SMTP_URL", "is required where VIGIL_NOTIFIER_RECIPIENTS is set") }
        if senderText == nil { reader.fail("VIGIL_NOTIFIER_SENDER", "is required where VIGIL_NOTIFIER_RECIPIENTS is set") }
    }

    private static func mailServer(from reader: ConfigurationReader, timeoutSeconds: Double) -> MailServer? {
        let address = reader.optional("VIGIL_NOTIFIER_SMTP_URL", "the mail server: smtp://host:port or smtps://host:port")
        let username = reader.optional("VIGIL_NOTIFIER_SMTP_USERNAME", "login at the mail server")
        let passwordFile = reader.optionalFile("VIGIL_NOTIFIER_SMTP_PASSWORD_FILE", "file that holds the login's password")
        let trustFile = reader.optionalFile("VIGIL_NOTIFIER_SMTP_TRUST_FILE", "roots that vouch for the mail server, PEM; else the system's")
        guard let address else { return nil }
        guard let url = URL(string: address), let scheme = url.scheme, ["smtp", "smtps"].contains(scheme), let host = url.host(),
            url.user() == nil, url.password() == nil, ["", "/"].contains(url.path()), url.query() == nil, url.fragment() == nil
        else {
            reader.fail("VIGIL_NOTIFIER_SMTP_URL", "is not of the form smtp://host:port or smtps://host:port")
            return nil
        }
        var server = MailServer(
            url: "\(scheme)://\(host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host)\(url.port.map { ":\($0)" } ?? "")")
        server.timeoutSeconds = timeoutSeconds
        server.connectTimeoutSeconds = min(10, timeoutSeconds)
        server.trustFile = trustFile
        server.username = username
        if let passwordFile, let text = try? String(contentsOfFile: passwordFile, encoding: .utf8) {
            server.password = text.trimmingCharacters(in: .newlines)
        }
        if (username == nil) != (server.password == nil) {
            reader.fail(
                username == nil ? "VIGIL_NOTIFIER_SMTP_USERNAME" : "VIGIL_NOTIFIER_SMTP_PASSWORD_FILE",
                "is required: a login needs both a name and a password")
        }
        // A password never crosses a network in plaintext.
        server.requiresTLS = username != nil && !["127.0.0.1", "::1", "localhost"].contains(host)
        return server
    }
}
