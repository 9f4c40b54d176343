import Datasets
import Foundation
import Records
import Testing

@Suite struct CSVTests {
    let folder = try! TemporaryFolder()

    func ids(_ text: String, format: String = "") throws -> [String?] {
        try readAll(folder.file("a.csv", text), customers(format: format)).map(\.customerID)
    }

    @Test func readsTheCleanForm() throws {
        #expect(try ids("id,x\na,1\nb,2\n") == ["a", "b"])
        #expect(try ids("id,x\na,1\nb,2") == ["a", "b"])
        #expect(try ids("x,id\n1,a") == ["a"])
    }

    @Test func readsByteOrderMarkSemicolonsTabsAndCRLF() throws {
        #expect(try ids("\u{FEFF}id;x\r\na;1,5\r\nb;2\r\n") == ["a", "b"])
        #expect(try ids("id\tx\na\t1\n") == ["a"])
        #expect(try ids("x|id\n1|a\n") == ["a"])
        #expect(try ids("\u{FEFF}\"id\",x\r\n\"a\",\"1\"\r\n") == ["a"])
        #expect(throws: DatasetError.self, "the file says UTF-8") { try ids("\u{FEFF}id\na\n", format: "format: {encoding: latin-1}") }
    }

    @Test func undoesQuotes() throws {
        #expect(try ids("id,x\n\"a,\"\"b\"\"\",\"two\nlines\"\nc,5\" pipe\n") == ["a,\"b\"", "c"])
        #expect(try ids("id,x\n\"a\",\"\"\n\"b\",\"\"") == ["a", "b"])
    }

    @Test func leavesOutBlankLinesAndSpacesAroundValues() throws {
        #expect(try ids("id,x\n\n a ,1\n\r\nb\t,2\n\n") == ["a", "b"])
    }

    @Test func readsAFileWithoutAHeader() throws {
        #expect(try ids("a,1\nb,2\n", format: "format: {header: false, columns: [id, x]}") == ["a", "b"])
    }

    @Test func decodesLatin1AndWindows1252WhereTheMappingSaysSo() throws {
        let bytes: [UInt8] = Array("id,x\nM".utf8) + [0xFC] + Array("ller ".utf8) + [0x80] + Array(",1\n".utf8)
        let file = try folder.file("l.csv", bytes)
        #expect(try readAll(file, customers(format: "format: {encoding: windows-1252}")).map(\.customerID) == ["Müller €"])
        let plain = try readAll(folder.file("m.csv", Array("id\nM".utf8) + [0xFC]), customers(format: "format: {encoding: latin-1}"))
        #expect(plain.map(\.customerID) == ["Mü"])
    }

    @Test func refusesARaggedRowAndGoesOn() throws {
        let items = try readAll(folder.file("a.csv", "id,x\na,1\nb\nc,3,4\nd,4\n"), customers())
        #expect(items.map(\.customerID) == ["a", nil, nil, "d"])
        #expect(items[1].rejections[0].reason == "has 1 value where the header has 2 columns")
        #expect(items[2].rejections[0].reason == "has 3 values where the header has 2 columns")
        #expect(items.map { $0.rejections.first?.column } == [nil, "x", "column 3", nil], "the first that is missing, or too many")
        #expect(items.map(\.position.row) == [1, 2, 3, 4])
        #expect(items[3].position.line == 5)
        let mapped = try readAll(folder.file("b.csv", "x,id\n1,a\n2\n"), customers())
        #expect(mapped[1].rejections[0].field == "customer.customer_id" && mapped[1].rejections[0].column == "id")
    }

    @Test func aQuoteTooManyCostsOneLine() throws {
        let items = try readAll(folder.file("a.csv", "id,x\na,1\n\"b,2\nc,3\nd,4\n"), customers())
        #expect(items.map(\.customerID) == ["a", nil, "c", "d"])
        #expect(items[1].rejections[0].reason == "has a quote that is not closed")
        let closedLater = try readAll(folder.file("b.csv", "id,x\na,1\nb,\"2\nc,3\nd,4\"\ne,5\n"), customers(format: ""))
        #expect(closedLater.map(\.customerID) == ["a", "b", "e"], "a quoted value may span lines")
        let text = try readAll(folder.file("c.csv", "id,x\n\"a\"b,1\nc,2\n"), customers())
        #expect(text.map(\.customerID) == [nil, "c"])
        #expect(text[0].rejections[0].reason == "has text after a closing quote")
    }

