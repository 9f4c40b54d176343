import Foundation
import Records
import Testing

@testable import Datasets

/// How a proposal reads times of all forms, and what it leaves open of them.
@Suite struct ProposalTimeTests {
    private func payments(_ heads: String, _ rows: [String]) -> String {
        "id;customer;amount;currency;\(heads)\n" + rows.enumerated().map { "A\($0.offset);C;5;EUR;\($0.element)\n" }.joined()
    }

    /// What the proposed mapping makes of such a file.
    private func read(_ heads: String, _ rows: [String]) throws -> (line: String, payments: [Transaction]) {
        try withFile(payments(heads, rows)) { path in
            let proposal = try MappingProposal(file: path, kind: .transactions)
            #expect(proposal.open == [], "\(proposal.yaml)")
            let line = try #require(proposal.yaml.split(separator: "\n").first { $0.hasPrefix("  event_time: ") })
            let rows = try Dataset.transactions(
                file: path, mapping: Mapping(parsing: proposal.yaml, name: "proposed"), options: ReadOptions(now: Timestamp(iso8601: "2026-12-01")!))
            return (String(line.dropFirst(14)), rows.map(\.transaction))
        }
    }

    @Test(arguments: [
        ("02/13/2026 02:15 AM", "MM/dd/yyyy hh:mm a", "2026-02-13T02:15:00Z"), ("2/13/2026 2:15 PM", "M/d/yyyy h:mm a", "2026-02-13T14:15:00Z"),
        ("02 Feb 2026 10:15", "dd MMM yyyy HH:mm", "2026-02-02T10:15:00Z"), ("02-FEB-26", "dd-MMM-yy", "2026-02-02T00:00:00Z"),
        ("20261002101500", "yyyyMMddHHmmss", "2026-10-02T10:15:00Z"), ("202610021015", "yyyyMMddHHmm", "2026-10-02T10:15:00Z"),
        ("02-FEB-26 10.15.30.500000 AM", "dd-MMM-yy hh.mm.ss.SSS a", "2026-02-02T10:15:30.500Z"), ("1769940000", "unix", "2026-02-01T10:00:00Z"),
        ("28.02.2026, 10:15", "dd.MM.yyyy, HH:mm", "2026-02-28T10:15:00Z"), ("28/02/26", "dd/MM/yy", "2026-02-28T00:00:00Z"),
        ("28/02/2026 10:15:00 +05:30", "dd/MM/yyyy HH:mm:ss XXX", "2026-02-28T04:45:00Z"), ("1769940000000", "unix_ms", "2026-02-01T10:00:00Z"),
    ])
    func timesOfManyFormsAreReadByTheRightFormat(text: String, format: String, time: String) throws {
        let (line, payments) = try read("ts", [text])
        #expect(line == "{column: ts, format: \(MappingProposal.quoted(format))}")
        #expect(payments.map(\.eventTime) == [Timestamp(iso8601: time)])
    }

    @Test func aColumnCalledTSIsATime() throws {
        #expect(try read("ts", ["2026-02-02T10:15:00Z"]).line == "ts")
    }

