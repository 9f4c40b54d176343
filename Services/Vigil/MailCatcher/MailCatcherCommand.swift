import ArgumentParser
import Foundation

/// `vigil mail-catcher`
struct MailCatcherCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mail-catcher",
        abstract: "Receive mail on this machine and keep it as files, for development.",
        discussion: """
            Listens for SMTP on 127.0.0.1 only. Each mail becomes FOLDER/MESSAGE-ID.eml, and a line on standard output. It delivers
            nothing and asks for no login.
            """)

    @Option(help: "Port to listen on; 0 takes any free one.")
    var port = 2525

    @Option(help: "Folder for the mails; made if it is not there.")
    var folder: String

    func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port must be 0 to 65535.") }
    }

    func run() async throws {
        let catcher = MailCatcher(folder: try MailFolder(path: folder)) { name, mail in
            let subject = MailFolder.header("subject", in: mail.content) ?? ""
            Self.say("\(name) to \(mail.recipients.joined(separator: ", ")): \(subject)")
        }
        try await catcher.run(port: port) { port in Self.say("listening on 127.0.0.1:\(port)") }
    }

    /// At once, also into a file.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line.replacing("\n", with: " ") + "\n").utf8))
    }
}
