import Foundation
import Logging
import Postgres
import RPC
import ServiceRuntime
import Testing

@Suite struct ConfigurationTests {
    private enum Mode: String, CaseIterable { case fast, safe }

    private func problems(_ environment: [String: String], _ read: (ConfigurationReader) -> Void) -> [String] {
        let reader = ConfigurationReader(environment: environment)
        read(reader)
        return reader.problems.map(\.description)
    }

    @Test func valuesAreReadAndDefaultsFillTheRest() {
        let reader = ConfigurationReader(environment: [
            "VIGIL_A": "7", "VIGIL_B": "0.5", "VIGIL_C": "yes", "VIGIL_D": "safe", "VIGIL_E": "x,y", "VIGIL_EMPTY": "",
        ])
        #expect(reader.int("VIGIL_A", default: 1, in: 0...10, "a") == 7)
        #expect(reader.double("VIGIL_B", default: 1, in: 0...1, "b") == 0.5)
        #expect(reader.bool("VIGIL_C", default: false, "c"))
        #expect(reader.choice("VIGIL_D", default: Mode.fast, "d") == .safe)
        #expect(reader.list("VIGIL_E", "e") == ["x", "y"])
        #expect(reader.string("VIGIL_EMPTY", default: "z", "empty counts as not set") == "z")
        #expect(reader.int("VIGIL_ABSENT", default: 3, in: 0...10, "f") == 3)
        #expect(reader.optional("VIGIL_ABSENT_2", "g") == nil)
        #expect(reader.problems.isEmpty)
    }

    @Test func everyBadVariableIsNamedAtOnce() {
        let found = problems([
            "VIGIL_A": "many", "VIGIL_B": "11", "VIGIL_C": "perhaps", "VIGIL_D": "slow", "VIGIL_E": "nonsense", "VIGIL_F": "/no/such/file",
        ]) { reader in
            _ = reader.int("VIGIL_A", default: 1, in: 0...10, "a")
            _ = reader.int("VIGIL_B", default: 1, in: 0...10, "b")
            _ = reader.bool("VIGIL_C", default: true, "c")
            _ = reader.choice("VIGIL_D", default: Mode.fast, "d")
            _ = reader.url("VIGIL_E", default: "https://localhost", "e")
            _ = reader.requiredFile("VIGIL_F", "f")
            _ = reader.required("VIGIL_G", "the thing that is needed")
        }
        #expect(found == [
            "VIGIL_A: \"many\" is not a whole number",
            "VIGIL_B: 11 is not within 0 to 10",
            "VIGIL_C: \"perhaps\" is neither true nor false",
            "VIGIL_D: \"slow\" is none of fast, safe",
            "VIGIL_E: \"nonsense\" is not an http or https address",
            "VIGIL_F: there is no file /no/such/file",
            "VIGIL_G: is required: the thing that is needed",
        ])
    }

    @Test func aFaultIsToldOfTheVariableThatHasIt() {
        let found = problems([
            "VIGIL_DATABASE_URL": "postgresql://a@b/c", "VIGIL_DATABASE_SCHEMA": "Bad-1", "VIGIL_TLS_CERTIFICATE_FILE": "/no/such/file",
            "VIGIL_TLS_KEY_FILE": "/etc/passwd", "VIGIL_TLS_TRUST_FILE": "/etc/passwd",
        ]) { _ = ServiceConfiguration(for: .ingestionGateway, from: $0) }
        #expect(found == [
            "VIGIL_TLS_CERTIFICATE_FILE: there is no file /no/such/file",
            "VIGIL_DATABASE_SCHEMA: a schema's name is of lower-case letters, digits and underscores, and begins with no digit",
        ])
    }

    @Test func aMisspeltVariableIsFound() {
        let reader = ConfigurationReader(environment: ["VIGIL_A_RATE": "7", "VIGIL_A_RAET": "8", "VIGIL_B_RATE": "another service's", "HOME": "/"])
        _ = reader.int("VIGIL_A_RATE", default: 1, in: 0...10, "a")
        #expect(reader.undeclared(beginningWith: ["VIGIL_A_"]) == ["VIGIL_A_RAET"])
    }

    @Test func helpListsEveryVariableWithItsDefault() {
        let reader = ConfigurationReader(environment: [:])
        _ = ServiceConfiguration(for: .notifier, from: reader)
        #expect(reader.help.contains("VIGIL_LISTEN_PORT\n      port to listen on; 0 takes any free one (0 to 65535) [default 8446]"))
        #expect(reader.help.contains("VIGIL_DATABASE_URL"))
        #expect(reader.help.contains("[required]"))
        #expect(Set(reader.variables.map(\.name)).count == reader.variables.count)
    }

    @Test func sharedVariablesMakeAConfiguration() {
        let reader = ConfigurationReader(environment: [
            "VIGIL_DATABASE_URL": "postgresql://auth@/vigil?host=/run/pg", "VIGIL_LOG_LEVEL": "debug",
            "VIGIL_MODELS_URL": "http://models:1",
        ])
        let configuration = ServiceConfiguration(for: .authGateway, from: reader)
        #expect(reader.problems.isEmpty)
        #expect(configuration.listenPort == 8444)
        #expect(configuration.database.schema == "auth")
        #expect(configuration.database.host == "/run/pg")
        #expect(configuration.logLevel == .debug)
        #expect(configuration.addresses["model-server"] == "http://models:1")
        #expect(configuration.addresses["feature-store"] == "https://127.0.0.1:8442")
    }

    @Test(arguments: [(nil, TLSVersion.tls13), ("1.2", .tls12), ("1.3", .tls13)])
    func theLowestVersionOfTLSIsConfigured(_ text: String?, _ version: TLSVersion) {
        var environment = ["VIGIL_DATABASE_URL": "postgresql://a@b/c"]
        environment["VIGIL_TLS_MINIMUM_VERSION"] = text
        #expect(ServiceConfiguration(for: .notifier, from: ConfigurationReader(environment: environment)).minimumTLSVersion == version)
        let old = problems(["VIGIL_DATABASE_URL": "postgresql://a@b/c", "VIGIL_TLS_MINIMUM_VERSION": "1.1"]) {
            _ = ServiceConfiguration(for: .notifier, from: $0)
        }
        #expect(old == ["VIGIL_TLS_MINIMUM_VERSION: \"1.1\" is none of 1.2, 1.3"])
    }

    @Test func passwordInTheDatabaseAddressIsRefusedAndNotShown() {
        let found = problems(["VIGIL_DATABASE_URL": "postgresql://auth:hunter2@localhost/vigil"]) {
            _ = ServiceConfiguration(for: .authGateway, from: $0)
        }
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("VIGIL_DATABASE_URL") == true)
        #expect(found.first?.contains("hunter2") == false)
    }

    @Test func plaintextIsForLoopbackOnly() {
        let found = problems(["VIGIL_DATABASE_URL": "postgresql://a@b/c", "VIGIL_LISTEN_HOST": "0.0.0.0"]) {
            _ = ServiceConfiguration(for: .notifier, from: $0)
        }
        #expect(found == ["VIGIL_TLS_CERTIFICATE_FILE: is required to listen on 0.0.0.0: plaintext is for loopback only"])
    }
}
