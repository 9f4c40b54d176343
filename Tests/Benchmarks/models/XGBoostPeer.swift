import CXGBoost
import Foundation

/// XGBoost by its C API, on one thread.
final class XGBoostPeer {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let booster: BoosterHandle
    private let features: Int

    /// Trains `rounds` trees.
    init(rows: [Float], labels: [Float], features: Int, rounds: Int, parameters: [(name: String, value: String)]) throws {
        self.features = features
        let matrix = try Self.matrix(rows, features: features)
        defer { XGDMatrixFree(matrix) }
        try Self.check(XGDMatrixSetFloatInfo(matrix, "label", labels, bst_ulong(labels.count)))
        var handle: BoosterHandle?
        var matrices: [DMatrixHandle?] = [matrix]
        try Self.check(XGBoosterCreate(&matrices, 1, &handle))
        guard let handle else { throw Failure(description: "XGBoost gave no booster") }
        booster = handle
        for (name, value) in parameters { try Self.check(XGBoosterSetParam(booster, name, value)) }
        for round in 0..<rounds { try Self.check(XGBoosterUpdateOneIter(booster, Int32(round), matrix)) }
    }

    deinit { XGBoosterFree(booster) }

    /// Rows as XGBoost holds them.
    static func matrix(_ rows: [Float], features: Int) throws -> DMatrixHandle {
        var handle: DMatrixHandle?
        try check(XGDMatrixCreateFromMat_omp(rows, bst_ulong(rows.count / features), bst_ulong(features), .nan, &handle, 1))
        guard let handle else { throw Failure(description: "XGBoost gave no matrix") }
        return handle
    }

    /// - Parameter format: `json` or `ubj`.
    func saved(as format: String) throws -> [UInt8] {
        var length: bst_ulong = 0
        var bytes: UnsafePointer<CChar>?
        try Self.check(XGBoosterSaveModelToBuffer(booster, "{\"format\": \"\(format)\"}", &length, &bytes))
        guard let bytes else { throw Failure(description: "XGBoost gave no model") }
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: Int(length)))
    }

    /// What a prediction is of: the probability, the margin, or the features' contributions.
    enum Kind: Int {
        case probability = 0
        case margin = 1
        case contributions = 2
    }

    private static func settings(_ kind: Kind) -> String {
        """
        {"type": \(kind.rawValue), "training": false, "iteration_begin": 0, "iteration_end": 0, "strict_shape": false,
         "cache_id": 0, "missing": NaN}
        """
    }

    /// Through a matrix made before.
    func predict(_ matrix: DMatrixHandle, _ kind: Kind) throws -> UnsafeBufferPointer<Float> {
        var shape: UnsafePointer<bst_ulong>?
        var dimensions: bst_ulong = 0
        var values: UnsafePointer<Float>?
        try Self.check(XGBoosterPredictFromDMatrix(booster, matrix, Self.settings(kind), &shape, &dimensions, &values))
        return result(values, shape, dimensions)
    }

    /// In place, without a matrix.
    func predictInPlace(_ rows: UnsafeBufferPointer<Float>, _ kind: Kind) throws -> UnsafeBufferPointer<Float> {
        let array = """
            {"data": [\(UInt(bitPattern: rows.baseAddress)), true], "shape": [\(rows.count / features), \(features)], \
            "typestr": "<f4", "version": 3}
            """
        var shape: UnsafePointer<bst_ulong>?
        var dimensions: bst_ulong = 0
        var values: UnsafePointer<Float>?
        try Self.check(XGBoosterPredictFromDense(booster, array, Self.settings(kind), nil, &shape, &dimensions, &values))
        return result(values, shape, dimensions)
    }

    private func result(
        _ values: UnsafePointer<Float>?, _ shape: UnsafePointer<bst_ulong>?, _ dimensions: bst_ulong
    ) -> UnsafeBufferPointer<Float> {
        guard let shape else { return UnsafeBufferPointer(start: values, count: 0) }
        return UnsafeBufferPointer(start: values, count: (0..<Int(dimensions)).reduce(1) { $0 * Int(shape[$1]) })
    }

    static func check(_ status: Int32) throws {
        guard status != 0 else { return }
        throw Failure(description: XGBGetLastError().map { String(cString: $0) } ?? "XGBoost failed")
    }
}

/// The same forest as C that tl2cgen wrote and the system's compiler compiled.
final class CompiledPeer {
    /// Of tl2cgen's header: `union Entry { int missing; float fvalue; int qvalue; }`.
    typealias Predict = @convention(c) (UnsafeMutableRawPointer, Int32, UnsafeMutablePointer<Float>) -> Void

    let predict: Predict
    private let library: UnsafeMutableRawPointer

    init(model: [UInt8]) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let json = folder.appendingPathComponent("model.json")
        let shared = folder.appendingPathComponent("model.so")
        try Data(model).write(to: json)
        try Python.run(["Tests/Benchmarks/models/compile_forest.py", json.path, shared.path])
        guard let library = dlopen(shared.path, RTLD_NOW), let symbol = dlsym(library, "predict") else {
            throw XGBoostPeer.Failure(description: "tl2cgen's library does not load")
        }
        self.library = library
        predict = unsafeBitCast(symbol, to: Predict.self)
    }

    deinit { dlclose(library) }
}

/// The benchmarks' own Python, as `setup.sh` makes it.
enum Python {
    /// - Returns: the standard output.
    @discardableResult
    static func run(_ arguments: [String]) throws -> String {
        let process = Process()
        let python = ".build/bench-python/bin/python"
        process.executableURL = URL(fileURLWithPath: FileManager.default.isExecutableFile(atPath: python) ? python : "/usr/bin/env")
        process.arguments = FileManager.default.isExecutableFile(atPath: python) ? arguments : ["python3"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw XGBoostPeer.Failure(description: "\(arguments.joined(separator: " ")) failed")
        }
        return String(decoding: text, as: UTF8.self)
    }
}
