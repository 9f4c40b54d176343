import Foundation
import Testing

extension EndToEnd {
    /// The dashboard in a real browser.
    @Suite("The dashboard")
    struct DashboardTests {
        /// A Python that drives browsers, the set-up's own if need be; nil without one or without a browser.
        private static let python: String? = {
            guard FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium") else { return nil }
            return ["python3", "\(root)/.build/browser/bin/python"].first { name in
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = [name, "-c", "import playwright, axe_playwright_python"]
                process.standardError = FileHandle.nullDevice
                guard (try? process.run()) != nil else { return false }
                process.waitUntilExit()
                return process.terminationStatus == 0
            }
        }()

        private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

        @Test(
            "People sign in, brush, play, filter, click, acknowledge, look ahead, see events arrive; no other host is asked, axe-core finds nothing serious",
            .enabled(if: python != nil, "chromium, or Python's playwright and axe-playwright-python, are missing"), .timeLimit(.minutes(10)))
        func inABrowser() async throws {
            let python = try #require(Self.python)
            // A small city is sent and learned sooner.
            try await RunningSuite.with(arguments: [], environment: ["VIGIL_SAMPLE_CUSTOMERS": "150"]) { suite in
                // Pictures stay, to be looked at.
                let pictures = "\(Self.root)/.build/dashboard"
                try FileManager.default.createDirectory(atPath: pictures, withIntermediateDirectories: true)
                let script = "\(Self.root)/Tests/EndToEnd/Clients/dashboard.py"
                let result = try await Program.run("/usr/bin/env", [python, script, suite.home, pictures])
                try #require(result.status == 0, "\(result.output)\(result.errors)")
                let seen = try result.json()
                #expect(seen["acknowledged"] is String)
                #expect((seen["contrast"] as? [String: Double])?.keys.sorted() == ["dark", "light"])
                #expect((seen["axe"] as? [String: Int])?.count == 16)
            }
        }
    }
}
