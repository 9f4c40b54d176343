import CCurl
import Dispatch
import Synchronization

/// A mail server to hand mails to.
struct MailServer: Sendable, Hashable {
    /// `smtp://host:port` (TLS by STARTTLS where the server offers it) or `smtps://host:port`.
    var url: String
    var username: String?
    var password: String?
    /// Roots that vouch for the server, PEM; the system's where nil.
    var trustFile: String?
    /// Refuses to speak in plaintext.
    var requiresTLS = false
    var connectTimeoutSeconds = 10.0
    /// For one mail, from connecting to the server's answer.
    var timeoutSeconds = 30.0
}

/// A mail that the server did not take.
struct MailError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Trying again cannot help: the server refused the recipient or the mail for good.
    let isPermanent: Bool
    let description: String
}

/// Sends by SMTP (RFC 5321), through libcurl, which blocks: each mail under way has a thread of its own, outside Swift's pool.
/// The caller bounds how many.
struct MailChannel: Sendable {
    let server: MailServer
    private let threads = DispatchQueue(label: "vigil.mail", attributes: .concurrent)

    init(server: MailServer) {
        // Once in the process, before any thread uses libcurl.
        _ = Self.globalState
        self.server = server
    }

    private static let globalState: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    /// Returns when the server has taken the mail.
    ///
    /// - Throws: ``MailError``, or `CancellationError` when the task was cancelled before the server's answer: the mail may have
    ///   been taken then.
    func send(_ mail: MailMessage) async throws {
        let transfer = MailTransfer(mail.bytes)
        let result: Result<Void, any Error> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                threads.async { continuation.resume(returning: Result { try perform(mail, transfer) }) }
            }
        } onCancel: {
            transfer.isCancelled.store(true, ordering: .relaxed)
        }
        try result.get()
    }

    private func perform(_ mail: MailMessage, _ transfer: MailTransfer) throws {
        guard let handle = curl_easy_init(), let recipients = curl_slist_append(nil, "<\(mail.recipient)>") else {
            throw MailError(isPermanent: false, description: "libcurl is out of memory")
        }
        defer {
            curl_easy_cleanup(handle)
            curl_slist_free_all(recipients)
        }
        var reason = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
        let code = reason.withUnsafeMutableBufferPointer { reason in
            var code = configure(handle, mail, recipients, transfer)
            if code == CURLE_OK, let buffer = reason.baseAddress { code = vigil_curl_set_error_buffer(handle, buffer) }
            return code == CURLE_OK ? curl_easy_perform(handle) : code
        }
        guard code != CURLE_OK else { return }
        if transfer.isCancelled.load(ordering: .relaxed) { throw CancellationError() }
        let answer = vigil_curl_response_code(handle)
        let detail = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        throw MailError(
            isPermanent: Self.isPermanent(answer: answer, code: code, isBodySent: transfer.isBegun), description: text)
    }

    /// A 5yz answer to the envelope or to the mail is final (RFC 5321, 4.2.1). One to the greeting or to the login is about the
    /// server or its configuration, which may be put right.
    private static func isPermanent(answer: Int, code: CURLcode, isBodySent: Bool) -> Bool {
        let isAboutLogin = [530, 534, 535, 538].contains(answer)
        return (500..<600).contains(answer) && !isAboutLogin && (isBodySent || code == CURLE_SEND_ERROR)
    }

    /// The caller keeps `transfer` alive until the handle is gone.
    private func configure(
        _ handle: UnsafeMutableRawPointer, _ mail: MailMessage, _ recipients: UnsafeMutablePointer<curl_slist>, _ transfer: MailTransfer
    ) -> CURLcode {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        let tls = server.requiresTLS ? CURLUSESSL_ALL : CURLUSESSL_TRY
        let settings: [() -> CURLcode] = [
            // The path is the name that EHLO gives.
            { vigil_curl_set_text(handle, CURLOPT_URL, "\(server.url)/\(mail.sender.domain)") },
            { vigil_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps") },
            { vigil_curl_set_text(handle, CURLOPT_NOPROXY, "*") },
            { vigil_curl_set_long(handle, CURLOPT_NOSIGNAL, 1) },
            { vigil_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(server.connectTimeoutSeconds * 1_000)) },
            { vigil_curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(server.timeoutSeconds * 1_000)) },
            { vigil_curl_set_long(handle, CURLOPT_USE_SSL, Int(tls.rawValue)) },
            { vigil_curl_set_text(handle, CURLOPT_MAIL_FROM, "<\(mail.sender)>") },
            { vigil_curl_set_list(handle, CURLOPT_MAIL_RCPT, recipients) },
            { vigil_curl_set_long(handle, CURLOPT_UPLOAD, 1) },
            { vigil_curl_set_source(handle, readMail, context) },
            { vigil_curl_set_progress(handle, stopWhenCancelled, context) },
            { vigil_curl_set_long(handle, CURLOPT_NOPROGRESS, 0) },
            { server.trustFile.map { vigil_curl_set_text(handle, CURLOPT_CAINFO, $0) } ?? CURLE_OK },
            { server.username.map { vigil_curl_set_text(handle, CURLOPT_USERNAME, $0) } ?? CURLE_OK },
            { server.password.map { vigil_curl_set_text(handle, CURLOPT_PASSWORD, $0) } ?? CURLE_OK },
        ]
        for set in settings {
            let code = set()
            if code != CURLE_OK { return code }
        }
        return CURLE_OK
    }
}

/// What libcurl's callbacks work on. `@unchecked`: `offset` is touched only by the thread that performs the transfer, and all
/// else is constant or atomic.
private final class MailTransfer: @unchecked Sendable {
    private let bytes: [UInt8]
    private var offset = 0
    let isCancelled = Atomic(false)

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Whether the server has let the mail begin.
    var isBegun: Bool { offset > 0 }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count - offset)
        buffer.copyBytes(from: bytes[offset..<offset + count])
        offset += count
        return count
    }
}

private func readMail(_ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    guard let buffer, let context else { return 0 }
    let transfer = Unmanaged<MailTransfer>.fromOpaque(context).takeUnretainedValue()
    return transfer.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
}

private func stopWhenCancelled(
    _ context: UnsafeMutableRawPointer?, _: curl_off_t, _: curl_off_t, _: curl_off_t, _: curl_off_t
) -> CInt {
    guard let context else { return 0 }
    return Unmanaged<MailTransfer>.fromOpaque(context).takeUnretainedValue().isCancelled.load(ordering: .relaxed) ? 1 : 0
}
