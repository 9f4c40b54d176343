import Records

/// The short way from a row to columns, for rows in which nothing is out of the ordinary: values without quotes in printable ASCII, times
/// of nineteen characters, amounts and labels as digits. Whatever else a row holds, it is left to `RecordBuilder`, which knows all forms,
/// refuses what is wrong and says why; what is taken here is what it would have made of it.
struct PlainPayments {
    /// No value that becomes an identifier is longer here, and nothing that is put before and behind it.
    private static let maxBytes = RecordLimits.maxIdentifierBytes / 2

    private let bank: [UInt8]
    private let id: Int
    private let customer: Int
    private let terminal: Int?
    private let time: Int
    private let amount: Int
    private let decimalPoint: UInt8
    private let mayBeThousands: Bool
    private let currency: Currency
    private let isFraud: Int?
    /// From a payment until its label was known.
    private let labelDelay: TimeSpan
    private let offsetSeconds: Int
    /// Of the payments' own clock; nil where none is stated.
    private let clock: ZoneClock?
    private let plus: TimeSpan
    /// Cells that become other identifiers, which columns have no place for and which are checked all the same.
    private let others: [Int]
    /// Later times lie in the future.
    private let latest: Int64

    // The day of the row before: payments come by the thousand on one.
    private var dayText: (UInt64, UInt16) = (0, 0)
    private var dayStart: Int64 = 0

    /// Nil for a mapping that asks for more.
    init?(_ plans: [FieldPlan], format: FileFormat, options: ReadOptions) {
        guard format.missing.isEmpty, options.validates else { return nil }
        var cells: [String: Int] = [:]
        var others: [Int] = []
        var times: [String: TimeReader] = [:]
        var amountMapping: FieldMapping?
        var currency: Currency?
        var zone: String?
        for plan in plans {
            let name = plan.target.name
            switch name {
            case "transaction_id", "customer_id", "terminal_id", "amount", "label.is_fraud", "event_time", "label.known_at":
                guard plan.isPlain, plan.mapping.check == nil, plan.fallback == nil else { return nil }
                cells[name] = plan.cells[0]
                times[name] = plan.time
                if name == "amount" { amountMapping = plan.mapping }
                if name == "event_time" { zone = zone ?? plan.mapping.zone }
                if name == "label.is_fraud", !plan.usesDigits { return nil }
            case "currency":
                guard let constant = plan.constantCurrency else { return nil }
                currency = constant
            case "card_id", "account_id", "merchant_id", "device_id", "counterparty_account_id":
                if plan.constant != nil { continue }
                guard plan.cells.count == 1, plan.mapping.words.isEmpty, plan.mapping.check == nil, plan.fallback == nil,
                    plan.mapping.prefix.utf8.count + plan.mapping.suffix.utf8.count <= Self.maxBytes
                else { return nil }
                others.append(plan.cells[0])
            case "time_zone":
                guard let constant = plan.constant else { return nil }
                zone = constant
            case "channel", "merchant_category_code", "label.source":
                guard plan.constant != nil else { return nil }
            default: return nil
            }
        }
        guard let id = cells["transaction_id"], let customer = cells["customer_id"], let time = cells["event_time"],
            let amount = cells["amount"], let mapping = amountMapping, let currency, let reader = times["event_time"],
            let offset = reader.offsetOfISO8601, !mapping.isMinorUnits, !mapping.isNegated, mapping.groupSeparator == nil, mapping.symbols.isEmpty
        else { return nil }
        if cells["label.is_fraud"] != nil {
            guard cells["label.known_at"] == time, let known = times["label.known_at"], known.offsetOfISO8601 == offset else { return nil }
            labelDelay = TimeSpan(microseconds: known.plus.microseconds &- reader.plus.microseconds)
        } else {
            labelDelay = .days(0)
        }
        bank = Array(options.bankID.utf8)
        self.id = id
        self.customer = customer
        let terminal = cells["terminal_id"]
        self.terminal = terminal
        self.time = time
        self.amount = amount
        decimalPoint = mapping.decimalPoint
        mayBeThousands = AmountText.mayBeThousands(mapping, currency)
        self.currency = currency
        isFraud = cells["label.is_fraud"]
        offsetSeconds = offset
        clock = zone.flatMap { ZoneClock.named($0) }
        plus = reader.plus
        self.others = others.filter { $0 != id && $0 != customer && $0 != terminal }
        latest = (options.now + RecordLimits.maxClockSkew).microseconds
    }

