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
}

extension RunningServer {
    /// The connections as they are now, in no order.
    public func connections() async -> [ConnectionDescription] {
        var descriptions: [ConnectionDescription] = []
        for connection in core.connections {
            let description = await withCheckedContinuation { continuation in
                connection.loop.run { continuation.resume(returning: connection.describe()) }
            }
            descriptions.append(description)
        }
        return descriptions
    }
}
