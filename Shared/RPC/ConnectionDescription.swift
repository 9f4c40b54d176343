internal import Synchronization

/// One connection of a server, for operators (`/debug/connections`).
public struct ConnectionDescription: Sendable, Hashable {
    /// IP address and port of the peer.
    public let peer: String
    /// Of the peer's certificate, if it showed one.
    public let commonName: String?
    /// `TLSv1.3`; nil for plaintext.
    public let tlsVersion: String?
    /// Calls in flight.
    public let openCalls: Int
    /// Calls since the connection was opened.
    public let startedCalls: Int
    public let ageSeconds: Int
    /// It takes no new calls.
    public let isDraining: Bool
    /// Calls in flight, by path; those that have not told theirs are left out.
    public let openPaths: [String]
}

extension RunningServer {
    /// The connections as they are now, in no order.
    public func connections() async -> [ConnectionDescription] {
        await core.describeConnections()
    }
}

extension ServerCore {
    func describeConnections() async -> [ConnectionDescription] {
        var descriptions: [ConnectionDescription] = []
        for connection in connections {
            let description = await withCheckedContinuation { continuation in
                connection.loop.run { continuation.resume(returning: connection.describe()) }
            }
            descriptions.append(description)
        }
        return descriptions
    }
}

/// Answers with a server's connections. The route is made before the server, which it then learns of.
struct ConnectionsRoute {
    let server = Box()

    /// Weak, because the server holds its routes.
    final class Box: Sendable {
        private struct Reference: Sendable { weak var core: ServerCore? }
        private let state = Mutex(Reference())

        var core: ServerCore? {
            get { state.withLock(of: self) { $0.core } }
            set { state.withLock(of: self) { $0.core = newValue } }
        }
    }

    func route(at path: String) -> HTTPRoute {
        HTTPRoute("GET", path) { [server] _ in
            let connections = await server.core?.describeConnections() ?? []
            let entries = connections.sorted { $0.ageSeconds > $1.ageSeconds }.map { Self.json($0) }
            return .json(Array(("{\"connections\":[" + entries.joined(separator: ",") + "]}\n").utf8))
        }
    }

    private static func json(_ it: ConnectionDescription) -> String {
        var members = ["\"peer\":\(quoted(it.peer))"]
        if let name = it.commonName { members.append("\"commonName\":\(quoted(name))") }
        if let version = it.tlsVersion { members.append("\"tlsVersion\":\(quoted(version))") }
        members.append("\"openCalls\":\(it.openCalls),\"startedCalls\":\(it.startedCalls)")
        members.append("\"openPaths\":[\(it.openPaths.map { quoted($0) }.joined(separator: ","))]")
        members.append("\"ageSeconds\":\(it.ageSeconds),\"isDraining\":\(it.isDraining)")
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String { ConnectProtocol.quoted(text) }
}
