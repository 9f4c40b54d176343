import Datasets
import Foundation
import Testing

@Suite struct GzipTests {
    let folder = try! TemporaryFolder()

    func sample() -> String {
        var text = "id,x\n"
        for index in 0..<50_000 { text += "customer \(index),\(index &* 2_654_435_761)\n" }
        return text
    }

    @Test func readsGzipWhateverItsName() throws {
        let path = try folder.gzip(folder.file("a.csv", sample()))
        let renamed = try folder.file("b.csv", Array(Data(contentsOf: URL(fileURLWithPath: path))))
        let items = try readAll(renamed, customers())
        #expect(items.count == 50_000)
        #expect(items.last?.customerID == "customer 49999")
    }

    @Test func severalMembersAreOneFile() throws {
        let one = try Data(contentsOf: URL(fileURLWithPath: folder.gzip(folder.file("a.csv", "id,x\na,1\n"))))
        let two = try Data(contentsOf: URL(fileURLWithPath: folder.gzip(folder.file("b.csv", "b,2\n"))))
        #expect(try readAll(folder.file("c.gz", Array(one + two)), customers()).map(\.customerID) == ["a", "b"])
        #expect(try readAll(folder.file("d.gz", Array(one + two) + [0, 0, 0]), customers()).map(\.customerID) == ["a", "b"])
    }

    @Test func aFileCompressedTwiceIsSaidToBe() throws {
        let once = try Data(contentsOf: URL(fileURLWithPath: folder.gzip(folder.file("a.csv", "id,x\na,1\n"))))
        let twice = try folder.gzip(folder.file("twice", Array(once)))
        let error = #expect(throws: DatasetError.self) { try readAll(twice, customers()) }
        #expect(error?.message == "\(twice) is compressed with gzip twice; uncompress it once first (gunzip)")
    }

    @Test func truncatedGzipIsAClearErrorAfterTheRowsBeforeIt() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.gzip(folder.file("a.csv", sample()))))
        let path = try folder.file("cut.gz", Array(whole.prefix(whole.count / 2)))
        let reader = try DatasetReader(file: path, mapping: customers())
        var rows = 0
        let error = #expect(throws: DatasetError.self) {
            while let item = try reader.next() {
                #expect(item.customerID == "customer \(rows)")
                rows += 1
            }
        }
        #expect(error?.code == .truncated)
        #expect(error?.message == "\(path) ends in the middle of its gzip data; it was not copied whole")
        #expect(rows > 10_000)
    }

    @Test func damagedGzipIsAClearError() throws {
        var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: folder.gzip(folder.file("a.csv", sample())))))
        for index in bytes.count / 2..<bytes.count / 2 + 64 { bytes[index] = ~bytes[index] }
        let reader = try DatasetReader(file: folder.file("bad.gz", bytes), mapping: customers())
        let error = #expect(throws: DatasetError.self) { while try reader.next() != nil {} }
        #expect(error?.code == .corrupt)
    }

    @Test func resumesInTheUncompressedStream() throws {
        let path = try folder.gzip(folder.file("a.csv", sample()))
        let reader = try DatasetReader(file: path, mapping: customers())
        var position: RowPosition?
        for _ in 0..<30_000 { position = try reader.next()?.position }
        let second = try DatasetReader(file: path, mapping: customers())
        try second.skip(to: #require(position))
        #expect(try second.next()?.customerID == "customer 29999")
    }
}
