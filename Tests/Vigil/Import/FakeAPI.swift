import Foundation
import Synchronization

/// An HTTP API on this machine that answers one request after another, each on a connection of its own.
final class FakeAPI: Sendable {
    struct Request: Sendable {
        let path: String
        let headers: [String: String]
    }

    struct Answer: Sendable {
        var status = 200
        var headers: [String: String] = [:]
        var body = ""
    }

    let port: UInt16
    private let descriptor: Int32
    private let asked = Mutex<[Request]>([])

    init(_ answer: @escaping @Sendable (Request) -> Answer) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 8) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isListening else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else {
                    // Here, not where the listening ends: another socket may have the same number from then on.
                    close(descriptor)
                    return
                }
                if let request = Self.read(connection) {
                    self?.asked.withLock { $0.append(request) }
                    Self.write(answer(request), to: connection)
                }
                close(connection)
            }
        }
    }

    /// What it has been asked for.
    var requests: [Request] { asked.withLock { $0 } }

    deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }

    private static func read(_ connection: Int32) -> Request? {
        var text = ""
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while !text.contains("\r\n\r\n") {
            let count = recv(connection, &bytes, bytes.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        let lines = text.components(separatedBy: "\r\n")
        let fields = lines.dropFirst().compactMap { line -> (String, String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        return Request(path: lines[0].split(separator: " ")[1].description, headers: Dictionary(fields) { first, _ in first })
    }

    private static func write(_ answer: Answer, to connection: Int32) {
        var text = "HTTP/1.1 \(answer.status) Answer\r\nContent-Length: \(answer.body.utf8.count)\r\nConnection: close\r\n"
        for (name, value) in answer.headers { text += "\(name): \(value)\r\n" }
        text += "\r\n" + answer.body
        _ = text.withCString { send(connection, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
    }
}
