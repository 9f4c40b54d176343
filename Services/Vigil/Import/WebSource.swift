import ArgumentParser
import Crypto
import Datasets
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What an HTTP API answers: one file, or JSON page by page.
struct WebSource: RowSource {
    /// How one page leads to the next.
    enum Paging: ExpressibleByArgument, Equatable {
        /// The header `Link: <…>; rel="next"`.
        case link
        /// A parameter that counts pages, from what the URL says or from 1.
        case page(parameter: String)
        /// A parameter that says how many rows to pass over, beside those that the URL says.
        case offset(parameter: String)

        init?(argument: String) {
            let words = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            switch (words.first, words.count) {
            case ("link", 1): self = .link
            case ("page", 2) where !words[1].isEmpty: self = .page(parameter: words[1])
            case ("offset", 2) where !words[1].isEmpty: self = .offset(parameter: words[1])
            // Earlier versions wanted a page's size; how much comes is the server's to say.
            case ("offset", 3) where !words[1].isEmpty && Int(words[2]).map({ $0 > 0 }) == true: self = .offset(parameter: words[1])
            default: return nil
            }
        }
    }

    static let maxPageBytes = 256 << 20
    static let maxPages = 10_000
    static let timeoutSeconds = 120.0

    let url: URL
    let paging: Paging?
    /// Where the list is in a page.
    let records: [String]

    var label: String { url.host ?? "" }
    var key: String { "http \(withoutPassword(url.absoluteString)) paging \(paging.map { "\($0)" } ?? "none")" }
    var formerKey: String { "http \(url.absoluteString)" }

    /// Takes what the API has, unless it says that nothing has changed.
    func spool(since entry: ImportState.Entry?) async throws -> Spooling {
        guard var page = try await get(try address(page: 0, rows: 0), number: 1, etag: entry?.etag) else { return .nothing("\(label): nothing has changed") }
        let file = try SpoolFile()
        guard let paging else {
            try file.write(page.body)
            try file.finish()
            return .rows(SpooledRows(file: file, entry: page.etag.map { ImportState.Entry(etag: $0) }, areLines: false))
        }
        // No page's ETag says anything of the others: what tells whether anything has changed is all their rows.
        var digest = SHA256()
        var count = 0
        var number = 0
        var seen: Set<URL> = []
        var rowsBefore: SHA256Digest?
        while true {
            let before = count
            var pageDigest = SHA256()
            let pageFile = try SpoolFile()
            try pageFile.write(page.body)
            try pageFile.finish()
            try JSONPage.forEachRecord(in: pageFile.path, records: records, name: "page \(number + 1) of \(label)") { bytes in
                try file.write(line: bytes)
                let line = bytes + [UInt8(ascii: "\n")]
                digest.update(data: line)
                pageDigest.update(data: line)
                count += 1
            }
            number += 1
            let pageRows = pageDigest.finalize()
            guard count == before || pageRows != rowsBefore else {
                throw SuiteConnection.Problem(
                    description: "\(name(of: page.address, number: number)): has the same rows as page \(number - 1); does the server know this paging?")
            }
            rowsBefore = pageRows
            guard number < Self.maxPages else {
                throw SuiteConnection.Problem(description: "\(label) has more than \(Self.maxPages) pages, which is the most that are taken")
            }
            let next: URL?
            switch paging {
            case .link: next = page.next
            case .page, .offset: next = count == before ? nil : try address(page: number, rows: count)
            }
            guard let next else { break }
            guard seen.insert(next).inserted else {
                throw SuiteConnection.Problem(description: "page \(number) of \(label) leads back to a page before it: \(withoutPassword("\(next)"))")
            }
            guard let following = try await get(next, number: number + 1, etag: nil) else { break }
            page = following
        }
        guard count > 0 else { return .nothing("\(label) has no rows") }
        let found = ImportState.Entry(digest: hex(digest.finalize()))
        guard found != entry else { return .nothing("\(label): nothing has changed") }
        try file.finish()
        return .rows(SpooledRows(file: file, entry: found, areLines: true))
    }

    /// Of a page that so many pages and rows come before.
    func address(page: Int, rows: Int) throws -> URL {
        let (parameter, first, count): (String, Int, Int)
        switch paging {
        case nil, .link: return url
        case .page(let name): (parameter, first, count) = (name, 1, page)
        case .offset(let name): (parameter, first, count) = (name, 0, rows)
        }
        guard var parts = URLComponents(url: url, resolvingAgainstBaseURL: true) else {
            throw SuiteConnection.Problem(description: "\(url) is no URL")
        }
        let said = parts.queryItems?.first { $0.name == parameter }?.value.flatMap { Int($0) }
        let item = URLQueryItem(name: parameter, value: "\((said ?? first) + count)")
        parts.queryItems = (parts.queryItems ?? []).filter { $0.name != item.name } + [item]
        guard let address = parts.url else { throw SuiteConnection.Problem(description: "\(url) is no URL") }
        return address
    }

