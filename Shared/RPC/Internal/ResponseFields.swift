internal import CNGHTTP2
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What a gRPC response says of itself in its header blocks. It is taken out of them as they come in, so that a call that ends well and
/// whose metadata nobody wants makes no list of fields.
struct ResponseFields {
    enum Encoding: Equatable {
        case identity
        case gzip
        case other(String)
    }

    private(set) var isGRPC = false
    private(set) var encoding = Encoding.identity
    /// `grpc-status` of the first block, which then is the only one; -1 where it is no number.
    private(set) var headStatus: Int?
    /// The same of the last block.
    private(set) var trailerStatus: Int?

    /// Keeps what the field says; false where it is none of the protocol's own, or belongs to a status.
    mutating func take(_ name: nghttp2_vec, _ value: nghttp2_vec, isTrailer: Bool) -> Bool {
        switch name.len {
        case 11 where Self.equal(name, "grpc-status"):
            let status = HeaderStrings.number(HeaderStrings.trimmed(value)) ?? -1
            if isTrailer { trailerStatus = status } else { headStatus = status }
        case 12 where Self.equal(name, "content-type"):
            let prefix: StaticString = "application/grpc"
            let count = prefix.utf8CodeUnitCount
            if !isTrailer { isGRPC = value.len >= count && memcmp(value.base, prefix.utf8Start, count) == 0 }
        case 13 where Self.equal(name, "grpc-encoding"):
            let text = HeaderStrings.string(value)
            if !isTrailer { encoding = text == "identity" ? .identity : text == "gzip" ? .gzip : .other(text) }
        case 20 where Self.equal(name, "grpc-accept-encoding"):
            break
        default:
            return false
        }
        return true
    }

    private static func equal(_ name: nghttp2_vec, _ text: StaticString) -> Bool {
        memcmp(name.base, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
