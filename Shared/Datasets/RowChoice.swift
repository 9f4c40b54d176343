/// Which rows of a file are records, by the words that some of its columns say; the others are left out and counted, not refused.
public struct RowChoice: Sendable, Hashable {
    /// A column, and words that it may say: in lower case, without spaces around, the empty one for a value that is missing.
    public struct Words: Sendable, Hashable {
        public var column: String
        public var words: Set<String>
    }

    /// All of these hold of a record.
    public var only: [Words] = []
    /// None of these holds of one.
    public var except: [Words] = []

    var columnNames: [String] { (only + except).map(\.column) }
}

/// A choice made ready for one file, whose columns have been found.
final class RowSieve {
    private typealias Test = (cell: Int?, words: Set<String>)

    private let only: [Test]
    private let except: [Test]
    private let fields: FieldReader

    init(_ choice: RowChoice, _ fields: FieldReader, cell: (_ column: String) -> Int?) {
        only = choice.only.map { (cell($0.column), $0.words) }
        except = choice.except.map { (cell($0.column), $0.words) }
        self.fields = fields
    }

    /// Whether the row that the buffer holds is no record.
    var leavesOut: Bool {
        if only.isEmpty, except.isEmpty { return false }
        return !only.allSatisfy(holds) || except.contains(where: holds)
    }

    private func holds(_ test: Test) -> Bool {
        let word = test.cell.flatMap(fields.word) ?? ""
        return test.words.contains(word.lowercased()) || test.words.contains("") && fields.meansNone(word)
    }
}

extension FieldReader {
    /// Whether the mapping lists it among what means none.
    fileprivate func meansNone(_ word: String) -> Bool {
        var word = word
        return word.withUTF8(isMissingWord)
    }

    /// What a cell says; nil where it says nothing, or is an object or a list.
    fileprivate func word(_ index: Int) -> String? {
        switch buffer.cells[index].kind {
        case .missing, .null, .structure: return nil
        case .text, .number, .boolean: break
        }
        let bytes = encoding.trimmed(buffer.value(index))
        return encoding.decode(UnsafeBufferPointer(rebasing: bytes.prefix(DatasetLimits.maxFieldBytes)))
    }
}
