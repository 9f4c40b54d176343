import Records

extension FieldMapping.Check {
    /// What is wrong with a value; nil when nothing is.
    func fault(_ text: String) -> String? {
        switch self {
        case .iban: IBAN(text) == nil ? "is not an IBAN, or its check digits are wrong" : nil
        case .account:
            IBAN.hasAlmostForm(text)
                ? "begins as an IBAN does and is not as long as one of its country"
                : IBAN.hasForm(text) && IBAN(text) == nil ? "is an IBAN with wrong check digits" : nil
        case .bic: BIC(text) == nil ? "is not a BIC of ISO 9362" : nil
        }
    }
}

extension LostIdentifier {
    /// The same for a value in a file.
    static func faultInFile(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        guard let lost = LostIdentifier(bytes) else { return nil }
        guard case .word(let word) = lost else { return lost.reason }
        return lost.reason + "; where it stands for nothing, list it in the mapping's format: {missing: ['\(word)']}"
    }
}
