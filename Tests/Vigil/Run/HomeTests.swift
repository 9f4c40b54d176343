import Foundation
import ServiceRuntime
import Testing

@testable import Vigil

@Suite("The suite's home")
struct HomeTests {
    private func withFolder<R>(_ body: (String) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-home-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try body(folder)
    }

    @Test func secretsAreMadeOnceAndForTheOwnerOnly() throws {
        try withFolder { folder in
            let home = SuiteHome(explicit: folder)
            try home.create()
            let secrets = Secrets(folder: home.secrets)
            let password = try secrets.password("a")
            #expect(password.count == 24)
            #expect(try secrets.password("a") == password)
            #expect(try secrets.password("b") != password)
            let key = try secrets.key("k")
            #expect(key.count == 64 && key.allSatisfy(\.isHexDigit))
            let mode = try FileManager.default.attributesOfItem(atPath: secrets.file("a"))[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func whoeverIsAddedToThePrincipalsStays() throws {
        try withFolder { folder in
            let home = SuiteHome(explicit: folder)
            try home.create()
            let secrets = Secrets(folder: home.secrets), path = secrets.file(Principals.fileName)
            try secrets.prepareAll()
            let made = try String(contentsOfFile: path, encoding: .utf8)
            #expect(made.contains("duty-officer"))
            try "{}".write(toFile: path, atomically: true, encoding: .utf8)
            try secrets.prepareAll()
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "{}")
            try FileManager.default.removeItem(atPath: path)
            try secrets.prepareAll()
            #expect(try String(contentsOfFile: path, encoding: .utf8) == made)
        }
    }

    @Test func aSecondLauncherIsRefusedAndToldWhoRuns() throws {
        try withFolder { folder in
            let home = SuiteHome(explicit: folder)
            try home.create()
            try home.lock()
            let refusal = #expect(throws: LaunchError.self) { try home.lock() }
            #expect(refusal?.description.contains("already running (process \(getpid()))") == true)
        }
    }

    @Test func aTakenPortIsNamedWithTheProcessThatHoldsIt() throws {
        let port = try Ports.anyFree()
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try #require(bound == 0 && listen(descriptor, 1) == 0)
        let refusal = #expect(throws: LaunchError.self) { try Ports.choose(base: port) }
        #expect(refusal?.description.contains("port \(port), which is ingestion-gateway's, is in use by") == true)
        #expect(refusal?.description.contains("(process \(getpid()))") == true)
    }

    @Test func freePortsAreDistinct() throws {
        let ports = try Ports.choose(base: 0)
        #expect(Set(ports.values).count == Suite.services.count)
    }

    @Test func theDatabaseScriptNamesEveryServicesSchemaAndPassword() {
        let script = String(decoding: PackageResources.databases_sql, as: UTF8.self)
        for service in Suite.services {
            #expect(script.contains("CREATE SCHEMA IF NOT EXISTS \(service.defaultSchema) AUTHORIZATION \(service.defaultSchema);"))
            #expect(script.contains(service.passwordVariable))
        }
    }
}
