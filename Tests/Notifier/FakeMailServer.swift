import Foundation
import Synchronization

/// An SMTP server for tests, on plain sockets and a thread for each connection. Its behaviour can change while it runs.
final class FakeMailServer: Sendable {
    enum Behaviour: Sendable {
        case accept
        /// Says nothing at all, and keeps the connection.
        case hang
        /// Takes the mail and breaks off without an answer.
        case dropAfterData
        /// Answers one command with this code, `MAIL`, `RCPT`, `DATA`, `.` for the mail itself; or greets with it.
        case refuse(String, Int)
    }

    private struct State {
        var behaviour = Behaviour.accept
        var mails: [String] = []
        var connections: [Int32] = []
        var isClosed = false
    }

    let port: Int
    private let listener: Int32
    private let state = Mutex(State())

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, size) == 0 && listen(listener, 64) == 0 }
        }
        var length = size
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        Thread { [self] in acceptConnections() }.start()
    }

    static func with<R>(_ body: (FakeMailServer) async throws -> R) async throws -> R {
        let server = try FakeMailServer()
        defer { server.close() }
        return try await body(server)
    }

    var url: String { "smtp://127.0.0.1:\(port)" }

    /// Contents of all mails taken, in order, dots no longer doubled.
    var mails: [String] { state.withLock { $0.mails } }

    func behave(_ behaviour: Behaviour) {
        state.withLock { $0.behaviour = behaviour }
    }

    private func close() {
        let connections = state.withLock { state in
            state.isClosed = true
            return state.connections
        }
        for connection in connections + [listener] { shutdown(connection, Int32(SHUT_RDWR)) }
        Foundation.close(listener)
    }

    private func acceptConnections() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            let isClosed = state.withLock { state in
                state.connections.append(connection)
                return state.isClosed
            }
            if isClosed { return }
            Thread { [self] in serve(connection) }.start()
        }
    }

    private func serve(_ connection: Int32) {
        // The descriptor stays open until the process ends, so that no other socket gets its number while `close` may use it.
        defer { shutdown(connection, Int32(SHUT_RDWR)) }
        var input: [UInt8] = []
        func line() -> String? {
            while true {
                if let end = input.firstIndex(of: 0x0a) {
                    defer { input.removeSubrange(...end) }
                    return String(decoding: input[..<end], as: UTF8.self).trimmingCharacters(in: CharacterSet(charactersIn: "\r"))
                }
                var buffer = [UInt8](repeating: 0, count: 4_096)
                let count = recv(connection, &buffer, buffer.count, 0)
                guard count > 0 else { return nil }
                input += buffer[..<count]
            }
        }
        func say(_ text: String) {
            let bytes = Array((text + "\r\n").utf8)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
        if case .hang = state.withLock({ $0.behaviour }) {
            _ = line()
            return
        }
        if case .refuse("greeting", let code) = state.withLock({ $0.behaviour }) { return say("\(code) refused") }
        say("220 fake")
        while let command = line() {
            let verb = String(command.prefix { $0 != " " }).uppercased()
            let behaviour = state.withLock { $0.behaviour }
            if case .refuse(verb, let code) = behaviour {
                say("\(code) refused")
                continue
            }
            switch verb {
            case "DATA":
                say("354 go on")
                var content = ""
                while let text = line(), text != "." { content += (text.hasPrefix(".") ? String(text.dropFirst()) : text) + "\r\n" }
                if case .refuse(".", let code) = behaviour {
                    say("\(code) refused")
                    continue
                }
                state.withLock { $0.mails.append(content) }
                if case .dropAfterData = behaviour { return }
                say("250 taken")
            case "QUIT":
                say("221 bye")
                return
            default: say("250 yes")
            }
        }
    }
}
