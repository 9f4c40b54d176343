internal import NIOCore
internal import Protobuf
internal import StandardContracts

/// Follows what a server tells of a service's health (`grpc.health.v1.Health/Watch`) for as long as the connection lasts.
///
/// `@unchecked Sendable`: everything is touched on the connection's loop only.
final class HealthWatch: @unchecked Sendable {
    private let service: String
    private unowned let connection: ClientConnection
    private let changed: @Sendable (Bool) -> Void

    private static let path = "/grpc.health.v1.Health/Watch"
    private static let pauseAfterFailure = TimeAmount.seconds(1)

    init(service: String, connection: ClientConnection, changed: @escaping @Sendable (_ isServing: Bool) -> Void) {
        self.service = service
        self.connection = connection
        self.changed = changed
    }

    /// On the loop.
    func start() {
        let request = GRPCHealthV1.HealthCheckRequest(service: service)
        guard !connection.isClosed, let body = try? MessageCoding().encode(request) else { return }
        let call = ClientCall(connection, ClientCall.Request(path: Self.path, body: body), maxMessageBytes: 64 << 10)
        // The call keeps this alive, the connection the call.
        call.listener = ClientCall.Listener(
            message: { bytes in
                guard let response = try? GRPCHealthV1.HealthCheckResponse(protobuf: bytes) else { return }
                self.changed(response.status == .serving)
            },
            ended: { error in self.ended(error) })
        connection.start(call, at: .now())
    }

    private func ended(_ error: RPCError?) {
        guard !connection.isClosed, !connection.isGoingAway else { return }
        // A server without the health service is taken at its word that it is there.
        guard error?.code != .unimplemented else { return changed(true) }
        changed(false)
        connection.loop.eventLoop.scheduleTask(in: Self.pauseAfterFailure) { [weak connection] in
            guard connection != nil else { return }
            self.start()
        }
    }
}