    /// What to call a page in an error: without its parameters, which may hold a key.
    private func name(of address: URL, number: Int) -> String {
        let place = (address.host ?? "") + (address.port.map { ":\($0)" } ?? "") + address.path
        return paging == nil ? place : "\(place), page \(number)"
    }

    private struct Page {
        let address: URL
        let body: Data
        let etag: String?
        let next: URL?
    }

    private static let wantsLogin = ": it wants a login, or another; only Basic is spoken, with the user and password in the address"
    private static let session = URLSession(configuration: .default, delegate: ChallengeRefuser(), delegateQueue: nil)

    /// Nil for 304.
    private func get(_ address: URL, number: Int, etag: String?) async throws -> Page? {
        let name = name(of: address, number: number)
        var request = URLRequest(url: address, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: Self.timeoutSeconds)
        request.setValue("application/geo+json, application/json, text/csv;q=0.8", forHTTPHeaderField: "Accept")
        if let etag { request.setValue(etag, forHTTPHeaderField: "If-None-Match") }
        let body: Data
        let response: URLResponse
        do {
            (body, response) = try await Self.session.data(for: request)
        } catch let error as URLError where error.code == .cancelled && !Task.isCancelled {
            throw Refusal(description: "\(name): the answer has the status 401" + Self.wantsLogin, retryAfter: nil)
        } catch {
            // What Foundation throws names the address with all its parameters.
            throw SuiteConnection.Problem(description: "\(name): \(plainly(error))")
        }
        guard let answer = response as? HTTPURLResponse else { throw SuiteConnection.Problem(description: "\(name): no answer in HTTP") }
        if answer.statusCode == 304 { return nil }
        guard answer.statusCode == 200 else {
            throw Refusal(
                description: "\(name): the answer has the status \(answer.statusCode)" + (answer.statusCode == 401 ? Self.wantsLogin : ""),
                retryAfter: answer.value(forHTTPHeaderField: "Retry-After").flatMap { Self.wait(in: $0, now: .now) })
        }
        guard answer.mimeType != "text/html" else {
            throw SuiteConnection.Problem(description: "\(name): the answer is a page for people (text/html), not data; is a login or another address wanted?")
        }
        guard body.count <= Self.maxPageBytes else {
            throw SuiteConnection.Problem(description: "\(name): the answer has more than \(Self.maxPageBytes) bytes")
        }
        let link = answer.value(forHTTPHeaderField: "Link").flatMap { Self.next(in: $0) }
        return Page(
            address: address, body: body, etag: answer.value(forHTTPHeaderField: "ETag"),
            next: link.flatMap { URL(string: $0, relativeTo: address)?.absoluteURL })
    }

    /// An answer that is no rows.
    struct Refusal: Error, CustomStringConvertible {
        let description: String
        /// How long the server asks to be left alone.
        let retryAfter: Duration?
    }

    private static let maxWaitSeconds = 86_400.0

    /// What a Retry-After header asks for, in seconds or as a date; a day at most. Source: RFC 9110, section 10.2.3.
    static func wait(in header: String, now: Date) -> Duration? {
        let dates = DateFormatter()
        dates.locale = Locale(identifier: "en_US_POSIX")
        dates.timeZone = TimeZone(identifier: "GMT")
        dates.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        guard let seconds = Int64(header).map(Double.init) ?? dates.date(from: header)?.timeIntervalSince(now) else { return nil }
        return seconds > 0 ? .seconds(min(seconds, maxWaitSeconds)) : .zero
    }

    /// The target with the relation `next` in a Link header. Source: RFC 8288, section 3.
    static func next(in header: String) -> String? {
        // An address may hold commas, and so may a quoted parameter.
        for link in header.matches(of: /<([^>]*)>((?:[^",]|"[^"]*")*)/) {
            let relations = link.2.matches(of: /;\s*[rR][eE][lL]\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/).flatMap { ($0.1 ?? $0.2 ?? "").split(separator: " ") }
            if relations.contains(where: { $0.lowercased() == "next" }) { return String(link.1) }
        }
        return nil
    }
}

/// Ends what a server wants other credentials for than the address has: left to itself Foundation would wait for ever for somebody to give some.
private final class ChallengeRefuser: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask, didReceive challenge: URLAuthenticationChallenge,
        completionHandler: @escaping @Sendable (URLSession.AuthChallengeDisposition, URLCredential?) -> Void
    ) {
        let wantsPassword = [NSURLAuthenticationMethodHTTPBasic, NSURLAuthenticationMethodHTTPDigest].contains(
            challenge.protectionSpace.authenticationMethod)
        completionHandler(wantsPassword ? .cancelAuthenticationChallenge : .performDefaultHandling, nil)
    }
}
