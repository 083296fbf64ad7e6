// What becomes of console objects, and whose fault a bad snapshot is.

import ConfigModel
import ConsoleModel
import ControlPlane
import Persistence
import Seal
import Testing

@Suite struct SnapshotCompilerTests {
    private func compile(
        _ configuration: StoredConfiguration, settings: GatewaySettings = GatewaySettings()
    ) throws -> CompiledConfiguration {
        try SnapshotCompiler(settings: settings).compile(configuration, history: .mint())
    }

    private func object<T>(_ compiled: CompiledConfiguration, _ key: ObjectKey, _ read: (ConfigObject) -> T?) throws
        -> T
    {
        try #require(compiled.snapshot[key].flatMap { read($0.object) }, "no \(key)")
    }

    private func route(_ compiled: CompiledConfiguration, _ name: String = "r") throws -> Route {
        try object(compiled, ObjectKey(.route, name)) { if case .route(let value) = $0 { value } else { nil } }
    }

    private func cluster(_ compiled: CompiledConfiguration, _ name: String) throws -> Cluster {
        try object(compiled, ObjectKey(.cluster, name)) { if case .cluster(let value) = $0 { value } else { nil } }
    }

    private func host(_ compiled: CompiledConfiguration, _ name: String) throws -> VirtualHost {
        try object(compiled, ObjectKey(.virtualHost, name)) {
            if case .virtualHost(let value) = $0 { value } else { nil }
        }
    }

    /// A static source `greeter` and a route `r` to it.
    private func sample(
        source: (inout Console.ServiceSource) -> Void = { _ in }, route change: (inout Console.Route) -> Void = { _ in }
    ) -> StoredConfiguration {
        var configuration = StoredConfiguration()
        configuration.version = 7
        var greeter = Console.ServiceSource(name: "greeter", kind: .static, domain: "127.0.0.1:50051", port: 80)
        source(&greeter)
        configuration.serviceSources["greeter"] = Stored(id: 1, value: greeter)
        var route = Console.Route(
            name: "r", path: Console.PathPredicate(.prefix, "/"),
            services: [Console.UpstreamService(name: greeter.serviceName, port: 80)])
        change(&route)
        configuration.routes["r"] = Stored(id: 2, value: route)
        return configuration
    }

    @Test func listenersHaveTheLimitsOfTheProcessWhereTheyHaveNone() throws {
        var configuration = StoredConfiguration()
        var own = Console.Listener(name: "own", address: "::", port: 8443, protocol: .https)
        own.limits = Console.Listener.Limits()
        own.limits?.maxConnections = 7
        own.limits?.memoryPerWorker = 1 << 40
        configuration.listeners["own"] = Stored(id: 1, value: own)
        configuration.listeners["plain"] = Stored(
            id: 2, value: Console.Listener(name: "plain", address: "127.0.0.1", port: 8000, protocol: .http))
        var settings = GatewaySettings()
        try settings.set("max-connections=5")
        try settings.set("max-resets=9")
        let compiled = try compile(configuration, settings: settings)
        var limits = settings.limits
        let plain = Listener(name: "plain", address: "127.0.0.1", port: 8000, tls: false, limits: limits)
        (limits.maxConnections, limits.memoryPerWorker) = (7, 1 << 40)
        let expected = [Listener(name: "own", address: "::", port: 8443, tls: true, limits: limits), plain]
        #expect(compiled.snapshot.objects.inOrderOfKeys().map(\.object) == expected.map(ConfigObject.listener))
        #expect(compiled.problems.isEmpty)
    }

    @Test func anEmptyConfigurationHasNothing() throws {
        let compiled = try compile(StoredConfiguration())
        #expect(compiled.snapshot.objects.isEmpty && compiled.snapshot.version == 0 && compiled.problems.isEmpty)
    }

    @Test func theVersionIsThatOfTheConfiguration() throws {
        let compiled = try compile(sample())
        #expect(compiled.snapshot.version == 7)
        #expect(compiled.problems.isEmpty)
    }

    // MARK: Domains and certificates

