internal import NIOCore
internal import NIOPosix
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What a channel's target names: a scheme, and hosts with ports.
struct Target: Sendable, Hashable {
    struct Host: Sendable, Hashable {
        let name: String
        let port: Int
    }

    let usesTLS: Bool
    let hosts: [Host]
    /// The host part as it was written: for a single host, the `:authority` of calls.
    let authority: String

    /// - Throws: ``RPCSetupError`` with `invalidTarget`.
    init(_ text: String) throws {
        let rest: Substring
        if text.hasPrefix("https://") {
            usesTLS = true
            rest = text.dropFirst(8)
        } else if text.hasPrefix("http://") {
            usesTLS = false
            rest = text.dropFirst(7)
        } else {
            throw RPCSetupError(.invalidTarget, "the target \(text) begins with neither https:// nor http://")
        }
        let list = rest.hasSuffix("/") ? rest.dropLast() : rest
        let defaultPort = usesTLS ? 443 : 80
        hosts = try list.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let host = Self.parse(part, defaultPort) else {
                throw RPCSetupError(.invalidTarget, "the target \(text) does not name a host and port")
            }
            return host
        }
        authority = String(list.prefix { $0 != "," })
    }

    private static func parse(_ text: Substring, _ defaultPort: Int) -> Host? {
        var name = text
        var portText: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            name = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            name = text[..<colon]
            portText = text[text.index(after: colon)...]
        }
        let port = portText.map { Int($0) } ?? defaultPort
        guard let port, (1...65535).contains(port), !name.isEmpty, !name.contains("/") else { return nil }
        return Host(name: String(name), port: port)
    }

    /// All addresses of a host. Blocks; to be called off the loops.
    static func resolve(_ host: Host) throws -> [SocketAddress] {
        if let literal = try? SocketAddress(ipAddress: host.name, port: host.port) { return [literal] }
        var hints = addrinfo()
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host.name, String(host.port), &hints, &list)
        guard result == 0 else { throw RPCError(.unavailable, "\(host.name): \(String(cString: gai_strerror(result)))") }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let status = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            guard status == 0 else { continue }
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if let address = try? SocketAddress(ipAddress: String(decoding: bytes, as: UTF8.self), port: host.port),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
        }
        return addresses
    }
}

extension IOError {
    /// The system's word for it, without NIO's frame around it: "Connection refused".
    var plainReason: String { String(cString: strerror(errnoCode)) }
}
