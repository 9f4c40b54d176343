import Testing

@testable import IngestionGateway

@Suite struct RecentNumbersTests {
    @Test func whatWasInsertedIsThereAndNothingElse() {
        var numbers = RecentNumbers(log2Sets: 10)
        #expect(!numbers.contains(0) && !numbers.contains(1))
        var generator = SystemRandomNumberGenerator()
        let inserted = [0, UInt64.max] + (0..<500).map { _ in generator.next() }
        for number in inserted { numbers.insert(number) }
        for number in inserted.suffix(4) { #expect(numbers.contains(number)) }
        // Eight times as many places as numbers: a fifth one in a set of four is rare.
        #expect(inserted.count { numbers.contains($0) } > 490)
        #expect(!(0..<1_000).contains { _ in numbers.contains(generator.next()) })
    }

    @Test func whereAllPlacesAreTakenTheFirstToComeIsForgotten() {
        // All of two sets.
        var numbers = RecentNumbers(log2Sets: 1)
        let inserted = (1...100).map { UInt64($0) &* 0xD6E8_FEB8_6659_FD93 }
        for number in inserted {
            numbers.insert(number)
            numbers.insert(number)
            #expect(numbers.contains(number))
        }
        #expect(inserted.count { numbers.contains($0) } == 8)
        #expect(numbers.contains(inserted[99]) && !numbers.contains(inserted[0]))
    }
}
