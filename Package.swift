// swift-tools-version:6.2
// The targets of Causeway and the arrows between them. `scripts/check` guards the arrows: the compiler lets a target
// import whatever its dependencies import, declared or not.

import PackageDescription

/// Set by `scripts/fuzz` to libFuzzer's archive without a main function: all modules are instrumented for it and for
/// AddressSanitizer, and the fuzz targets are there.
let fuzzer = Context.environment["CAUSEWAY_FUZZ"]
let instrumentation: [SwiftSetting] =
    fuzzer != nil ? [.unsafeFlags(["-sanitize=fuzzer,address"]), .define("CAUSEWAY_FUZZ")] : []

let settings: [SwiftSetting] =
    instrumentation + [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name)] + dependencies, swiftSettings: settings)
}

let trees: Target.Dependency = .product(name: "HashTreeCollections", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HummingbirdTLS", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
]
let lifecycle: [Target.Dependency] = [
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
    .product(name: "UnixSignals", package: "swift-service-lifecycle"),
]
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
/// A client of our own listeners, for what is tried out.
let nioClient: [Target.Dependency] = [
    .product(name: "NIOHTTP1", package: "swift-nio"),
    .product(name: "NIOWebSocket", package: "swift-nio"),
    .product(name: "NIOTLS", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
    .product(name: "NIOHTTP2", package: "swift-nio-http2"),
    .product(name: "NIOHPACK", package: "swift-nio-http2"),
]

let package = Package(
    name: "causeway",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.2.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // System libraries, and the few C and C++ lines that Swift cannot import.
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        .target(name: "CCares", linkerSettings: [.linkedLibrary("cares")]),
        .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        // Shared by both processes.
        module("Seal", ["COpenSSL"]),
        module("Telemetry", [logging]),
        module("ConfigModel", ["Seal", trees]),
        module("TLSMaterial", ["Seal", "COpenSSL"]),
        module("RouteMatching", ["ConfigModel", "CRE2", trees]),
        module("ConfigChannel", ["ConfigModel", "Seal"]),

        // The control plane.
        module("ConsoleModel"),
        module("ProtobufMessages", ["ConsoleModel"]),
        module("Persistence", ["ConsoleModel", "Seal", grdb, logging, trees]),
        module(
            "ControlPlane",
            [
                "Persistence", "ConsoleModel", "ProtobufMessages", "ConfigModel", "RouteMatching", "ConfigChannel",
                "TLSMaterial", "Telemetry", "Seal", "CZlib", logging, yams, trees, httpClient,
            ] + hummingbird + lifecycle + nio + nioClient),
        .executableTarget(
            name: "causeway-control", dependencies: ["ControlPlane", "Telemetry", arguments, logging],
            path: "Sources/CausewayControl", swiftSettings: settings),

        // The data plane. One module, so that the hot path is optimised whole.
        module(
            "DataPlane",
            [
                "RouteMatching", "ConfigChannel", "TLSMaterial", "Telemetry", "ConfigModel", "Seal", "CNghttp2",
                "COpenSSL", "CCares", trees, logging,
            ]),
        .executableTarget(
            name: "causeway-worker", dependencies: ["DataPlane", "Telemetry", arguments, logging],
            path: "Sources/CausewayWorker", swiftSettings: settings),

        tests("Seal"),
        tests("Telemetry", [logging]),
        tests("ConfigModel", ["Seal"]),
        tests("TLSMaterial", ["Seal"]),
        tests("RouteMatching", ["ConfigModel"]),
        tests("ConfigChannel", ["ConfigModel", "Seal"]),
        tests("ConsoleModel"),
        tests("ProtobufMessages", ["ConsoleModel"]),
        tests("Persistence", ["ConsoleModel", "Seal", logging]),
        tests(
            "ControlPlane",
            [
                "Persistence", "ConsoleModel", "ConfigModel", "ConfigChannel", "Seal", logging,
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ] + hummingbird + nio),
        tests(
            "DataPlane",
            ["ConfigModel", "RouteMatching", "ConfigChannel", "Telemetry", "Seal", "CNghttp2", "CCares"]),
    ],
    cxxLanguageStandard: .cxx17
)

if let fuzzer {
    let targets: [(String, [Target.Dependency])] = [
        ("Connection", ["DataPlane", "ConfigModel", "Seal"]), ("ConfigFrames", ["ConfigChannel", "ConfigModel"]),
        ("EndpointFiles", ["DataPlane"]), ("GRPCWeb", ["DataPlane"]), ("HeaderBlocks", ["DataPlane", "ConfigModel"]),
        ("Messages", ["ProtobufMessages"]), ("PEM", ["TLSMaterial", "Seal"]),
        ("ProxyPeers", ["DataPlane"]), ("Tokens", ["DataPlane"]), ("WebSocketFrames", ["DataPlane"]),
    ]
    package.targets.append(.target(name: "FuzzDriver", path: "Tests/fuzz/driver", swiftSettings: settings))
    package.targets += targets.map { name, dependencies in
        .executableTarget(
            name: "Fuzz\(name)", dependencies: dependencies + ["FuzzDriver"], path: "Tests/fuzz/\(name)",
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=address", fuzzer, "-lstdc++"])])
    }
}
