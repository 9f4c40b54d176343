// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
] + (Context.environment["VIGIL_THREAD_SANITIZER"] == nil ? [] : [.define("THREAD_SANITIZER")])

/// A system library: where its module map lies, what pkg-config and Debian call it.
func library(_ name: String, pkgConfig: String?, apt: String) -> Target {
    .systemLibrary(name: name, path: "Shared/CLibraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func module(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency] = [], resources: [Resource] = [], exclude: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: path ?? "Shared/\(name)", exclude: exclude, resources: resources,
        swiftSettings: settings)
}

/// A service's migrations and static files are embedded, so that an executable is whole by itself.
func service(
    _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = [.embedInCode("Store/Migrations")],
    exclude: [String] = ["README.md"]
) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["Contracts", "StandardContracts", "RecordCoding", "RPC", "Postgres", "EventLog", "ServiceRuntime", "Identity", "Records", logging, serviceContext]
            + dependencies,
        path: "Services/\(name)", exclude: exclude, resources: resources, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, resources: resources, swiftSettings: settings)
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncAlgorithms: Target.Dependency = .product(name: "AsyncAlgorithms", package: "swift-async-algorithms")
let certificates: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let orderedCollections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "_CryptoExtras", package: "swift-crypto")
let jwt: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let metricsCore: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let serviceContext: Target.Dependency = .product(name: "ServiceContextModule", package: "swift-service-context")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
    name: "vigil",
    products: [
        .executable(name: "ingestion-gateway", targets: ["IngestionGateway"]),
        .executable(name: "feature-store", targets: ["FeatureStore"]),
        .executable(name: "model-server", targets: ["ModelServer"]),
        .executable(name: "auth-gateway", targets: ["AuthGateway"]),
        .executable(name: "heatmap-tiles", targets: ["HeatmapTiles"]),
        .executable(name: "notifier", targets: ["Notifier"]),
        .executable(name: "vigil", targets: ["Vigil"]),
        .executable(name: "protoc-gen-vigil", targets: ["ProtocGenVigil"]),
        // For packages that want gRPC and nothing else of Vigil's.
        .library(name: "RPC", targets: ["RPC", "Protobuf", "StandardContracts"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.1.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-service-context", from: "1.5.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    ],
    targets: [
        // C libraries
        library("CNGHTTP2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
        library("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
        library("CHMAC", pkgConfig: "libcrypto", apt: "libssl-dev"),
        library("CLibPQ", pkgConfig: "libpq", apt: "libpq-dev"),
        library("CProtobufC", pkgConfig: "libprotobuf-c", apt: "libprotobuf-c-dev"),
        library("CXGBoost", pkgConfig: nil, apt: "libxgboost-dev"),
        library("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        library("CLibXML2", pkgConfig: "libxml-2.0", apt: "libxml2-dev"),
        library("CPNG", pkgConfig: "libpng", apt: "libpng-dev"),
        library("CBrotli", pkgConfig: "libbrotlienc", apt: "libbrotli-dev"),
        library("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        library("CJemalloc", pkgConfig: "jemalloc", apt: "libjemalloc-dev"),

        // Contracts: what protoc-c and our plugin generate from Protos/*.proto
        .target(name: "CDescriptors", dependencies: ["CProtobufC"], path: "Protos/Generated/Descriptors", publicHeadersPath: "include"),
        .executableTarget(name: "ProtocGenVigil", dependencies: ["CDescriptors", "CProtobufC", "Protobuf"], path: "Protos/Plugin", swiftSettings: settings),
        .target(name: "CContracts", dependencies: ["CProtobufC"], path: "Protos/Generated/C", publicHeadersPath: "include"),
        module("StandardContracts", path: "Protos/Generated/Standard", ["CContracts", "CProtobufC", "Protobuf"]),
        module("Contracts", path: "Protos/Generated/Swift", ["CContracts", "CProtobufC", "Protobuf", "StandardContracts", "RPC"]),

        // Shared modules
        module("Protobuf", ["CProtobufC"]),
        module("RPC", ["CNGHTTP2", "COpenSSL", "CBrotli", "CZlib", "Protobuf", "StandardContracts", nioCore, nioPosix, logging, serviceContext, collections], exclude: ["README.md"]),
        module("Postgres", ["CLibPQ", logging, collections]),
        module("EventLog", ["Postgres", logging]),
        module("Records", ["Geo"]),
        module("RecordCoding", ["Records", "EventLog", "Protobuf", "Contracts", "StandardContracts", "RPC"]),
        module("Geo", []),
        module("Identity", ["RPC", jwt, serviceContext, logging]),
        module("DevelopmentCertificates", [asn1, certificates, crypto]),
        module("ServiceRuntime", ["CJemalloc", "RPC", "Postgres", "Identity", "Contracts", configuration, logging, metricsCore, serviceContext, unixSignals]),
        module(
            "ShippedMappings", path: "Mappings", [],
            resources: [
                .embedInCode("exported-features.yaml"), .embedInCode("handbook-customers.yaml"),
                .embedInCode("handbook-labels.yaml"), .embedInCode("handbook-terminals.yaml"),
                .embedInCode("handbook-transactions.yaml"), .embedInCode("houston-crimes.yaml"), .embedInCode("iso20022-pacs002.yaml"),
                .embedInCode("iso20022-pacs008.yaml"), .embedInCode("iso20022-pain001.yaml"), .embedInCode("newyork-atms.yaml"),
                .embedInCode("simulated-atms.yaml"), .embedInCode("simulated-complaints.yaml"), .embedInCode("simulated-jurisdictions.yaml"),
                .embedInCode("simulated-labels.yaml"),
                .embedInCode("simulated-transactions.yaml"),
            ], exclude: ["README.md"]),
        module("Datasets", ["CLibXML2", "CZlib", "Geo", "Records", "ShippedMappings", yams]),
        module("Features", ["Records", "Geo"]),
        module("Models", ["Features", "Geo", "Records", crypto]),
        module("Training", ["CXGBoost", "Models", "Features", "Records", crypto]),
        module("Simulation", ["Records", "Geo"]),

        // Services
        service("IngestionGateway", ["CHMAC", crypto, asyncAlgorithms, "Geo", "Datasets"]),
        service("FeatureStore", ["Features", "Geo"]),
        service("ModelServer", ["Models", "Features", "Geo", crypto]),
        service("AuthGateway", [crypto, cryptoExtras]),
        service("HeatmapTiles", ["Geo", "CPNG", "Models", crypto], resources: [.embedInCode("Store/Migrations"), .embedInCode("Web")]),
        service("Notifier", ["CCurl"]),
        service("Vigil", [
            argumentParser, collections, crypto, nioCore, nioPosix, jwt, yams, "DevelopmentCertificates",
            "Datasets", "Features", "Geo", "Models", "Simulation", "Training",
        ], resources: [.embedInCode("Run/databases.sql")]),

        // Tests
        module("SeededRandom", path: "Tests/SeededRandom", []),
        module("TestPrograms", path: "Tests/Programs", [logging]),
        module("TestSupport", path: "Tests/Support", ["DevelopmentCertificates", "Postgres", "RPC", "Contracts", "StandardContracts", "ServiceRuntime", "Identity", "Records", jwt, logging]),
        tests("Protobuf", ["SeededRandom", "Protobuf", "Contracts", "StandardContracts", "RPC", "ProtocGenVigil"], exclude: ["make-vectors.py"]),
        tests("RPC", ["SeededRandom", "TestPrograms", "RPC", "Protobuf", "Contracts", "StandardContracts", nioCore, nioPosix, logging]),
        tests("Postgres", ["SeededRandom", "Postgres", "TestSupport"]),
        tests("EventLog", ["EventLog", "Postgres", "TestSupport", logging]),
        tests("Records", ["Records"]),
        tests("RecordCoding", ["Records", "RecordCoding", "Contracts", "StandardContracts", "RPC"]),
        tests("Geo", ["SeededRandom", "Geo"]),
        tests("Identity", ["Identity", "ServiceRuntime", "RPC", "TestSupport", jwt]),
        tests("DevelopmentCertificates", ["DevelopmentCertificates"]),
        tests("ServiceRuntime", ["ServiceRuntime", "Identity", "Postgres", "RPC", "StandardContracts", "TestSupport", logging, serviceContext]),
        tests("Datasets", ["SeededRandom", "Datasets", "Geo", "Records"]),
        tests("Features", ["SeededRandom", "Features", "Records", "TestSupport"]),
        tests("Models", ["SeededRandom", "Models", "Features", "Training", "Records", "Simulation"], resources: [.copy("Fixtures")]),
        tests("Simulation", ["Simulation", "Records", "Geo"]),
        tests("IngestionGateway", [
            "IngestionGateway", "FeatureStore", "ModelServer", "TestSupport", "TestPrograms", "Contracts", "StandardContracts", "RPC", "Postgres",
            "EventLog", "Identity", "Records", "RecordCoding", "ServiceRuntime", "Simulation", "Training", "Models", "Features", crypto,
        ]),
        tests("FeatureStore", ["SeededRandom", "FeatureStore", "TestSupport", "Contracts", "StandardContracts", "RPC", "ServiceRuntime", "Postgres", "EventLog", "Features", "Datasets", "Records", "RecordCoding", "Simulation"]),
        tests("ModelServer", [
            "ModelServer", "TestSupport", "Contracts", "StandardContracts", "RPC", "Identity", "ServiceRuntime", "Postgres", "EventLog", "Features", "Models", "Records", "RecordCoding",
            logging,
        ]),
        tests("AuthGateway", ["AuthGateway", "TestSupport", "Contracts", "RPC", "Postgres", "Identity", "ServiceRuntime", serviceContext]),
        tests("HeatmapTiles", [
            "SeededRandom", "HeatmapTiles", "TestSupport", "Contracts", "StandardContracts", "RPC", "Postgres", "EventLog", "Features", "Geo", "Identity", "ServiceRuntime", "RecordCoding",
            logging, serviceContext,
        ], exclude: ["Clients"]),
        tests("Notifier", ["Notifier", "TestSupport", "Contracts", "StandardContracts", "RecordCoding", "Records", "RPC", "Postgres", "EventLog", "ServiceRuntime", logging]),
        tests("Vigil", ["Vigil", "TestSupport", "Contracts", "StandardContracts", "Postgres", "RPC", "Datasets", "Records", "Simulation", "Training", "Models", argumentParser, logging]),
        tests("Tidy", []),
        tests("Fuzz", ["SeededRandom", "RPC", "Protobuf", "RecordCoding", "Contracts", "StandardContracts", "Geo", "Datasets", "Models", "Records", nioCore], exclude: ["run.sh"]),
        tests("EndToEnd", [], exclude: ["Clients"]),
        tests("Interop", ["TestPrograms", "RPC", "Contracts", "StandardContracts", logging], exclude: ["Python"]),
    ]
)

// Only `make bench` builds these: one executable an area, bench-AREA.
@MainActor
func benchmark(_ area: String, _ dependencies: [Target.Dependency], exclude: [String] = []) {
    package.targets.append(
        .executableTarget(
            name: "bench-\(area)", dependencies: ["BenchmarkSupport"] + dependencies, path: "Tests/Benchmarks/\(area)", exclude: exclude,
            swiftSettings: settings))
}

if Context.environment["VIGIL_BENCHMARKS"] != nil {
    package.targets.append(.target(name: "BenchmarkSupport", path: "Tests/Benchmarks/Support", swiftSettings: settings))
    package.targets.append(
        .target(
            name: "SuiteProcesses",
            dependencies: [
                "BenchmarkSupport", "Contracts", "DevelopmentCertificates", "Models", "RPC", "RecordCoding", "Records", "ServiceRuntime",
                "SeededRandom", "Simulation", "StandardContracts", "Training", logging,
            ], path: "Tests/SuiteProcesses", swiftSettings: settings))
    package.targets.append(
        .executableTarget(
            name: "torture", dependencies: ["BenchmarkSupport", "SeededRandom", "SuiteProcesses", "Contracts", "StandardContracts", "RPC", "ServiceRuntime"],
            path: "Tests/Torture", swiftSettings: settings))
    benchmark(
        "features", ["SuiteProcesses", "Contracts", "Features", "Postgres", "RPC", "Records", "ServiceRuntime", "StandardContracts"],
        exclude: ["feast_latency.py", "observe.lua", "setup.sh"])
    benchmark("ingestion", ["SuiteProcesses", "Contracts", "Postgres", "RPC", "ServiceRuntime"], exclude: ["setup.sh"])
    benchmark("models", ["SeededRandom", "CXGBoost", "Datasets", "Features", "Geo", "Models", "Records", "Simulation", "Training"], exclude: ["compile_forest.py", "handbook_baseline.py", "handbook_features.py", "nab_score.py", "setup.sh", "spatial_score.py"])
    benchmark(
        "rpc", ["Contracts", "StandardContracts", "Protobuf", "RPC", "ServiceRuntime", logging], exclude: ["codec.c", "peer.cc", "setup.sh"])
    benchmark(
        "tiles", ["SuiteProcesses", "Contracts", "Geo", "Postgres", "RPC", "ServiceRuntime", "StandardContracts"], exclude: ["screen.py", "setup.sh"])
}

// `make sanitize` and `make fuzz` build these test targets and what they need, and nothing else.
if let names = Context.environment["VIGIL_ONLY"]?.split(separator: ",").map({ String($0) }) {
    var kept: Set<String> = []
    var reached = Set(names)
    while !reached.isEmpty {
        kept.formUnion(reached)
        let dependencies = package.targets.filter { reached.contains($0.name) }.flatMap(\.dependencies)
        reached = Set(dependencies.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } }).subtracting(kept)
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products.removeAll { product in
        let targets = (product as? Product.Executable)?.targets ?? (product as? Product.Library)?.targets ?? []
        return !kept.isSuperset(of: targets)
    }
}
