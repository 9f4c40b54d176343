import Records
import Testing

@Suite struct ZoneClockTests {
    @Test(arguments: [
        ("UTC", "2018-07-01T00:00:00Z", 0), ("+05:30", "2018-07-01T00:00:00Z", 19_800), ("-03:30", "2018-07-01T00:00:00Z", -12_600),
        ("Asia/Kolkata", "2018-07-01T00:00:00Z", 19_800), ("America/Chicago", "2010-01-15T12:00:00Z", -21_600),
        ("America/Chicago", "2010-07-15T12:00:00Z", -18_000), ("Japan", "2018-07-01T00:00:00Z", 32_400), ("Etc/GMT+5", "2018-07-01T00:00:00Z", -18_000),
    ])
    func knowsTheOffsetAtAMoment(zone: String, time: String, offset: Int) throws {
        let clock = try #require(ZoneClock.named(zone))
        #expect(clock.offsetSeconds(at: Timestamp(iso8601: time)!) == offset)
    }

    @Test func changesWithinADayToTheSecond() throws {
        let clock = try #require(ZoneClock.named("Europe/Berlin"))
        let change = Timestamp(iso8601: "2018-03-25T01:00:00Z")!
        for _ in 0..<2 {
            #expect(clock.offsetSeconds(at: change - .days(2)) == 3_600)
            #expect(clock.offsetSeconds(at: change - .seconds(1)) == 3_600)
            #expect(clock.offsetSeconds(at: change) == 7_200)
            #expect(clock.offsetSeconds(at: change + .days(2)) == 7_200)
        }
    }

    @Test(arguments: [
        "", "Nowhere", "Asia/Kolkatta", "../../etc/passwd", "+25:00:00:00", "5:30", "BST", "IST", "ART", "CST", "PDT",
        String(repeating: "A", count: 1_000),
    ])
    func thereIsNoSuchZone(name: String) {
        #expect(ZoneClock.named(name) == nil)
    }
}
