import Records
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0),
        ("2018-04-01 00:00:31", 1_522_540_831_000_000),
        ("2018-04-01T05:30:31+05:30", 1_522_540_831_000_000),
        ("2018-04-01T00:00:31.25Z", 1_522_540_831_250_000),
        ("2000-02-29", 951_782_400_000_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2018-04-01T00:00Z", 1_522_540_800_000_000),
        ("2018-03-31 16:00:31-0800", 1_522_540_831_000_000),
    ])
    func readsTheFormsThatDataCarries(text: String, microseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.microseconds == microseconds)
    }

    @Test(arguments: [
        "", "2018", "2018-13-01", "2018-02-29", "2018-04-31", "2018-04-01T24:00:00", "2018-04-01T00:60", "2018-04-01T00:00:60Z", "20180401",
        "2018-04-01T", "2018-04-01T00:00:31.Z", "2018-04-01T00:00:31.1234567890Z", "2018-04-01T00:00:31+25:00", "2018-04-01 00:00:31 IST",
        "0000-01-01", "2018-04-01T00:00:31Zx", "१०१८-04-01",
    ])
    func refusesWhatIsNoTime(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test func assumesTheOffsetThatItIsToldForATextWithoutOne() {
        #expect(Timestamp(iso8601: "2018-04-01 05:30:00", assumingOffsetSeconds: 19_800) == Timestamp(iso8601: "2018-04-01T00:00:00Z"))
        #expect(Timestamp(iso8601: "2018-04-01 05:30:00Z", assumingOffsetSeconds: 19_800) == Timestamp(iso8601: "2018-04-01T05:30:00Z"))
    }

    @Test func everyDayOfFourHundredYearsSurvivesTheCalendar() {
        var day = Timestamp(iso8601: "1899-12-31")!
        var previous = day.civil()
        var wrong: [CivilTime] = []
        for _ in 0..<146_097 {
            day = day + .days(1)
            let civil = day.civil()
            let isNext = civil.day == previous.day + 1 || (civil.day == 1 && (civil.month == previous.month + 1 || civil.month == 1))
            if Timestamp(civil) != day || !isNext { wrong.append(civil) }
            previous = civil
        }
        #expect(wrong == [])
        #expect(previous == CivilTime(year: 2299, month: 12, day: 31))
    }

    @Test func writesWhatItReads() {
        for text in ["2018-04-01T00:00:31Z", "1969-12-31T23:59:59.999999Z", "2018-04-01T00:00:31.250Z"] {
            #expect(Timestamp(iso8601: text)?.iso8601 == text)
        }
    }

    @Test func knowsTheHourAndTheDayOfTheWeekOfAPlace() {
        let time = Timestamp(iso8601: "2018-04-01T20:00:00Z")!  // a Sunday
        #expect(time.dayOfWeek() == 7)
        #expect(time.hourOfDay() == 20)
        #expect(time.dayOfWeek(offsetSeconds: 19_800) == 1)
        #expect(time.hourOfDay(offsetSeconds: 19_800) == 1)
        #expect(Timestamp(iso8601: "1969-12-31T23:00:00Z")!.dayOfWeek() == 3)
    }

    @Test func staysInRangeWhateverIsAdded() {
        #expect(Timestamp(microseconds: .max) + .days(1) == Timestamp(microseconds: .max))
        #expect(Timestamp(microseconds: .min) - .days(1) == Timestamp(microseconds: .min))
    }
}
