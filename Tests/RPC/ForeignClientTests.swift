import Foundation
import RPC
import TestPrograms
import Testing

/// What other people's programs see, beside curl and h2load: nghttp, and a browser.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ForeignClientTests {
    private static func installed(_ program: String) -> Bool { FileManager.default.isExecutableFile(atPath: program) }

    @Test(.enabled(if: installed("/usr/bin/nghttp"), "nghttp is not installed"))
    func nghttpGetsARoutesAnswer() async throws {
        let hello = HTTPRoute("GET", "/hello/{name}") { .text("hello \($0.pathParameters["name"] ?? "")") }
        try await withServerAndChannel([], routes: [hello]) { _, server in
            let (status, output) = try await runInBackground("/usr/bin/nghttp", ["http://\(server.address)/hello/nghttp"])
            #expect(status == 0 && output == "hello nghttp", "\(output)")
        }
    }

    @Test(.enabled(if: installed("/usr/bin/chromium"), "chromium is not installed"))
    func aBrowserRunsAPageThatCallsAMethodInJSON() async throws {
        let page = HTTPRoute("GET", "/") { _ in
            .text("""
                <body><script>fetch("/test.Test/Echo", {method: "POST", headers: {"content-type": "application/json"},
                body: JSON.stringify({payload: {body: btoa("from a browser")}})}).then(answer => answer.json())
                .then(answer => { document.body.textContent = "said: " + atob(answer.payload.body) })</script></body>
                """, contentType: "text/html; charset=utf-8")
        }
        let certificates = try TestCertificates()
        let files = try certificates.make("server")
        try await withServerAndChannel([echo], routes: [page], configure: { configuration in
            configuration.tls = TLSConfiguration(certificateChainFile: files.certificate, privateKeyFile: files.key)
        }) { _, server in
            let (_, output) = try await runInBackground(
                "/usr/bin/chromium",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
                    "--user-data-dir=\(certificates.folder)/browser", "--virtual-time-budget=10000", "--dump-dom",
                    "https://127.0.0.1:\(server.port)/",
                ])
            #expect(output.contains("said: from a browser"), "\(output)")
        }
    }
}
