import Foundation
import Records
import Testing

@testable import Datasets

/// Times on the clock that each row names.
@Suite struct RowZoneTests {
    private static let mapping = """
        record: transactions
        fields:
          transaction_id: id
          event_time: {column: at, zone: {column: tz}}
          customer_id: id
          amount: {constant: "5"}
          currency: {constant: EUR}
        """

    private func item(_ time: String, _ zone: String) throws -> DatasetItem {
        let mapping = try Mapping(parsing: Self.mapping, name: "test")
        return try withFile("id,at,tz\nA,\(time),\(zone)\n") { try readAll($0, mapping, now: "2026-12-01")[0] }
    }

    @Test(arguments: [
        ("2026-03-01 10:15:00", "Asia/Kolkata", "2026-03-01T04:45:00Z", "Asia/Kolkata"),
        ("2026-07-01 10:15:00", "Europe/Berlin", "2026-07-01T08:15:00Z", "Europe/Berlin"),
        ("2026-03-01 10:15:00", "+05:30", "2026-03-01T04:45:00Z", "+05:30"), ("2026-03-01 10:15:00", "UTC", "2026-03-01T10:15:00Z", "UTC"),
        ("2026-03-01T10:15:00+02:00", "Asia/Kolkata", "2026-03-01T08:15:00Z", "+02:00"),
        ("2026-03-01T10:15:00Z", "Asia/Kolkata", "2026-03-01T10:15:00Z", "Asia/Kolkata"), ("2026-03-01T10:15:00Z", "", "2026-03-01T10:15:00Z", nil),
    ])
    func aRowsTimeIsOnTheClockThatItNames(time: String, zone: String, moment: String, kept: String?) throws {
        let payment = try #require(try item(time, zone).transaction)
        #expect(payment.eventTime == Timestamp(iso8601: moment) && payment.timeZone == kept)
    }

    @Test(arguments: [
        ("Asia/Kolkatta", "is in a time zone that is no IANA name and no offset such as +05:30"),
        ("", "states no offset, and its row no time zone"),
    ])
    func aRowWithoutAZoneThatExistsIsRefused(zone: String, reason: String) throws {
        let rejections = try item("2026-03-01 10:15:00", zone).rejections
        #expect(rejections.map(\.field) == ["transaction.event_time"] && rejections.map(\.column) == ["tz"])
        #expect(rejections.map(\.reason) == [reason])
    }

    @Test func columnsOfManyRowsAreReadOnTheirOwnClocks() throws {
        let mapping = try Mapping(parsing: Self.mapping, name: "test")
        #expect(mapping.columnNames == ["id", "at", "tz", "id"])
        try withFile("id,at,tz\nA,2026-03-01 10:15:00,Asia/Kolkata\nB,2026-03-01 10:15:00,UTC\nC,2026-03-01 10:15:00,+01:00\n") { path in
            var payments = PaymentColumns()
            let reader = try DatasetReader(file: path, mapping: mapping, options: ReadOptions(now: Timestamp(iso8601: "2026-12-01")!))
            try reader.readPayments(into: &payments, refused: { Issue.record("\($0)") }, progress: { _ in })
            let times = ["2026-03-01T04:45:00Z", "2026-03-01T10:15:00Z", "2026-03-01T09:15:00Z"].map { Timestamp(iso8601: $0)!.microseconds }
            #expect(Array(payments.times) == times)
        }
    }

    @Test(arguments: ["{}", "{colum: tz}", "{column: tz, path: b}", "[tz]"])
    func aZoneOfAnotherFormIsRefused(zone: String) {
        #expect(throws: DatasetError.self) { try Mapping(parsing: Self.mapping.replacing("{column: tz}", with: zone), name: "test") }
    }
}
