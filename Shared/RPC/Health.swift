public final class HealthRegistry: Sendable { public init() {}; func shutDown() {} }
struct HealthService: RPCService { let serviceName = "grpc.health.v1.Health"; var methods: [RPCMethod] { [] }; var fileDescriptors: [[UInt8]] { [] }; init(_ r: HealthRegistry) {} }
