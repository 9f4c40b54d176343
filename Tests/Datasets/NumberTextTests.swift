import Datasets
import Foundation
import Records
import Testing

@Suite struct NumberTextTests {
    func text(_ value: Double) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.maxBytes) { room in
            guard let place = room.baseAddress else { return "" }
            return String(decoding: UnsafeBufferPointer(start: place, count: NumberText.write(value, to: place) - place), as: UTF8.self)
        }
    }

    /// As the standard library prints it, whole numbers without a point.
    func expected(_ value: Double) -> String { Int64(exactly: value).map { String($0) } ?? value.description }

    @Test func writesTheShortestTextThatReadsBackTheSame() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<60_000 {
            let bits = Double(bitPattern: UInt64.random(in: .min ... .max, using: &random))
            let power = Double.random(in: -8...18, using: &random)
            let common = Double.random(in: -1...1, using: &random) * exp2(power * 3.4)
            let decimal = Double(Int.random(in: 0...10_000_000, using: &random)) / [1, 7, 10, 100, 1_000, 10_000].randomElement(using: &random)!
            // Exact in few binary digits: half-way between two decimals of fewer digits.
            let tie = Double(Int.random(in: 1...1 << 40, using: &random)) / exp2(Double(Int.random(in: 1...40, using: &random)))
            for value in [bits, common, decimal, tie, common.nextUp, decimal.nextDown] where !value.isNaN {
                #expect(text(value) == expected(value))
            }
        }
    }

    @Test func writesWhatLiesAtTheEdges() {
        var values: [Double] = [
            0, -0.0, 1, 9, 10, 0.5, 0.1, 0.001, 0.000_999_999_999_999_999_9, .infinity, -.infinity, 1e15, 1e16, 1e300,
            .leastNonzeroMagnitude,
        ]
        for power in -5...16 { values += [pow(10, Double(power)), pow(10, Double(power)).nextUp, pow(10, Double(power)).nextDown] }
        for power in -20...54 { values += [exp2(Double(power)), exp2(Double(power)).nextUp, exp2(Double(power)).nextDown] }
        for value in values { #expect(text(value) == expected(value)) }
        #expect(text(.nan).isEmpty)
    }

    @Test func writesTablesThatReadBackTheSame() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("table.csv", "what was there before")
        let table = try TableWriter(path: path, header: ["id", "time", "flag", "a", "b", "c"])
        let times = ["1969-12-31T23:59:59Z", "2024-02-29T00:00:00Z", "2024-02-29T13:07:09.250Z"].map { Timestamp(iso8601: $0)! }
        for (row, time) in times.enumerated() {
            var id = ["plain", "with \"quotes\", commas", "two\nlines"][row]
            id.withUTF8 { table.text($0) }
            table.time(time)
            table.flag([true, false, nil][row])
            [0.123_456_789, 0.123_456_789, .nan].withUnsafeBufferPointer { table.numbers($0) }
            try table.endRow()
        }
        try table.close()
        #expect(try String(contentsOfFile: path, encoding: .utf8) == """
            id,time,flag,a,b,c
            plain,1969-12-31T23:59:59Z,1,0.123456789,0.123456789,
            "with ""quotes"", commas",2024-02-29T00:00:00Z,0,0.123456789,0.123456789,
            "two
            lines",2024-02-29T13:07:09.250Z,,0.123456789,0.123456789,

            """)
        #expect(throws: DatasetError.self) { try TableWriter(path: folder.url.path, header: []) }
    }
}
