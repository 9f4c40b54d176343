import Testing

/// Which module may know which (DESIGN, section 4).
@Suite("Imports")
struct ImportTests {
    private static let services: Set = ["IngestionGateway", "FeatureStore", "ModelServer", "AuthGateway", "HeatmapTiles", "Notifier"]

    /// Each C library has one home; tests of that home may look at it too.
    private static let homesOfCLibraries: [String: [String]] = [
        "CNGHTTP2": ["Shared/RPC/Internal/", "Tests/"],
        "COpenSSL": ["Shared/RPC/Internal/"],
        "CLibPQ": ["Shared/Postgres/Internal/"],
        "CProtobufC": ["Shared/Protobuf/", "Protos/Plugin/"],
        "CDescriptors": ["Protos/Plugin/"],
        "CContracts": [],
        "CXGBoost": ["Shared/Training/", "Tests/Benchmarks/models/"],
        "CCurl": ["Services/Notifier/Channels/"],
        "CPNG": ["Services/HeatmapTiles/"],
        "CBrotli": ["Shared/RPC/Internal/"],
        "CLibXML2": ["Shared/Datasets/"],
        "CZlib": ["Services/HeatmapTiles/", "Shared/RPC/Internal/", "Shared/Datasets/"],
    ]

    private static let allowedInDomain: Set = [
        "Records", "Geo", "Features", "Models", "Foundation", "FoundationEssentials", "Synchronization", "Glibc", "Musl", "Darwin",
        "DequeModule", "OrderedCollections", "HeapModule",
    ]

    private func violations(_ isViolation: (SourceFile, String) -> Bool) -> [String] {
        SourceTree.files.flatMap { file in
            file.imports.filter { isViolation(file, $0.module) }.map { "\(file.path):\($0.line) imports \($0.module)" }
        }
    }

    @Test func aServiceImportsNoOtherService() {
        #expect(violations { file, module in
            file.isUnder("Services/", "Shared/") && Self.services.contains(module)
        } == [])
    }

    @Test func servicesSpeakThroughGeneratedClientsOnly() {
        #expect(violations { file, module in
            Self.services.contains { file.isUnder("Services/\($0)/") } && module == "Protobuf"
        } == [])
    }

    @Test func eachCLibraryIsImportedInOnePlace() {
        #expect(violations { file, module in
            guard let homes = Self.homesOfCLibraries[module] else { return false }
            return !homes.contains { file.path.hasPrefix($0) }
        } == [])
    }

    @Test func domainsKnowNeitherMessagesNorRows() {
        #expect(violations { file, module in
            file.isUnder("Services/") && file.path.contains("/Domain/") && !Self.allowedInDomain.contains(module)
        } == [])
    }

    @Test func storesNeverSeeAMessage() {
        #expect(violations { file, module in
            file.isUnder("Services/") && file.path.contains("/Store/") && ["Contracts", "StandardContracts", "RecordCoding", "RPC"].contains(module)
        } == [])
    }

    @Test func handlersNeverSeeSQL() {
        #expect(violations { file, module in
            file.isUnder("Services/") && file.path.hasSuffix("Handlers.swift") && module == "Postgres"
        } == [])
    }

    @Test func rpcAndPostgresKnowNeitherEachOtherNorTheRuntime() {
        #expect(violations { file, module in
            (file.isUnder("Shared/RPC/") && ["Postgres", "ServiceRuntime", "Identity", "EventLog"].contains(module))
                || (file.isUnder("Shared/Postgres/") && ["RPC", "ServiceRuntime", "Identity", "EventLog"].contains(module))
        } == [])
    }
}
