import DevelopmentCertificates
import Foundation
import Testing

@Suite struct CertificateFolderTests {
    private func withFolder<R>(_ body: (CertificateFolder) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "certificates-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(CertificateFolder(folder))
    }

    private func openssl(_ arguments: String...) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test func opensslAcceptsTheChainForServerAndClient() throws {
        try withFolder { folder in
            _ = try folder.prepare(names: ["feature-store"])
            for purpose in ["sslserver", "sslclient"] {
                let verified = try openssl(
                    "verify", "-x509_strict", "-purpose", purpose, "-CAfile", folder.certificateFile("ca"),
                    folder.certificateFile("feature-store"))
                #expect(verified.status == 0)
            }
            let text = try openssl("x509", "-in", folder.certificateFile("feature-store"), "-noout", "-subject", "-ext", "subjectAltName")
            #expect(text.output.contains("CN = feature-store"))
            #expect(text.output.contains("DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:feature-store"))
        }
    }

    @Test func keysAreReadableByTheirOwnerOnly() throws {
        try withFolder { folder in
            _ = try folder.prepare(names: ["notifier"])
            for name in ["ca", "notifier"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: folder.keyFile(name))
                #expect(attributes[.posixPermissions] as? Int == 0o600)
            }
        }
    }

    @Test func whatIsValidIsKeptAndWhatIsNearItsEndIsRenewed() throws {
        try withFolder { folder in
            let start = Date(timeIntervalSince1970: 1_800_000_000)
            let day = 86_400.0
            #expect(try folder.prepare(names: ["a", "b"], now: start).map(\.outcome) == [.created, .created, .created])
            #expect(try folder.prepare(names: ["a", "b"], now: start + 300 * day).map(\.outcome) == [.kept, .kept, .kept])
            try FileManager.default.removeItem(atPath: folder.keyFile("a"))
            #expect(try folder.prepare(names: ["a", "b"], now: start + 340 * day).map(\.outcome) == [.kept, .created, .renewed])
            // The authority has less than a leaf's life left, so it is replaced, and with it all that it signed.
            #expect(try folder.prepare(names: ["a", "b"], now: start + 3_400 * day).map(\.outcome) == [.renewed, .renewed, .renewed])
        }
    }

    @Test func furtherHostMakesNewCertificates() throws {
        try withFolder { folder in
            _ = try folder.prepare(names: ["a"])
            var wider = folder
            wider.hosts.append("vigil.example")
            #expect(try wider.prepare(names: ["a"]).map(\.outcome) == [.kept, .renewed])
            #expect(try wider.prepare(names: ["a"]).map(\.outcome) == [.kept, .kept])
        }
    }
}
