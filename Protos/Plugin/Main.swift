import CDescriptors
import CProtobufC

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The protoc plugin that turns contracts into Swift: a `CodeGeneratorRequest` on standard input, a
/// `CodeGeneratorResponse` on standard output.
@main
enum Main {
    static func main() {
        let input = readStandardInput()
        guard let request = google__protobuf__compiler__code_generator_request__unpack(nil, input.count, input) else {
            fail("standard input is no CodeGeneratorRequest; run this through protoc")
        }
        let response: [UInt8]
        do {
            response = encode(try generate(request.pointee), error: nil)
        } catch let error as GeneratorError {
            response = encode([], error: error.message)
        } catch {
            fail("\(error)")
        }
        google__protobuf__compiler__code_generator_request__free_unpacked(request, nil)
        writeAll(response, to: STDOUT_FILENO)
    }

    private static func generate(_ request: Google__Protobuf__Compiler__CodeGeneratorRequest) throws -> [(name: String, content: String)] {
        var schema = Schema()
        for file in UnsafeBufferPointer(start: request.proto_file, count: request.n_proto_file) {
            guard let file else { continue }
            schema.add(try SchemaReader(file).read())
        }
        let generated = UnsafeBufferPointer(start: request.file_to_generate, count: request.n_file_to_generate)
            .compactMap { $0.map { String(cString: $0) } }.sorted()
        schema.generatedFiles = generated
        let options = try GeneratorOptions(
            parameter: request.parameter.map { String(cString: $0) } ?? "", files: schema.files.map(\.name), generated: Set(generated))
        let names = TypeNames(schema)
        var namespaces: Set<String> = []
        return try generated.compactMap { name in
            guard let file = schema.files.first(where: { $0.name == name }) else { return nil }
            if file.package.isEmpty { throw GeneratorError(message: "\(name) names no package; its types stand in a Swift enum of that name") }
            let generator = FileGenerator(
                names: names, file: file, options: options, declaresNamespace: namespaces.insert(file.package).inserted)
            return (outputName(name), generator.generate())
        }
    }

    /// A module's files must differ in their last part, so the folders become part of the name.
    private static func outputName(_ file: String) -> String {
        let stem = file.hasSuffix(".proto") ? String(file.dropLast(6)) : file
        return stem.split(separator: "/").joined(separator: ".") + ".swift"
    }

    private static func encode(_ files: [(name: String, content: String)], error: String?) -> [UInt8] {
        var response = Google__Protobuf__Compiler__CodeGeneratorResponse()
        google__protobuf__compiler__code_generator_response__init(&response)
        response.error = error.map { strdup($0) }
        let pointers = UnsafeMutablePointer<UnsafeMutablePointer<Google__Protobuf__Compiler__CodeGeneratorResponse__File>?>
            .allocate(capacity: max(files.count, 1))
        for (index, file) in files.enumerated() {
            let pointer = UnsafeMutablePointer<Google__Protobuf__Compiler__CodeGeneratorResponse__File>.allocate(capacity: 1)
            google__protobuf__compiler__code_generator_response__file__init(pointer)
            pointer.pointee.name = strdup(file.name)
            pointer.pointee.content = strdup(file.content)
            pointers[index] = pointer
        }
        response.n_file = files.count
        response.file = pointers
        // The process ends after this; nothing is freed.
        let count = google__protobuf__compiler__code_generator_response__get_packed_size(&response)
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = google__protobuf__compiler__code_generator_response__pack(&response, buffer.baseAddress)
        }
    }

    private static func readStandardInput() -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0 { fail("cannot read standard input") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { exit(1) }
            rest = rest.dropFirst(count)
        }
    }

    private static func fail(_ message: String) -> Never {
        writeAll([UInt8]("protoc-gen-vigil: \(message)\n".utf8), to: STDERR_FILENO)
        exit(1)
    }
}
