public import Logging
public import RPC
public import Identity
internal import ServiceContextModule

/// Logs each call when it is over: at debug level what went well, at warning what failed within the service itself.
public struct AccessLogInterceptor: PromptServerInterceptor {
    private let logger: Logger

    public init(logger: Logger) {
        self.logger = logger
    }

    public func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher? {
        let path = call.route
        let peer = call.peer
        let trace = call.trace
        return CallFinisher { [logger] outcome in
            let level: Logger.Level = Self.isOwnFault(outcome.status) ? .warning : .debug
            guard logger.logLevel <= level else { return }
            var metadata: Logger.Metadata = [
                "path": "\(path)", "status": "\(outcome.status.name)", "reason": "\(outcome.message)",
                "peer": "\(peer.certificate?.commonName ?? peer.address)", "milliseconds": "\(Double(outcome.duration.nanoseconds) / 1e6)",
            ]
            if let trace { metadata["trace"] = "\(trace.traceID)" }
            logger.log(level: level, "call", metadata: metadata)
        }
    }

    private static func isOwnFault(_ status: StatusCode) -> Bool {
        switch status {
        case .unknown, .internal, .dataLoss: true
        default: false
        }
    }
}

extension Logger {
    /// One line, at level info, of who looked at what: a person, an agency, or nobody known.
    public func log(_ look: AuthenticationInterceptor.Look) {
        guard logLevel <= .info else { return }
        var metadata: Logger.Metadata = ["path": "\(look.path)", "status": "\(look.status)", "peer": "\(look.peerAddress)"]
        if let principal = look.principal {
            metadata["subject"] = "\(principal.subject)"
            metadata["kind"] = "\(principal.kind.rawValue)"
            if let id = principal.tokenID { metadata["jti"] = "\(id)" }
        }
        info("look", metadata: metadata)
    }
}
