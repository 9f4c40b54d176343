import RPC
import Testing

@Suite struct ContentCodingTests {
    @Test("A client gets the coding that it weighs highest, Brotli among equals, and none when it names none", arguments: [
        ("gzip, deflate, br, zstd", ContentCoding.brotli), ("gzip", .gzip), ("", .identity), ("br;q=0.5, gzip", .gzip),
        ("br;q=0, gzip;q=0", .identity), ("*", .brotli), ("br;q=0, *;q=0.1", .gzip), ("identity, gzip;q=0.5", .identity),
        ("GZIP ; Q=1", .gzip), ("deflate", .identity), ("br;q=x", .identity),
    ])
    func preference(header: String, coding: ContentCoding) {
        #expect(ContentCoding.preferred(by: ["accept-encoding": header]) == coding)
        #expect(ContentCoding.preferred(by: [:]) == .identity)
    }

    @Test("Repetitive bytes shrink, in each coding and at each effort; no bytes at all stay whole", arguments: ContentCoding.allCases)
    func shrinks(coding: ContentCoding) throws {
        let bytes = (0..<20_000).map { UInt8($0 / 100 % 7) }
        for effort in [ContentCoding.Effort.fast, .best] {
            let encoded = try coding.encode(bytes, effort: effort)
            #expect(coding == .identity ? encoded == bytes : encoded.count < 1000)
            #expect(try coding == .identity || !coding.encode([], effort: effort).isEmpty)
        }
        if coding == .gzip { #expect(try coding.encode(bytes).prefix(2) == [0x1F, 0x8B]) }
    }
}
