import Foundation
import Postgres
import ServiceRuntime
import Synchronization
import Testing

@testable import Notifier

@Suite("Delivery", .timeLimit(.minutes(1))) struct DeliveryTests {
    @Test("Each alert goes out once to each recipient by SMTP")
    func once() async throws {
        try await Outbox.with { outbox in
            try await FakeMailServer.with { server in
                let channel = MailChannel(server: .fake(server))
                try await outbox.delivering(send: { try await channel.send($0) }) {
                    try await outbox.raise((1...10).map { "a\($0)" }, recipients: ["one@vigil.example", "two@vigil.example"])
                    try await outbox.raise(["a1"])
                    try await eventually { try await outbox.database.pendingDeliveries() == 0 }
                }
                #expect(server.mails.count == 20)
                #expect(Set(server.mails.compactMap { header("Message-ID", of: $0) }).count == 20)
                #expect(server.mails.allSatisfy { $0.contains("\r\n\r\nLook at a") })
                let alert = try await outbox.database.alert(id: "a1")
                #expect(alert?.state == .delivered)
                #expect(alert?.deliveredAt != nil)
                #expect(alert?.attempts == 2)
            }
        }
    }

    @Test("A mail whose lines begin with dots arrives as it was sent")
    func dots() async throws {
        try await FakeMailServer.with { server in
            let mail = try DomainTests.mail(body: ".\n..two\n.three\nend\n")
            try await MailChannel(server: .fake(server)).send(mail)
            #expect(server.mails == [String(decoding: mail.bytes, as: UTF8.self)])
        }
    }

    @Test("A crash between the server's yes and our commit sends the mail again under the same Message-ID")
    func crash() async throws {
        try await Outbox.with { outbox in
            try await FakeMailServer.with { server in
                let channel = MailChannel(server: .fake(server))
                try await outbox.raise(["a"])
                let deliverer = try outbox.deliverer { mail in
                    try await channel.send(mail)
                    // From here on nothing of this process reaches the database.
                    withUnsafeCurrentTask { $0?.cancel() }
                }
                await #expect(throws: CancellationError.self) { try await deliverer.run() }
                #expect(server.mails.count == 1)
                #expect(try await outbox.state("a") == .pending)
                try await outbox.delivering(send: { try await channel.send($0) }) {
                    // The lease still holds: nobody sends it yet.
                    #expect(try await outbox.database.claim(limit: 10, maxPerMinute: 100, leaseSeconds: 60) == [])
                    try await outbox.passTime(minutes: 2)
                    try await eventually { try await outbox.state("a") == .delivered }
                }
                #expect(server.mails.count == 2)
                #expect(Set(server.mails).count == 1)
            }
        }
    }

    @Test("What a server does not take for now is sent later, not lost and not failed", arguments: [
        FakeMailServer.Behaviour.hang, .dropAfterData, .refuse("RCPT", 450), .refuse("MAIL", 451), .refuse(".", 452), .refuse("greeting", 554),
    ])
    func transient(behaviour: FakeMailServer.Behaviour) async throws {
        try await Outbox.with { outbox in
            try await FakeMailServer.with { server in
                server.behave(behaviour)
                let channel = MailChannel(server: .fake(server, timeoutSeconds: 0.3))
                try await outbox.delivering(send: { try await channel.send($0) }) {
                    try await outbox.raise(["a"])
                    try await eventually { outbox.metrics.prometheusText().contains("vigil_notifier_mails_total{outcome=\"postponed\"} 1") }
                    #expect(try await outbox.state("a") == .pending)
                    server.behave(.accept)
                    try await outbox.passTime(minutes: 2)
                    try await eventually { try await outbox.state("a") == .delivered }
                }
                #expect(Set(server.mails).count == 1)
                #expect(try await outbox.database.alert(id: "a")?.attempts == 2)
            }
        }
    }

    @Test("A final refusal fails at once", arguments: [("RCPT", 550), ("MAIL", 553), (".", 554)])
    func permanent(verb: String, code: Int) async throws {
        try await Outbox.with { outbox in
            try await FakeMailServer.with { server in
                server.behave(.refuse(verb, code))
                let channel = MailChannel(server: .fake(server))
                try await outbox.delivering(send: { try await channel.send($0) }) {
                    try await outbox.raise(["a"])
                    try await eventually { try await outbox.state("a") == .failed }
                }
                let alert = try await outbox.database.alert(id: "a")
                #expect(alert?.attempts == 1)
                #expect(alert?.deliveredAt == nil)
            }
        }
    }

    @Test("After the last attempt a mail has failed, and is left alone")
    func givenUp() async throws {
        try await Outbox.with { outbox in
            let attempts = Mutex(0)
            try await outbox.delivering(maxAttempts: 3, send: { _ in
                attempts.withLock { $0 += 1 }
                throw MailError(isPermanent: false, description: "busy")
            }) {
                try await outbox.raise(["a"])
                for number in 1...3 {
                    try await eventually { attempts.withLock { $0 } == number }
                    try await eventually {
                        let text = outbox.metrics.prometheusText()
                        return text.contains(number < 3 ? "{outcome=\"postponed\"} \(number)" : "{outcome=\"failed\"} 1")
                    }
                    try await outbox.passTime(minutes: 2)
                }
                try await eventually { try await outbox.state("a") == .failed }
            }
            #expect(attempts.withLock { $0 } == 3)
        }
    }

    @Test("In a flood, as many mails as allowed go out in a minute, the newest first; the rest follow")
    func rate() async throws {
        try await Outbox.with { outbox in
            let sent = Mutex<[String]>([])
            try await outbox.raise((1...9).map { "a\($0)" })
            try await outbox.delivering(maxPerMinute: 4, send: { mail in sent.withLock { $0.append(mail.messageID) } }) {
                try await eventually { try await outbox.database.pendingDeliveries() == 5 }
                #expect(try await outbox.database.claim(limit: 10, maxPerMinute: 4, leaseSeconds: 60) == [])
                #expect(Set(sent.withLock { $0.map { String($0.dropFirst().prefix(2)) } }) == ["a9", "a8", "a7", "a6"])
                try await outbox.passTime(minutes: 1.1)
                try await eventually { try await outbox.database.pendingDeliveries() == 1 }
                try await outbox.passTime(minutes: 1.1)
                try await eventually { try await outbox.database.pendingDeliveries() == 0 }
            }
            #expect(sent.withLock { $0.count } == 9)
            #expect(Set(sent.withLock { $0 }).count == 9)
        }
    }

    @Test("Replicas share the outbox: each mail is sent by one of them")
    func replicas() async throws {
        try await Outbox.with { outbox in
            let sent = Mutex<[String]>([])
            let send: @Sendable (MailMessage) async throws -> Void = { mail in sent.withLock { $0.append(mail.messageID) } }
            try await outbox.delivering(send: send) {
                try await outbox.delivering(send: send) {
                    try await outbox.raise((1...40).map { "a\($0)" }, recipients: ["one@vigil.example", "two@vigil.example"])
                    try await eventually { try await outbox.database.pendingDeliveries() == 0 }
                }
            }
            #expect(sent.withLock { $0.count } == 80)
            #expect(Set(sent.withLock { $0 }).count == 80)
            // Two deliveries of an alert that end together leave it delivered.
            #expect(try await outbox.database.alerts(in: [.delivered], limit: 1).total == 40)
        }
    }

    @Test("Stopping does not wait for a server that hangs")
    func stopping() async throws {
        try await FakeMailServer.with { server in
            server.behave(.hang)
            let channel = MailChannel(server: .fake(server, timeoutSeconds: 600))
            let mail = try DomainTests.mail()
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await channel.send(mail) }
                    group.cancelAll()
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test("A server that is not there is told apart from one that refuses")
    func absent() async throws {
        let port = try await FakeMailServer.with { $0.port }
        let mail = try DomainTests.mail()
        await #expect {
            try await MailChannel(server: MailServer(url: "smtp://127.0.0.1:\(port)")).send(mail)
        } throws: { ($0 as? MailError)?.isPermanent == false }
    }
}