    @Test func aDomainBecomesAVirtualHost() throws {
        var configuration = StoredConfiguration()
        configuration.domains["demo.kubesre.com"] = Stored(
            id: 1, value: Console.Domain(name: "demo.kubesre.com", enableHttps: "force", certIdentifier: "demo"))
        configuration.domains["*.kubesre.com"] = Stored(
            id: 2, value: Console.Domain(name: "*.kubesre.com", enableHttps: "on", certIdentifier: "demo"))
        configuration.domains[Console.Domain.anyHost] = Stored(
            id: 3, value: Console.Domain(name: Console.Domain.anyHost, enableHttps: "off"))
        let facts = StoredCertificate.Facts(
            names: [], hasSAN: false, notBefore: 0, notAfter: 0, keyDescription: "", selfSigned: false, fingerprint: "")
        configuration.certificates["demo"] = Stored(
            id: 4, value: StoredCertificate(name: "demo", chain: "chain", privateKey: Secret("key"), facts: facts))
        let compiled = try compile(configuration)
        #expect(compiled.problems.isEmpty)
        #expect(
            try host(compiled, "demo.kubesre.com")
                == VirtualHost(
                    name: "demo.kubesre.com", hosts: ["demo.kubesre.com"], https: .force, tlsIdentity: "demo"))
        #expect(try host(compiled, "*.kubesre.com").hosts == ["*.kubesre.com"])
        #expect(try host(compiled, "*.kubesre.com").https == .on)
        #expect(try host(compiled, Console.Domain.anyHost).hosts == ["*"])
        #expect(
            compiled.snapshot[ObjectKey(.tlsIdentity, "demo")]?.object
                == .tlsIdentity(TLSIdentity(name: "demo", certificateChain: "chain", privateKey: Secret("key"))))
    }

    // MARK: Protocols

    struct ProtocolCase: Sendable {
        var field: String?
        var annotations: [String: String] = [:]
        var source: String?
        let cluster: String
        let http2: Bool
        let tls: Bool
        let kind: RouteKind
    }

    @Test(arguments: [
        ProtocolCase(cluster: "HTTP", http2: false, tls: false, kind: .http),
        ProtocolCase(field: "HTTP2", cluster: "HTTP2", http2: true, tls: false, kind: .http),
        ProtocolCase(field: "HTTPS", cluster: "HTTPS", http2: false, tls: true, kind: .http),
        ProtocolCase(field: "GRPC", cluster: "GRPC", http2: true, tls: false, kind: .grpc),
        ProtocolCase(field: "GRPCS", cluster: "GRPCS", http2: true, tls: true, kind: .grpc),
        ProtocolCase(source: "grpc", cluster: "GRPC", http2: true, tls: false, kind: .grpc),
        ProtocolCase(source: "https", cluster: "HTTPS", http2: false, tls: true, kind: .http),
        ProtocolCase(field: "HTTP", source: "grpc", cluster: "HTTP", http2: false, tls: false, kind: .http),
        ProtocolCase(
            annotations: ["nginx.ingress.kubernetes.io/backend-protocol": "grpc"], cluster: "GRPC", http2: true,
            tls: false, kind: .grpc),
        ProtocolCase(
            annotations: ["higress.io/backend-protocol": "GRPCS"], source: "http", cluster: "GRPCS", http2: true,
            tls: true, kind: .grpc),
        ProtocolCase(
            field: "HTTP", annotations: ["higress.io/backend-protocol": "GRPC"], cluster: "HTTP", http2: false,
            tls: false,
            kind: .http),
    ]) func theProtocolComesFromFieldThenAnnotationThenSource(_ example: ProtocolCase) throws {
        let compiled = try compile(
            sample(
                source: { $0.protocol = example.source },
                route: {
                    $0.protocol = example.field
                    $0.customConfigs = example.annotations
                }))
        let name = "greeter.static/\(example.cluster)"
        #expect(try route(compiled).destinations == [Destination(cluster: name, weight: 100)])
        #expect(try route(compiled).kind == example.kind)
        let cluster = try cluster(compiled, name)
        #expect(cluster.protocol == (example.http2 ? .http2 : .http1))
        #expect((cluster.tls != nil) == example.tls)
        #expect(compiled.problems.isEmpty)
    }

    @Test func oneClusterServesEveryRouteWithItsServiceAndProtocol() throws {
        var configuration = sample()
        for (id, name, spoken) in [(Int64(3), "s", "GRPC"), (4, "t", "GRPC"), (5, "u", "HTTP")] {
            var other = Console.Route(
                name: name, path: Console.PathPredicate(.prefix, "/\(name)"),
                services: [Console.UpstreamService(name: "greeter.static")])
            other.protocol = spoken
            configuration.routes[name] = Stored(id: id, value: other)
        }
        let compiled = try compile(configuration)
        let clusters = compiled.snapshot.objects.inOrderOfKeys().map(\.key).filter { $0.kind == .cluster }.map(\.name)
        #expect(clusters == ["greeter.static/GRPC", "greeter.static/HTTP"])
    }

    @Test func sniAndVerificationComeFromTheSource() throws {
        let compiled = try compile(
            sample(
                source: {
                    $0.protocol = "grpcs"
                    $0.sni = "greeter.internal.example"
                    $0.tlsVerify = false
                }))
        #expect(
            try cluster(compiled, "greeter.static/GRPCS").tls
                == UpstreamTLS(serverName: "greeter.internal.example", verify: false))
        let plain = try compile(sample(source: { $0.protocol = "https" }))
        #expect(try cluster(plain, "greeter.static/HTTPS").tls == UpstreamTLS(serverName: nil, verify: true))
    }

    // MARK: Endpoints

    @Test func staticAddressesOfEveryKindBecomeEndpoints() throws {
        let compiled = try compile(
            sample(source: {
                $0.domain = "10.0.0.5:8080,[::1]:8081,backend.example:8082,localhost:8083,unix:/run/app.sock"
            }))
        #expect(
            try cluster(compiled, "greeter.static/HTTP").endpoints == [
                Endpoint(host: "10.0.0.5", port: 8080), Endpoint(host: "::1", port: 8081),
                Endpoint(host: "backend.example", port: 8082), Endpoint(host: "localhost", port: 8083),
                Endpoint(host: "unix:/run/app.sock", port: 0),
            ])
        #expect(compiled.problems.isEmpty)
    }

    @Test func dnsNamesTakeThePortOfTheSource() throws {
        let compiled = try compile(
            sample(source: {
                $0 = Console.ServiceSource(
                    name: "greeter", kind: .dns, domain: "a.example.com,b.example.com", port: 50051)
            }))
        #expect(
            try cluster(compiled, "greeter.dns/HTTP").endpoints == [
                Endpoint(host: "a.example.com", port: 50051), Endpoint(host: "b.example.com", port: 50051),
            ])
    }

    @Test func endpointsHaveTheirSettingsAndClustersAPolicy() throws {
        let compiled = try compile(
            sample(source: {
                $0.domain = "10.0.0.5:8080,10.0.0.6:8080"
                $0.endpoints = [.init(address: "10.0.0.6:8080", weight: 7, drain: true)]
                $0.loadBalancing = Console.LoadBalancing(.consistentHash, hashOn: .cookie, name: "sid")
            }))
        let made = try cluster(compiled, "greeter.static/HTTP")
        #expect(
            made.endpoints == [
                Endpoint(host: "10.0.0.5", port: 8080), Endpoint(host: "10.0.0.6", port: 8080, weight: 7, drains: true),
            ])
        #expect(made.balancing == LoadBalancing(.consistentHash, hashOn: HashSource(.cookie, name: "sid")))
    }

    @Test func healthSettingsArrive() throws {
        let compiled = try compile(
            sample(source: {
                $0.healthCheck = Console.HealthCheck(.http, interval: 700)
                $0.healthCheck?.statuses = ["200-204", "302"]
                $0.healthCheck?.host = "a.test"
                $0.ejection = Console.Ejection()
                $0.ejection?.failures = 7
                $0.ejection?.countResponses = true
                $0.slowStart = 9_000
                $0.panicThreshold = 0
            }))
        let made = try cluster(compiled, "greeter.static/HTTP")
        #expect(
            made.healthCheck
                == HealthCheck(
                    .http, interval: 700, host: "a.test", statuses: [StatusRange(200, 204), StatusRange(302, 302)]))
        #expect(made.ejection == Ejection(failures: 7, countsResponses: true))
        #expect(made.slowStart == 9_000)
        #expect(made.panicThreshold == 0)
        let off = try compile(
            sample(source: {
                $0.ejection = Console.Ejection(); $0.ejection?.enabled = false
            }))
        #expect(try cluster(off, "greeter.static/HTTP").ejection.failures == 0)
    }

    @Test func boundsOfConnectionsAreThoseOfTheSourceOrTheSettings() throws {
        var settings = GatewaySettings()
        settings.connectTimeout = 2_000
        settings.upstreamIdleTimeout = 3_000
        settings.maxEndpointConnections = 4
        let usual = try cluster(try compile(sample(), settings: settings), "greeter.static/HTTP")
        #expect([usual.connectTimeout, usual.idleTimeout, usual.maxConnections] == [2_000, 3_000, 4])
        let own = sample(source: {
            $0.connections = Console.ServiceSource.Connections()
            $0.connections?.connectTimeout = 700
            $0.connections?.idleTimeout = 0
            $0.connections?.maxPerEndpoint = 9
        })
        let made = try cluster(try compile(own, settings: settings), "greeter.static/HTTP")
        #expect([made.connectTimeout, made.idleTimeout, made.maxConnections] == [700, 0, 9])
    }

    // MARK: Routes

    @Test func everythingThatARouteSaysArrives() throws {
        var configuration = sample(route: {
            $0.domains = ["foo.com"]
            $0.path = Console.PathPredicate(.regular, "/svc/(.*)", caseSensitive: false)
            $0.methods = ["GET", "POST"]
            $0.headers = [Console.KeyedPredicate(key: "X-User", .prefix, "a")]
            $0.urlParams = [Console.KeyedPredicate(key: "Q", .equal, "1")]
            $0.services = [
                Console.UpstreamService(name: "greeter.static", weight: 20),
                Console.UpstreamService(name: "other.static", port: 80, weight: 80),
            ]
            $0.timeouts = Console.Timeouts(responseHeaders: 1_000, streamIdle: 0, total: nil)
            $0.timeout = "30s"
            $0.streamPolicy = Console.StreamPolicy(.drain, after: 5_000)
            $0.rewrite = Console.Rewrite(path: "/$1", host: "inner.example")
        })
        configuration.domains["foo.com"] = Stored(id: 3, value: Console.Domain(name: "foo.com", enableHttps: "off"))
        configuration.serviceSources["other"] = Stored(
            id: 4, value: Console.ServiceSource(name: "other", kind: .static, domain: "127.0.0.1:1", port: 80))
        let compiled = try compile(configuration)
        #expect(compiled.problems.isEmpty)
        #expect(
            try route(compiled)
                == Route(
                    name: "r", virtualHosts: ["foo.com"], order: 2,
                    path: PathPredicate(kind: .regex, value: "/svc/(.*)", caseSensitive: false),
                    methods: ["GET", "POST"],
                    headers: [KeyedPredicate(key: "x-user", kind: .prefix, value: "a")],
                    queryParameters: [KeyedPredicate(key: "Q", kind: .exact, value: "1")],
                    destinations: [
                        Destination(cluster: "greeter.static/HTTP", weight: 20),
                        Destination(cluster: "other.static/HTTP", weight: 80),
                    ], kind: .http,
                    timeouts: RouteTimeouts(responseHeaders: 1_000, streamIdle: 0, total: 30_000),
                    streamPolicy: .drain(5_000), rewrite: Rewrite(path: "/$1", authority: "inner.example")))
    }

    @Test func aRewriteThatIsSwitchedOffDoesNothing() throws {
        let compiled = try compile(
            sample(route: {
                $0.rewrite = Console.Rewrite(path: "/x")
                $0.rewrite?.enabled = false
            }))
        #expect(try route(compiled).rewrite == nil)
    }

    @Test func routesKeepTheOrderOfTheirCreation() throws {
        var configuration = sample()
        configuration.routes["a"] = Stored(
            id: 9,
            value: Console.Route(
                name: "a", path: Console.PathPredicate(.prefix, "/"),
                services: [Console.UpstreamService(name: "greeter.static")]))
        let compiled = try compile(configuration)
        #expect(try route(compiled, "r").order == 2)
        #expect(try route(compiled, "a").order == 9)
    }

    // MARK: Problems

    private func problems(_ configuration: StoredConfiguration) throws -> [String] {
        try compile(configuration).problems.map {
            "\($0.kind.rawValue) \($0.name) \($0.error.field): \($0.error.message)"
        }
    }

    @Test func aProblemNamesResourceAndFieldInTheWordsOfTheConsole() throws {
        #expect(
            try problems(sample(route: { $0.services = [Console.UpstreamService(name: "missing.static")] })) == [
                "route r services[0].name: Service missing.static does not exist."
            ])
        #expect(
            try problems(sample(route: { $0.domains = ["nowhere.example"] })) == [
                "route r domains[0]: Domain nowhere.example does not exist."
            ])
        var configuration = sample()
        configuration.domains["d.example"] = Stored(
            id: 3, value: Console.Domain(name: "d.example", enableHttps: "on", certIdentifier: "gone"))
        #expect(try problems(configuration) == ["domain d.example certIdentifier: Certificate gone does not exist."])
    }

    @Test func aPatternThatTheEngineRefusesIsAProblemOfItsField() throws {
        let path = try compile(sample(route: { $0.path = Console.PathPredicate(.regular, "/(") })).problems
        #expect(path.map(\.error.field) == ["path.matchValue"])
        let header = try compile(
            sample(route: { $0.headers = [Console.KeyedPredicate(key: "a", .regular, "*")] })
        ).problems
        #expect(header.map(\.error.field) == ["headers[0].matchValue"])
        let query = try compile(
            sample(route: { $0.urlParams = [Console.KeyedPredicate(key: "a", .regular, "[")] })
        ).problems
        #expect(query.map(\.error.field) == ["urlParams[0].matchValue"])
    }

    @Test func mixingGRPCWithAServiceOfAnotherProtocolIsAProblem() throws {
        var configuration = sample(
            source: { $0.protocol = "grpc" },
            route: { $0.services.append(Console.UpstreamService(name: "plain.static")) })
        configuration.serviceSources["plain"] = Stored(
            id: 4, value: Console.ServiceSource(name: "plain", kind: .static, domain: "127.0.0.1:1", port: 80))
        #expect(
            try problems(configuration) == [
                "route r services[1].name: Service plain.static speaks HTTP/1.1, and gRPC needs HTTP/2."
            ])
    }

    // MARK: Work saved

    @Test func whatDidNotChangeIsCarriedOver() throws {
        var configuration = sample()
        let first = try compile(configuration)
        configuration.version = 8
        configuration.routes["s"] = Stored(
            id: 3,
            value: Console.Route(
                name: "s", path: Console.PathPredicate(.regular, "/("),
                services: [Console.UpstreamService(name: "greeter.static")]))
        let change = ResourceChange(kind: .route, name: "s", action: .create)
        let second = try SnapshotCompiler()
            .compile(configuration, [change], history: first.snapshot.historyID, after: first)
        let fresh = try compile(configuration)
        #expect(second.snapshot.root == fresh.snapshot.root)
        #expect(second.problems == fresh.problems)
        let diff = SnapshotDiff(from: first.snapshot, to: second.snapshot)
        #expect(diff.addedKeys == [ObjectKey(.route, "s")] && diff.changed.isEmpty && diff.removed.isEmpty)
    }
}