    @Test(arguments: [
        (["02/03/2026", "05/06/2026"], "dd/MM/yyyy", "MM/dd/yyyy"), (["02/03/2026 10:15"], "dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm"),
        (["02-03-2026"], "dd-MM-yyyy", "MM-dd-yyyy"), (["2/3/26"], "d/M/yy", "M/d/yy"), (["04-05-06"], "dd-MM-yy", "MM-dd-yy"),
    ])
    func aDayThatMayBeAMonthIsLeftOpenWithBothReadings(values: [String], one: String, other: String) throws {
        let proposal = try proposal(payments("time", values))
        #expect(proposal.open == ["event_time"])
        #expect(
            proposal.yaml.contains("  # event_time: {column: time, format: \(MappingProposal.quoted(one))}   # or \(other): no value tells. It is required.\n"),
            "\(proposal.yaml)")
    }

    @Test func oneValueTellsDaysFromMonths() throws {
        #expect(try read("time", ["02/03/2026", "02/13/2026"]).line == "{column: time, format: \"MM/dd/yyyy\"}")
        #expect(try read("time", ["02/03/2026", "07/07/2026", "13/02/2026"]).line == "{column: time, format: \"dd/MM/yyyy\"}")
        #expect(try read("time", ["02/02/2026"]).line == "{column: time, format: \"dd/MM/yyyy\"}", "both readings are the same day")
    }

    // MARK: Dates and times of day in two columns

    @Test(arguments: [
        ("date;time", "2026-03-01;10:15:30", "{columns: [date, time], separator: \" \"}"),
        ("Transaction Date;Transaction Time", "2026-03-01;10:15:30", "{columns: [\"Transaction Date\", \"Transaction Time\"], separator: \" \"}"),
        ("Datum;Uhrzeit", "01.03.2026;10:15:30", "{columns: [Datum, Uhrzeit], separator: \" \", format: \"dd.MM.yyyy HH:mm:ss\"}"),
        ("date;time", "20260301;101530", "{columns: [date, time], separator: \" \", format: \"yyyyMMdd HHmmss\"}"),
        ("time;date", "10:15:30 AM;2026-03-01", "{columns: [date, time], separator: \" \", format: \"yyyy-MM-dd hh:mm:ss a\"}"),
    ])
    func aDateIsJoinedWithItsTimeOfDay(heads: String, row: String, line: String) throws {
        let found = try read(heads, [row])
        #expect(found.line == line)
        #expect(found.payments.map(\.eventTime) == [Timestamp(iso8601: "2026-03-01T10:15:30Z")])
    }

    @Test func eachOfTwoDatesHasItsOwnTimeOfDay() throws {
        let text = "id;kind;end_date;start_date;start_time;end_time\nE;match;2026-03-01;2026-03-01;10:00;12:00\n"
        let signals = try proposal(text, .context)
        #expect(signals.yaml.contains("  starts_at: {columns: [start_date, start_time], separator: \" \"}\n"))
        #expect(signals.yaml.contains("  ends_at: {columns: [end_date, end_time], separator: \" \"}\n"))
    }

    @Test(arguments: [("date;time", "morning"), ("Booking Date;clock", "10:15")])
    func aTimeOfDayThatIsNotSureIsAskedFor(heads: String, clock: String) throws {
        let proposal = try proposal(payments(heads, ["2026-03-01;\(clock)"]))
        #expect(proposal.open == ["event_time"])
        #expect(proposal.yaml.contains("   # is the time of day in \(heads.split(separator: ";")[1])? It is required.\n"), "\(proposal.yaml)")
    }

    // MARK: Zones

    @Test func aZoneInEachRowIsThatOfItsTime() throws {
        let found = try read("timestamp;timezone", ["2026-03-01 10:15:00;Asia/Kolkata", "2026-07-01 10:15:00;Europe/Berlin"])
        #expect(found.line == "{column: timestamp, zone: {column: timezone}}")
        #expect(found.payments.map(\.eventTime) == ["2026-03-01T04:45:00Z", "2026-07-01T08:15:00Z"].map { Timestamp(iso8601: $0) })
        #expect(found.payments.map(\.timeZone) == ["Asia/Kolkata", "Europe/Berlin"])
        let joined = try read("Datum;Uhrzeit;Zeitzone", ["01.07.2026;10:15;Europe/Berlin"])
        #expect(joined.line == "{columns: [Datum, Uhrzeit], separator: \" \", format: \"dd.MM.yyyy HH:mm\", zone: {column: Zeitzone}}")
        #expect(joined.payments.map(\.eventTime) == [Timestamp(iso8601: "2026-07-01T08:15:00Z")])
    }

    @Test func aTimeThatStatesItsOffsetNeedsNoZone() throws {
        let found = try read("timestamp;timezone", ["2026-03-01T10:15:00+05:30;Asia/Kolkata"])
        #expect(found.line == "timestamp" && found.payments.map(\.timeZone) == ["Asia/Kolkata"])
    }

    @Test func aDateAloneIsAskedAboutWhereAnotherColumnHasTimesOfDay() throws {
        let asked = try proposal(payments("value_date;booking_timestamp", ["2026-02-20;2026-02-10T10:00:00"]))
        #expect(asked.open == ["event_time"])
        #expect(asked.yaml.contains("  # event_time: value_date   # or is it booking_timestamp, which has times of day? It is required.\n"))
        #expect(try proposal(payments("value_date;booking_date", ["2026-02-20;2026-02-10"])).open.isEmpty)
    }

    @Test func aZoneThatIsNoneIsAskedFor() throws {
        let proposal = try proposal(payments("timestamp;timezone", ["2026-03-01 10:15:00;Asia/Kolkata", "2026-03-01 10:15:00;India time"]))
        #expect(proposal.open == ["event_time"])
        #expect(
            proposal.yaml.contains(
                "  # event_time: timestamp   # in which zone? `India time` in timezone is no IANA name and no offset such as +05:30. It is required.\n"),
            "\(proposal.yaml)")
    }
}
