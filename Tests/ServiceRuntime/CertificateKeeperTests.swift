import Foundation
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite struct CertificateKeeperTests {
    private struct DoesNotFit: Error {}

    @Test func renewedFilesAreTakenIntoUseOnceTheyFitTogether() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "vigil-renewal-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let names = ["own.crt", "own.key", "ca.crt"].map { folder.appending(path: $0).path }
        for name in names { try Data("old".utf8).write(to: URL(fileURLWithPath: name)) }
        let reloads = AsyncStream.makeStream(of: Int.self)
        let count = Mutex(0)
        let keeper = CertificateKeeper(
            files: .init(certificateFile: names[0], keyFile: names[1], trustFile: names[2]), logger: testLogger, interval: .milliseconds(2),
            reload: {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                reloads.continuation.yield(number)
                // The certificate is another already, and its key has not been written yet.
                if number < 3 { throw DoesNotFit() }
            }, certificateEnd: { 4_102_444_800 })
        try Data("the new certificate".utf8).write(to: URL(fileURLWithPath: names[0]))
        await withDiscardingTaskGroup { group in
            group.addTask { await keeper.run() }
            var iterator = reloads.stream.makeAsyncIterator()
            for number in 1...3 { #expect(await iterator.next() == number) }
            group.cancelAll()
        }
        #expect(count.withLock { $0 } == 3, "what is in use is not read again")
    }
}
