/// What is kept of a JSON value that is too long to be read: all but what its lists hold, so that its names can still be told. What makes
/// an area long is its coordinates.
struct JSONOutline {
    /// No more than makes a row too long.
    private(set) var bytes: [UInt8] = []
    private var listDepth = 0
    private var isInString = false
    private var isEscaped = false

    /// Takes in the value's next bytes.
    mutating func add(_ part: UnsafeBufferPointer<UInt8>) {
        for byte in part {
            let wasInList = listDepth > 0
            if isEscaped {
                isEscaped = false
            } else if isInString {
                isEscaped = byte == UInt8(ascii: "\\")
                isInString = byte != UInt8(ascii: "\"")
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "[") {
                listDepth += 1
            } else if byte == UInt8(ascii: "]") {
                listDepth = max(0, listDepth - 1)
            }
            // The brackets themselves stay.
            if !wasInList || listDepth == 0, bytes.count <= DatasetLimits.maxRowBytes { bytes.append(byte) }
        }
    }
}
