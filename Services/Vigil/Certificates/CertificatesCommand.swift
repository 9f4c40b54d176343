import ArgumentParser
import DevelopmentCertificates
import Foundation
import Identity

/// `vigil certificates --out DIR`
struct CertificatesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificates",
        abstract: "Make a development certificate authority and one certificate for each service.",
        discussion: """
            Writes ca.crt and ca.key, then NAME.crt and NAME.key for each service and for the operator. Certificates that are \
            valid and not near their end are kept, so the command may be run at each start. Not for production: there, a \
            certificate authority of your own should sign, with the same common names.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @Option(name: .customLong("out"), help: ArgumentHelp("Folder for the files; made where it is missing.", valueName: "dir"))
    var folder: String

    @Option(
        name: .customLong("host"),
        help: ArgumentHelp("A further host name or IP address for all certificates. Repeatable.", valueName: "host"))
    var hosts: [String] = []

    @Option(
        name: .customLong("name"), help: ArgumentHelp("A further certificate, for a process of this name. Repeatable.", valueName: "name"))
    var names: [String] = []

    @Option(help: "text or json.")
    var format: Format = .text

    func validate() throws {
        for name in names where name.isEmpty || !name.utf8.allSatisfy(Self.isNameByte) {
            throw ValidationError("--name \(name): use lower-case letters, digits and hyphens.")
        }
    }

    func run() throws {
        var certificates = CertificateFolder(URL(fileURLWithPath: folder, isDirectory: true))
        certificates.hosts += hosts
        let reports = try certificates.prepare(names: ServiceName.all + names)
        switch format {
        case .text:
            for report in reports {
                print("\(report.outcome.rawValue) \(report.certificateFile), valid until \(report.validUntil.formatted(.iso8601))")
            }
        case .json:
            let encoder = JSONEncoder()
            encoder.dateEncodingStrategy = .iso8601
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            print(String(decoding: try encoder.encode(reports), as: UTF8.self))
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "-")
    }
}
