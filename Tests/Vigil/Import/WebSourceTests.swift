import Foundation
import Synchronization
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

@testable import Vigil

/// Rows of HTTP APIs that come in pages.
@Suite struct WebSourceTests {
    private func source(_ api: FakeAPI, _ paging: WebSource.Paging?) throws -> WebSource {
        WebSource(url: try #require(URL(string: "http://127.0.0.1:\(api.port)/rows")), paging: paging, records: [])
    }

    private func take(_ source: WebSource, since entry: ImportState.Entry? = nil) async throws -> (rows: Int, entry: ImportState.Entry?)? {
        guard case .rows(let rows) = try await source.spool(since: entry) else { return nil }
        return (try String(contentsOfFile: rows.file.path, encoding: .utf8).split(separator: "\n").count, rows.entry)
    }

    @Test func pagesSmallerThanAskedForAreAllTaken() async throws {
        let api = try FakeAPI { request in
            let start = Int(request.path.split(separator: "=").last ?? "") ?? 0
            let rows = (0..<7).dropFirst(start).prefix(2).map { "{\"id\":\($0)}" }
            return .init(body: "[\(rows.joined(separator: ","))]")
        }
        let paging = try #require(WebSource.Paging(argument: "offset:start:5"))
        #expect(try await take(source(api, paging))?.rows == 7)
        #expect(api.requests.map(\.path) == [0, 2, 4, 6, 7].map { "/rows?start=\($0)" })
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["", "u:wrong@"])
    func aServerThatWantsAPasswordIsToldOfAndNotWaitedFor(user: String) async throws {
        let api = try FakeAPI { request in
            let isRight = request.headers["authorization"] == "Basic \(Data("u:right".utf8).base64EncodedString())"
            return isRight ? .init(body: "[{\"id\":1}]") : .init(status: 401, headers: ["WWW-Authenticate": "Basic realm=\"x\""], body: "no")
        }
        func source(_ user: String) throws -> WebSource {
            WebSource(url: try #require(URL(string: "http://\(user)127.0.0.1:\(api.port)/rows")), paging: .link, records: [])
        }
        let refusal = await #expect(throws: WebSource.Refusal.self) { try await source(user).spool(since: nil) }
        #expect(refusal?.description == "127.0.0.1:\(api.port)/rows, page 1: the answer has the status 401: it wants a login, or another; only Basic "
                + "is spoken, with the user and password in the address")
        #expect(try await take(source("u:right@"))?.rows == 1)
    }

    @Test(arguments: ["page:p", "offset:start", "link"]) func aServerThatKnowsNoPagesIsNotAskedForever(word: String) async throws {
        let api = try FakeAPI { request in
            .init(headers: ["Link": "<\(request.path)x>; rel=\"next\""], body: "[{\"id\":1},{\"id\":2}]")
        }
        let paging: WebSource.Paging = try #require(.init(argument: word))
        let source = try source(api, paging)
        let problem = await #expect(throws: SuiteConnection.Problem.self) { try await source.spool(since: nil) }
        let path = word == "link" ? "/rowsx" : "/rows"
        #expect(problem?.description == "127.0.0.1:\(api.port)\(path), page 2: has the same rows as page 1; does the server know this paging?")
        #expect(api.requests.count == 2)
    }

    @Test func whatFailsIsNamedByItsPathAndPageWithoutItsParameters() async throws {
        let api = try FakeAPI { request in
            request.path.contains("=2") ? .init(status: 500) : .init(body: "[{\"id\":1}]")
        }
        let url = try #require(URL(string: "http://127.0.0.1:\(api.port)/rows?key=secret"))
        let source = WebSource(url: url, paging: .page(parameter: "p"), records: [])
        let refusal = await #expect(throws: WebSource.Refusal.self) { try await source.spool(since: nil) }
        #expect(refusal?.description == "127.0.0.1:\(api.port)/rows, page 2: the answer has the status 500")
    }

    @Test func aTimeOutIsSaidInWords() {
        #expect(plainly(URLError(.timedOut)) == "no answer in time")
        #expect(plainly(NSError(domain: NSURLErrorDomain, code: NSURLErrorTimedOut)) == "no answer in time")
    }

    @Test func aChangeOnALaterPageIsAChange() async throws {
        let last = Mutex("[{\"id\":2}]")
        let api = try FakeAPI { request in
            if request.path == "/rows?page=2" { return .init(body: last.withLock { $0 }) }
            guard request.headers["if-none-match"] == nil else { return .init(status: 304) }
            return .init(headers: ["ETag": "\"1\"", "Link": "</rows?page=2>; rel=\"next\""], body: "[{\"id\":1}]")
        }
        let source = try source(api, .link)
        let first = try #require(try await take(source))
        #expect(first.rows == 2)
        #expect(try await take(source, since: first.entry) == nil)
        last.withLock { $0 = "[{\"id\":2},{\"id\":3}]" }
        #expect(try await take(source, since: first.entry)?.rows == 3)
    }

    @Test func oneAnswerIsAskedForAgainOnlyWhenItHasChanged() async throws {
        let api = try FakeAPI { request in
            request.headers["if-none-match"] == "\"1\"" ? .init(status: 304) : .init(headers: ["ETag": "\"1\""], body: "id\n1\n")
        }
        let source = try source(api, nil)
        let first = try #require(try await take(source))
        #expect(first.entry == ImportState.Entry(etag: "\"1\""))
        #expect(try await take(source, since: first.entry) == nil)
    }

    @Test func howLongToWaitIsInSecondsOrADate() throws {
        let now = Date(timeIntervalSince1970: 784_111_777)
        #expect(WebSource.wait(in: "120", now: now) == .seconds(120))
        #expect(WebSource.wait(in: "Sun, 06 Nov 1994 08:50:37 GMT", now: now) == .seconds(60))
        #expect(WebSource.wait(in: "9999999999999", now: now) == .seconds(86_400))
        for word in ["-1", "Sun, 06 Nov 1994 08:00:00 GMT"] { #expect(WebSource.wait(in: word, now: now) == .zero) }
        #expect(WebSource.wait(in: "soon", now: now) == nil)
    }
}
