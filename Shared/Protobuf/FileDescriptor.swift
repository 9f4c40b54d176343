/// A .proto file as reflection shows it. Generated code declares one for each file.
public struct FileDescriptor: Sendable {
    /// The file's path, as other files import it: `vigil/records/v1/records.proto`.
    public let name: String
    /// The files it imports.
    public let dependencies: [FileDescriptor]
    private let base64: StaticString

    public init(name: String, dependencies: [FileDescriptor], base64: StaticString) {
        self.name = name
        self.dependencies = dependencies
        self.base64 = base64
    }

    /// The file as a `google.protobuf.FileDescriptorProto` in the wire format.
    public var serialized: [UInt8] {
        guard let bytes = base64.withUTF8Buffer({ Base64.decode($0) }) else {
            preconditionFailure("the generated description of \(name) is not base64")
        }
        return bytes
    }

    /// This file and all it needs, each after what it imports, none twice.
    public var withDependencies: [FileDescriptor] {
        var seen: Set<String> = []
        var files: [FileDescriptor] = []
        collect(into: &files, &seen)
        return files
    }

    private func collect(into files: inout [FileDescriptor], _ seen: inout Set<String>) {
        guard seen.insert(name).inserted else { return }
        for dependency in dependencies { dependency.collect(into: &files, &seen) }
        files.append(self)
    }
}
