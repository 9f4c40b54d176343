import NIOCore
import Testing
@testable import RPC

/// Which address a call goes to, without a network.
@Suite struct BalancerTests {
    private final class FakeConnection: Balanced {
        let name: String
        var openCalls = 0

        init(_ name: String) { self.name = name }
    }

    private func address(_ number: Int) throws -> SocketAddress {
        try SocketAddress(ipAddress: "10.0.0.\(number)", port: 8442)
    }

    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// A balancer over addresses that are all connected; the connection of address 3 is called "3".
    private func connected(
        _ count: Int, _ policy: BalancingPolicy, _ outliers: OutlierEjection = OutlierEjection()
    ) throws -> Balancer<FakeConnection> {
        var balancer = Balancer<FakeConnection>(policy: policy, outliers: outliers)
        _ = balancer.resolved(try (1...count).map { (try address($0), "service") })
        #expect(balancer.startConnecting().count == count)
        for number in 1...count {
            _ = balancer.update(try address(number)) { $0.status = .ready(FakeConnection("\(number)")) }
        }
        return balancer
    }

    private func picks(_ balancer: inout Balancer<FakeConnection>, _ count: Int, key: String? = nil) -> [String] {
        (0..<count).map { _ in balancer.pick(key: key, now: now)?.name ?? "none" }
    }

    @Test func roundRobinTakesEachInTurnAndLeavesOutWhatIsNotUp() throws {
        var balancer = try connected(3, .roundRobin)
        #expect(picks(&balancer, 6) == ["1", "2", "3", "1", "2", "3"])
        _ = balancer.update(try address(2)) { $0.status = .waiting }
        #expect(picks(&balancer, 4) == ["1", "3", "1", "3"])
    }

    @Test func leastRequestsTakesTheOneWithFewestCalls() throws {
        var balancer = try connected(3, .leastRequests)
        for endpoint in balancer.endpoints { endpoint.connection?.openCalls = endpoint.connection?.name == "2" ? 1 : 5 }
        #expect(picks(&balancer, 3) == ["2", "2", "2"])
    }

    @Test func leastRequestsSharesEqualLoadInTurn() throws {
        var balancer = try connected(3, .leastRequests)
        #expect(Set(picks(&balancer, 3)) == ["1", "2", "3"])
    }

    @Test func theRingKeepsAKeyAtItsAddressAndMovesOnlyTheKeysOfOneThatGoes() throws {
        var balancer = try connected(5, .ringHash)
        let keys = (0..<500).map { "account-\($0)" }
        let before = keys.map { balancer.pick(key: $0, now: now)?.name ?? "" }
        #expect(keys.map { balancer.pick(key: $0, now: now)?.name ?? "" } == before)
        for name in ["1", "2", "3", "4", "5"] { #expect(before.count { $0 == name } > 40) }
        _ = balancer.update(try address(3)) { $0.status = .waiting }
        let after = keys.map { balancer.pick(key: $0, now: now)?.name ?? "" }
        #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == "3" })
        #expect(!after.contains("3"))
    }

    @Test func aSickAddressIsLeftOutForAWhileAndLongerTheNextTime() throws {
        var outliers = OutlierEjection()
        outliers.consecutiveFailures = 3
        var balancer = try connected(2, .roundRobin, outliers)
        let sick = try #require(balancer.endpoints[0].connection)
        for _ in 0..<2 { #expect(balancer.callEnded(on: sick, failed: true, now: now) == nil) }
        #expect(balancer.callEnded(on: sick, failed: true, now: now) == (try address(1)))
        #expect(picks(&balancer, 3) == ["2", "2", "2"])
        let later = now + .seconds(31)
        #expect(Set((0..<2).map { _ in balancer.pick(key: nil, now: later)?.name }) == ["1", "2"])
        for _ in 0..<3 { _ = balancer.callEnded(on: sick, failed: true, now: later) }
        #expect(balancer.pick(key: nil, now: later + .seconds(59))?.name == "2")
        #expect(balancer.pick(key: nil, now: later + .seconds(59))?.name == "2")
        #expect(Set((0..<2).map { _ in balancer.pick(key: nil, now: later + .seconds(61))?.name }) == ["1", "2"])
    }

    @Test func oneGoodCallForgivesTheFailuresBefore() throws {
        var balancer = try connected(2, .roundRobin)
        let connection = try #require(balancer.endpoints[0].connection)
        for _ in 0..<20 {
            for _ in 0..<4 { #expect(balancer.callEnded(on: connection, failed: true, now: now) == nil) }
            #expect(balancer.callEnded(on: connection, failed: false, now: now) == nil)
        }
    }

    @Test func neverMoreThanTheAllowedShareIsLeftOut() throws {
        var balancer = try connected(3, .roundRobin)
        for endpoint in balancer.endpoints {
            guard let connection = endpoint.connection else { continue }
            for _ in 0..<10 { _ = balancer.callEnded(on: connection, failed: true, now: now) }
        }
        #expect(Set(picks(&balancer, 6)) == ["2", "3"])
    }

    @Test func whatDoesNotServeIsLeftOutAndWhenNoneDoesThereIsNoHope() throws {
        var balancer = try connected(2, .roundRobin)
        _ = balancer.update(try address(1)) { $0.isServing = false }
        #expect(picks(&balancer, 2) == ["2", "2"])
        #expect(!balancer.isHopeless)
        _ = balancer.update(try address(2)) { $0.isServing = false }
        #expect(picks(&balancer, 1) == ["none"])
        #expect(balancer.isHopeless)
    }

    @Test func aSecondAttemptGoesElsewhereWhereItCan() throws {
        var balancer = try connected(2, .roundRobin)
        let first = balancer.pick(key: nil, now: now)
        #expect(first?.name == "1")
        #expect(balancer.pick(key: nil, now: now, other: first)?.name == "2")
        #expect(balancer.pick(key: nil, now: now, other: first)?.name == "2")
        var single = try connected(1, .roundRobin)
        let only = single.pick(key: nil, now: now)
        #expect(only?.name == "1")
        #expect(single.pick(key: nil, now: now, other: only) === only)
    }

    @Test func addressesThatResolveNoLongerAreLetGo() throws {
        var balancer = try connected(3, .ringHash)
        let gone = balancer.resolved([(try address(2), "service"), (try address(4), "service")])
        #expect(gone.map(\.name) == ["1", "3"])
        #expect(balancer.startConnecting().map(\.address) == [try address(4)])
        #expect(balancer.pick(key: "any", now: now)?.name == "2")
    }
}
