import CXGBoost

/// Rows with labels, as XGBoost keeps them. NaN is a missing value.
final class DataMatrix {
    fileprivate let handle: DMatrixHandle
    let rowCount: Int

    /// - Parameter margins: what boosting begins from in each row, before the link function; nil for the same in all.
    init(rows: [Float], columnCount: Int, labels: [Float], margins: [Float]? = nil, threads: Int) throws(TrainingError) {
        precondition(rows.count == labels.count * columnCount, "a row has one value a feature")
        precondition(margins.map { $0.count == labels.count } ?? true, "a row has one margin")
        rowCount = labels.count
        var handle: DMatrixHandle?
        try check(
            XGDMatrixCreateFromMat_omp(rows, bst_ulong(labels.count), bst_ulong(columnCount), .nan, &handle, Int32(threads)),
            "create a matrix")
        guard let handle else { throw TrainingError(.trainer, "XGBoost gave no matrix") }
        self.handle = handle
        try check(XGDMatrixSetFloatInfo(handle, "label", labels, bst_ulong(labels.count)), "set labels")
        if let margins { try check(XGDMatrixSetFloatInfo(handle, "base_margin", margins, bst_ulong(margins.count)), "set margins") }
    }

    deinit { XGDMatrixFree(handle) }
}

/// One forest in the making.
final class Booster {
    private let handle: BoosterHandle
    private let data: DataMatrix
    private var rounds: Int32 = 0

    init(on data: DataMatrix, parameters: [(name: String, value: String)]) throws(TrainingError) {
        self.data = data
        var handle: BoosterHandle?
        var matrices: [DMatrixHandle?] = [data.handle]
        try check(XGBoosterCreate(&matrices, 1, &handle), "create a booster")
        guard let handle else { throw TrainingError(.trainer, "XGBoost gave no booster") }
        self.handle = handle
        for (name, value) in parameters { try check(XGBoosterSetParam(handle, name, value), "set \(name) to \(value)") }
    }

    deinit { XGBoosterFree(handle) }

    /// Adds one tree.
    func boost() throws(TrainingError) {
        try check(XGBoosterUpdateOneIter(handle, rounds, data.handle), "boost")
        rounds += 1
    }

    /// The model, in XGBoost's UBJSON.
    func encoded() throws(TrainingError) -> [UInt8] {
        var length: bst_ulong = 0
        var bytes: UnsafePointer<CChar>?
        try check(XGBoosterSaveModelToBuffer(handle, #"{"format": "ubj"}"#, &length, &bytes), "save the model")
        guard let bytes else { throw TrainingError(.trainer, "XGBoost gave no model") }
        return [UInt8](UnsafeRawBufferPointer(start: bytes, count: Int(length)))
    }

    /// What XGBoost itself predicts, before the link function: to compare with.
    func margins(of data: DataMatrix) throws(TrainingError) -> [Float] {
        var length: bst_ulong = 0
        var values: UnsafePointer<Float>?
        try check(XGBoosterPredict(handle, data.handle, 1, 0, 0, &length, &values), "predict")
        guard let values else { throw TrainingError(.trainer, "XGBoost gave no predictions") }
        return [Float](UnsafeBufferPointer(start: values, count: Int(length)))
    }
}

/// The version of the trainer, for the record.
func trainerVersion() -> String {
    var (major, minor, patch): (Int32, Int32, Int32) = (0, 0, 0)
    XGBoostVersion(&major, &minor, &patch)
    return "xgboost \(major).\(minor).\(patch)"
}

private func check(_ status: Int32, _ what: String) throws(TrainingError) {
    guard status != 0 else { return }
    // The first line says what; the rest is a stack trace.
    let message = XGBGetLastError().map { String(cString: $0) } ?? ""
    throw TrainingError(.trainer, "XGBoost could not \(what): \(message.split(separator: "\n").first ?? "no reason given")")
}