    /// - Returns: false, and appends nothing, for a row that is not plain.
    mutating func append(_ buffer: RowBuffer, to payments: inout PaymentColumns) -> Bool {
        guard let id = identifier(id, buffer), let customer = identifier(customer, buffer),
            let time = time(plain(time, buffer)).map({ Timestamp(microseconds: $0) + plus }),
            time >= RecordLimits.earliestTime, time.microseconds <= latest,
            let money = money(plain(amount, buffer))
        else { return false }
        var terminalID: UnsafeBufferPointer<UInt8>?
        if let terminal {
            guard let id = identifier(terminal, buffer) else { return false }
            terminalID = id
        }
        for other in others where identifier(other, buffer) == nil { return false }
        var label: (isFraud: Bool, knownAt: Int64)?
        if let isFraud {
            let word = plain(isFraud, buffer)
            if word.count == 1, word[0] == UInt8(ascii: "0") || word[0] == UInt8(ascii: "1") {
                label = (word[0] == UInt8(ascii: "1"), (time + labelDelay).microseconds)
            } else {
                // An empty one is not known yet.
                guard buffer.cells[isFraud].kind == .text, buffer.cells[isFraud].count == 0 else { return false }
            }
        }
        bank.withUnsafeBufferPointer {
            payments.append(
                bank: $0, id: id, time: time.microseconds, customer: customer, terminal: terminalID, amount: money,
                utcOffsetSeconds: clock?.offsetSeconds(at: time), label: label)
        }
        return true
    }

    /// Empty for a value that is not plain.
    @inline(__always)
    private func plain(_ index: Int, _ buffer: RowBuffer) -> UnsafeBufferPointer<UInt8> {
        let cell = buffer.cells[index]
        guard cell.kind == .text, !cell.isEscaped else { return UnsafeBufferPointer(start: nil, count: 0) }
        return trimmed(buffer.slice(cell))
    }

    @inline(__always)
    private func identifier(_ index: Int, _ buffer: RowBuffer) -> UnsafeBufferPointer<UInt8>? {
        let bytes = plain(index, buffer)
        guard !bytes.isEmpty, bytes.count <= Self.maxBytes else { return nil }
        for byte in bytes where byte &- 0x20 >= 0x7F - 0x20 { return nil }
        return bytes
    }

    @inline(__always)
    private func money(_ bytes: UnsafeBufferPointer<UInt8>) -> Money? {
        guard let money = try? Money(decimal: bytes, decimalPoint: decimalPoint, currency: currency), money.minorUnits >= 0,
            !RecordLimits.isTooLarge(money), !mayBeThousands || !AmountText.hasThreeDecimals(bytes, decimalPoint)
        else { return nil }
        return money
    }

    /// `2018-04-01 00:00:31` or with a T, by the column's clock, as microseconds since 1970.
    @inline(__always)
    private mutating func time(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count == 19, bytes[10] == UInt8(ascii: " ") || bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
            bytes[16] == UInt8(ascii: ":")
        else { return nil }
        let raw = UnsafeRawBufferPointer(bytes)
        let text = (raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self), raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        if text != dayText {
            let day = UnsafeBufferPointer(rebasing: bytes[0..<10])
            guard let start = Timestamp.parse(iso8601: day, assumingOffsetSeconds: offsetSeconds) else { return nil }
            dayText = text
            dayStart = start.microseconds
        }
        let zero = UInt8(ascii: "0")
        var isDigits = true
        func pair(_ index: Int) -> Int64 {
            let (tens, ones) = (bytes[index] &- zero, bytes[index + 1] &- zero)
            isDigits = isDigits && tens < 10 && ones < 10
            return Int64(tens) * 10 + Int64(ones)
        }
        let (hour, minute, second) = (pair(11), pair(14), pair(17))
        guard isDigits, hour < 24, minute < 60, second < 60 else { return nil }
        return dayStart + (hour * 3_600 + minute * 60 + second) * Timestamp.microsecondsPerSecond
    }
}
