internal import Protobuf
internal import StandardContracts

/// `grpc.reflection.v1.ServerReflection`: lets tools list services and read their descriptions.
struct ReflectionService: RPCService {
    typealias Request = GRPCReflectionV1.ServerReflectionRequest
    typealias Response = GRPCReflectionV1.ServerReflectionResponse

    private static let name = "grpc.reflection.v1.ServerReflection"

    let serviceName: String
    private let index: DescriptorIndex

    /// - Parameter isAlpha: answers at v1alpha's path, where many tools still ask first; its messages are the same.
    init(_ services: [any RPCService], isAlpha: Bool = false) {
        serviceName = isAlpha ? "grpc.reflection.v1alpha.ServerReflection" : Self.name
        let own = FileDescriptor.grpcReflectionV1Reflection.withDependencies.map(\.serialized)
        index = DescriptorIndex(
            files: services.flatMap(\.fileDescriptors) + own, services: services.map(\.serviceName) + [Self.name])
    }

    var fileDescriptors: [[UInt8]] { FileDescriptor.grpcReflectionV1Reflection.withDependencies.map(\.serialized) }

    var methods: [RPCMethod] {
        let method = MethodDescriptor(service: serviceName, name: "ServerReflectionInfo", kind: .bidirectional)
        return [
            .bidirectional(method) {
                [index] (requests: RequestStream<Request>, responses: ResponseWriter<Response>, _: CallContext) async throws in
                for try await request in requests {
                    try await responses.write(
                        Response(validHost: request.host, originalRequest: request, messageResponse: Self.answer(request, index)))
                }
            }
        ]
    }

    private static func answer(_ request: Request, _ index: DescriptorIndex) -> Response.MessageResponse {
        let files: [[UInt8]]?
        switch request.messageRequest {
        case .listServices:
            return .listServicesResponse(
                GRPCReflectionV1.ListServiceResponse(service: index.services.map { GRPCReflectionV1.ServiceResponse(name: $0) }))
        case .fileByFilename(let name): files = index.files(named: name)
        case .fileContainingSymbol(let symbol): files = index.files(containing: symbol)
        case .fileContainingExtension, .allExtensionNumbersOfType: files = nil
        case nil: return error(.invalidArgument, "the request asks for nothing")
        }
        guard let files else { return error(.notFound, "there is no such file or symbol") }
        return .fileDescriptorResponse(GRPCReflectionV1.FileDescriptorResponse(fileDescriptorProto: files))
    }

    private static func error(_ code: StatusCode, _ message: String) -> Response.MessageResponse {
        .errorResponse(GRPCReflectionV1.ErrorResponse(errorCode: Int32(code.rawValue), errorMessage: message))
    }
}

/// Which file describes which symbol; read out of serialized `google.protobuf.FileDescriptorProto`s.
struct DescriptorIndex: Sendable {
    private struct File: Sendable {
        let bytes: [UInt8]
        let dependencies: [String]
    }

    let services: [String]
    private var filesByName: [String: File] = [:]
    private var fileNameBySymbol: [String: String] = [:]

    init(files: [[UInt8]], services: [String]) {
        self.services = Set(services).sorted()
        for bytes in files { add(bytes) }
    }

    private mutating func add(_ bytes: [UInt8]) {
        var name = ""
        var package = ""
        var dependencies: [String] = []
        var symbols: [String] = []
        // Field numbers of google/protobuf/descriptor.proto.
        for (number, value) in WireFields(bytes[...]) {
            switch number {
            case 1: name = String(decoding: value, as: UTF8.self)
            case 2: package = String(decoding: value, as: UTF8.self)
            case 3: dependencies.append(String(decoding: value, as: UTF8.self))
            case 4: symbols += Self.messageSymbols(value)
            case 5, 7: symbols += Self.names(value)
            case 6:
                for service in Self.names(value) {
                    symbols.append(service)
                    for (number, method) in WireFields(value) where number == 2 {
                        symbols += Self.names(method).map { service + "." + $0 }
                    }
                }
            default: break
            }
        }
        filesByName[name] = File(bytes: bytes, dependencies: dependencies)
        for symbol in symbols { fileNameBySymbol[package.isEmpty ? symbol : package + "." + symbol] = name }
    }

    /// A descriptor's own name, which is field 1 in all of them.
    private static func names(_ descriptor: ArraySlice<UInt8>) -> [String] {
        WireFields(descriptor).filter { $0.number == 1 }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// A message, and what is nested in it.
    private static func messageSymbols(_ descriptor: ArraySlice<UInt8>) -> [String] {
        guard let name = names(descriptor).first else { return [] }
        var symbols = [name]
        for (number, value) in WireFields(descriptor) {
            if number == 3 { symbols += messageSymbols(value).map { name + "." + $0 } }
            if number == 2 || number == 4 { symbols += names(value).map { name + "." + $0 } }
        }
        return symbols
    }

    /// The file and all it imports, the file first; nil where there is none of the name.
    func files(named name: String) -> [[UInt8]]? {
        guard filesByName[name] != nil else { return nil }
        var seen: Set<String> = []
        var waiting = [name]
        var result: [[UInt8]] = []
        while let next = waiting.popLast() {
            guard seen.insert(next).inserted, let file = filesByName[next] else { continue }
            result.append(file.bytes)
            waiting += file.dependencies
        }
        return result
    }

    func files(containing symbol: String) -> [[UInt8]]? {
        fileNameBySymbol[symbol].flatMap { files(named: $0) }
    }
}

/// The length-delimited fields of an encoded message, the others being skipped. Ends at the first malformed byte.
private struct WireFields: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    mutating func next() -> (number: Int, value: ArraySlice<UInt8>)? {
        while let tag = varint() {
            switch tag & 7 {
            case 0:
                guard varint() != nil else { return nil }
            case 1:
                rest = rest.dropFirst(8)
            case 2:
                guard let length = varint(), length <= rest.count else { return nil }
                let value = rest.prefix(length)
                rest = rest.dropFirst(length)
                return (tag >> 3, value)
            case 5:
                rest = rest.dropFirst(4)
            default:
                return nil
            }
        }
        return nil
    }

    private mutating func varint() -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 63, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
