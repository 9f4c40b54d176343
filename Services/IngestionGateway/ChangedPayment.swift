import Contracts
import RecordCoding

/// What came under the key of a stored payment and is another one.
struct ChangedPayment: CustomStringConvertible {
    /// Those that differ, as the contract names them; none where what is stored cannot be read.
    private(set) var fields: [String] = []

    /// Nil where it is the stored one sent again. Mostly they are alike byte by byte.
    init?(_ entry: [UInt8], from stored: [UInt8]) {
        if entry == stored { return nil }
        guard let came = Self.transaction(in: entry), let kept = Self.transaction(in: stored) else { return }
        let common = came.comparable(with: kept)
        if common == kept { return nil }
        fields = Self.differences(common, kept)
    }

    /// Goes on from the words that it is another; values are not told.
    var description: String {
        fields.isEmpty ? "" : ", whose \(fields.joined(separator: ", ")) \(fields.count == 1 ? "is" : "are") not the same"
    }

    private static func transaction(in entry: [UInt8]) -> RecordsV1.Transaction? {
        guard case .transactionAccepted(let transaction) = try? Payload.decode(IngestionV1.IngestionEvent.self, entry).event else { return nil }
        return transaction
    }

    private static func differences(_ came: RecordsV1.Transaction, _ kept: RecordsV1.Transaction) -> [String] {
        let parts = [
            ("event_time", came.eventTime == kept.eventTime), ("time_zone", came.timeZone == kept.timeZone),
            ("customer_id", came.customerID == kept.customerID), ("account_id", came.accountID == kept.accountID),
            ("card_id", came.cardID == kept.cardID), ("terminal_id", came.terminalID == kept.terminalID),
            ("merchant_category_code", came.merchantCategoryCode == kept.merchantCategoryCode),
            ("counterparty_account_id", came.counterpartyAccountID == kept.counterpartyAccountID), ("device_id", came.deviceID == kept.deviceID),
            ("channel", came.channel == kept.channel), ("amount", came.amount == kept.amount), ("location", came.location == kept.location),
            ("merchant_id", came.merchantID == kept.merchantID), ("details", came.details == kept.details),
        ]
        return parts.filter { !$0.1 }.map { "transaction." + $0.0 }
    }
}

extension RecordsV1.Transaction {
    /// Without what a stored one is no other for: its zone and details may have been added since, as earlier versions and mappings read
    /// neither. What both say must be the same, and nothing that is stored may be missing.
    fileprivate func comparable(with stored: Self) -> Self {
        var common = self
        if stored.timeZone.isEmpty { common.timeZone = "" }
        common.details = stored.details.flatMap { details?.common(with: $0) }
        // Earlier versions left zeros out.
        if stored.amount?.minorUnits == nil, amount?.minorUnits == 0 { common.amount?.minorUnits = nil }
        if stored.location?.latitude == nil, location?.latitude == 0 { common.location?.latitude = nil }
        if stored.location?.longitude == nil, location?.longitude == 0 { common.location?.longitude = nil }
        return common
    }
}

extension RecordsV1.TransactionDetails {
    /// Without what the stored ones do not say.
    fileprivate func common(with stored: Self) -> Self {
        var common = self
        for field in [\Self.ipAddress, \.email, \.phone, \.debtorAgentBIC, \.creditorAgentBIC] where stored[keyPath: field].isEmpty {
            common[keyPath: field] = ""
        }
        return common
    }
}