    @Test func aQuoteThatMeetsAnotherRowsAfterwardsCostsOneLine() throws {
        let rows = ["a,,1,2,3", "b,\"3/4 inch pipe,1,2,3", "c,,1,2,3", "d,,1,2,3", "e,,1,2,3", "f,5\",1,2,3", "g,h\",1,2,3", "h,,1,2,3"]
        let items = try readAll(folder.file("a.csv", "id,note,x,y,z\n" + rows.joined(separator: "\n")), customers())
        #expect(items.map(\.customerID) == ["a", nil, "c", "d", "e", "f", "g", "h"])
        #expect(items[1].rejections.first?.reason == "has a quote that is closed only after whole rows")
        #expect(items[1].rejections.first?.column == "note" && items.map(\.position.line) == Array(2...9))
        let letter = "\"Dear Sir,\nI paid, twice,\nand was not told, ever,\nwhere, when, and to whom it went.\n\""
        #expect(try ids("id,note,x\na,\(letter),1\nb,,2\n") == ["a", "b"], "a text of several lines")
    }

    @Test func linesThatEndInCarriageReturnsAloneAreSaidToBeSo() throws {
        let error = #expect(throws: DatasetError.self) { try ids("id,x\ra,1\rb,2\r") }
        #expect(error?.message.contains("carriage returns alone") == true)
        #expect(try ids("id,x\r\na,1\r\n") == ["a"])
    }

    @Test func aRaggedRowOverSeveralLinesCostsItsFirstLineOnly() throws {
        let items = try readAll(folder.file("a.csv", "id,x\na,\"1\nb,2\nc,3\n\",9\nd,4\n"), customers())
        #expect(items.map(\.customerID) == [nil, "b", "c", nil, "d"])
    }

    @Test func refusesNULAndInvalidUTF8WithTheColumn() throws {
        let bytes: [UInt8] = Array("id,x\na,1\nb".utf8) + [0] + Array(",2\nc,".utf8) + [0xFF] + Array("\nd,4\n".utf8)
        let items = try readAll(folder.file("a.csv", bytes), customers())
        #expect(items.map(\.customerID) == ["a", nil, nil, "d"])
        #expect(items[1].rejections[0] == Rejection(field: "customer.customer_id", column: "id", value: "****", reason: "contains a NUL byte"))
        #expect(items[2].rejections[0].column == "x")
        #expect(items[2].rejections[0].reason.hasPrefix("is not valid UTF-8"))
    }

    @Test func anEndlessLineIsOneRefusedRow() throws {
        var bytes = Array("id,x\na,1\n".utf8)
        bytes += Array(repeating: UInt8(ascii: "z"), count: 5 << 20)
        bytes += Array("\nb,2\n\"".utf8)
        bytes += Array(repeating: UInt8(ascii: "q"), count: 3 << 20)
        bytes += Array("\nc,3\n".utf8)
        let items = try readAll(folder.file("a.csv", bytes), customers())
        #expect(items.map(\.customerID) == ["a", nil, "b", nil, "c"])
        #expect(items[1].rejections[0].reason == "is longer than 1048576 bytes")
        #expect(items[4].position.byteOffset == Int64(bytes.count - 4))
    }

    @Test func refusesAValueThatIsTooLong() throws {
        let items = try readAll(folder.file("a.csv", "id,x\n" + String(repeating: "y", count: 70_000) + ",1\nb,2\n"), customers())
        #expect(items.map(\.customerID) == [nil, "b"])
        #expect(items[0].rejections[0].reason == "is longer than 65536 bytes")
    }

    @Test func rowsAcrossChunkBordersAreWhole() throws {
        var text = "id,x\n"
        for index in 0..<60_000 { text += index % 3 == 0 ? "\"row \(index)\",\"a\"\"b\"\n" : "row \(index),c\r\n" }
        let read = try readAll(folder.file("a.csv", text), customers())
        #expect(read.count == 60_000)
        #expect(read.enumerated().allSatisfy { $0.element.customerID == "row \($0.offset)" })
    }

    @Test func goesOnWhereAnEarlierReaderStopped() throws {
        let file = try folder.file("a.csv", "id,x\na,\"1\n2\"\n\nb,2\nc\nd,4\n")
        let all = try readAll(file, customers())
        for (index, item) in all.enumerated() {
            let reader = try DatasetReader(file: file, mapping: customers())
            try reader.skip(to: item.position)
            var rest: [DatasetItem] = []
            while let item = try reader.next() { rest.append(item) }
            #expect(rest == Array(all[index...]))
        }
    }

    @Test func saysClearlyWhatAFileIsThatItCannotRead() throws {
        #expect(throws: DatasetError(.unreadable, "cannot open /no/such.csv: no such file or directory")) {
            try DatasetReader(file: "/no/such.csv", mapping: customers())
        }
        for (bytes, word) in [([0x50, 0x4B, 3, 4, 0] as [UInt8], "zip"), ([0xFF, 0xFE, 0x69, 0], "UTF-16"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"), ([], "empty")] {
            let file = try folder.file("x", bytes)
            let error = #expect(throws: DatasetError.self) { try DatasetReader(file: file, mapping: customers()) }
            #expect(error?.message.contains(word) == true)
        }
        #expect(throws: DatasetError.self) { try DatasetReader(file: folder.url.path, mapping: customers()) }
    }
}
