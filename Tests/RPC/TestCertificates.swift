import Foundation
import TestPrograms

/// A certificate authority and certificates from it, made by the openssl command line in a temporary folder.
final class TestCertificates: Sendable {
    let folder: String

    var authority: String { folder + "/ca.pem" }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("rpc-tests-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test-ca",
            "-keyout", "ca.key", "-out", "ca.pem")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Makes NAME.pem and NAME.key; returns both paths.
    func make(_ name: String, names: String = "DNS:localhost,IP:127.0.0.1") throws -> (certificate: String, key: String) {
        try openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
            "-keyout", "\(name).key", "-out", "\(name).csr")
        try Data("subjectAltName=\(names)\n".utf8).write(to: URL(fileURLWithPath: folder + "/\(name).ext"))
        try openssl("x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
            "-extfile", "\(name).ext", "-out", "\(name).pem")
        return ("\(folder)/\(name).pem", "\(folder)/\(name).key")
    }

    private func openssl(_ arguments: String...) throws {
        let (status, output) = try run("/usr/bin/openssl", arguments, folder: folder)
        guard status == 0 else { throw ProgramFailure(output) }
    }
}
