// Validation: a snapshot that is right, and each way of making it wrong, with the field that is blamed.

import ConfigModel
import Seal
import Testing

@Suite struct ValidationTests {
    private let listener = Listener(name: "http", address: "0.0.0.0", port: 8000, tls: false)
    private let identity = TLSIdentity(name: "cert", certificateChain: "PEM", privateKey: Secret("PEM"))
    private let host = VirtualHost(name: "demo", hosts: ["demo.kubesre.com"], https: .on, tlsIdentity: "cert")
    private let cluster = Cluster(
        name: "greeter", endpoints: [Endpoint(host: "127.0.0.1", port: 50051)], protocol: .http2)
    private let route = Route(
        name: "greeter", virtualHosts: ["demo"], order: 1, path: PathPredicate(kind: .prefix, value: "/"),
        destinations: [Destination(cluster: "greeter")], kind: .grpc)

    /// The problems of the valid set with these objects in place of those of the same key, or beside them.
    private func problems(_ objects: ConfigObject...) throws -> [String] {
        let keys = Set(objects.map(\.key))
        let rest: [ConfigObject] = [
            .listener(listener), .tlsIdentity(identity), .virtualHost(host), .cluster(cluster), .route(route),
        ]
        let snapshot = try Snapshot(
            historyID: .mint(), version: 1, objects: rest.filter { !keys.contains($0.key) } + objects)
        return snapshot.validate().map { "\($0.key.name) \($0.field): \($0.reason)" }
    }

    private func changed<T>(_ value: T, _ change: (inout T) -> Void) -> T {
        var value = value
        change(&value)
        return value
    }

    @Test func aSetThatIsRightHasNoProblems() throws {
        #expect(try problems() == [])
        let empty = try Snapshot(historyID: .mint(), version: 0, objects: [ConfigObject]())
        #expect(empty.validate() == [])
    }

    @Test func namesAreBoundedTextWithoutControlCharacters() throws {
        for (name, reason) in [
            ("", "must not be empty"), ("a\nb", "must not contain control characters"),
            ("a\u{85}", "must not contain control characters"),
            (String(repeating: "x", count: 257), "must not be longer than 256 bytes"),
        ] {
            let object = ConfigObject.listener(
                changed(listener) {
                    $0.name = name; $0.port = 0
                })
            #expect(try problems(object) == ["\(name) name: \(reason)"])
        }
        #expect(
            try problems(
                .listener(
                    changed(listener) {
                        $0.name = "Köln 1"; $0.port = 0
                    })) == [])
    }

    @Test func listenersHaveAnAddressOfTheirOwn() throws {
        for address in ["", "localhost", "[::1]", "1.2.3", "1.2.3.4\0", "::1%lo"] {
            let object = ConfigObject.listener(changed(listener) { $0.address = address })
            #expect(try problems(object) == ["http address: must be an IPv4 or IPv6 address"], "\(address)")
        }
        let other = changed(listener) { $0.name = "other" }
        #expect(try problems(.listener(other)) == ["other port: is taken at that address by listener http"])
        #expect(try problems(.listener(changed(other) { $0.address = "::" })) == [])
        let free = changed(listener) { $0.port = 0 }
        #expect(try problems(.listener(free), .listener(changed(free) { $0.name = "free" })) == [])
    }

    @Test func limitsLieInTheirRanges() throws {
        let object = changed(listener) {
            $0.limits.tlsHandshakeTimeout = 604_800_001
            $0.limits.requestHeadersTimeout = .max
            $0.limits.requestProgressTimeout = .max
            $0.limits.connectionIdleTimeout = .max
            $0.limits.maxHeaderListSize = 1_023
            $0.limits.maxConcurrentStreams = 0
        }
        let week = "must be from 0 to 604800000"
        #expect(
            try problems(.listener(object)) == [
                "http limits.tlsHandshakeTimeout: \(week)", "http limits.requestHeadersTimeout: \(week)",
                "http limits.requestProgressTimeout: \(week)", "http limits.connectionIdleTimeout: \(week)",
                "http limits.maxHeaderListSize: must be from 1024 to 1048576",
                "http limits.maxConcurrentStreams: must be from 1 to 65535",
            ])
    }

    @Test func identitiesAreNotEmpty() throws {
        let empty = TLSIdentity(name: "cert", certificateChain: "", privateKey: Secret([]))
        #expect(
            try problems(.tlsIdentity(empty)) == [
                "cert certificateChain: must not be empty", "cert privateKey: must not be empty",
            ])
    }

    @Test func aHostStandsInOneVirtualHost() throws {
        let other = VirtualHost(name: "other", hosts: ["x.com", "demo.kubesre.com", "x.com"])
        #expect(
            try problems(.virtualHost(other)) == [
                "other hosts[1]: stands in virtual host demo already", "other hosts[2]: stands twice in the list",
            ])
    }

    @Test func virtualHostsNeedHostsAndAnIdentityThatExists() throws {
        let bare = changed(host) {
            $0.hosts = []
            $0.tlsIdentity = "gone"
        }
        #expect(
            try problems(.virtualHost(bare)) == [
                "demo hosts: must not be empty", "demo tlsIdentity: TLS identity gone does not exist",
            ])
    }

    @Test func clustersHaveTimesInRangeAndEndpointsOnce() throws {
        let object = changed(cluster) {
            $0.connectTimeout = 0
            $0.idleTimeout = .max
            $0.endpoints.append(Endpoint(host: "127.0.0.1", port: 50051, weight: 3))
            $0.tls = UpstreamTLS(serverName: "a b")
        }
        #expect(
            try problems(.cluster(object)) == [
                "greeter connectTimeout: must be from 1 to 600000",
                "greeter idleTimeout: must be from 0 to 604800000",
                "greeter endpoints[1]: stands in the cluster twice",
                "greeter tls.serverName: must be made of letters, digits, hyphens, underscores and dots",
            ])
        #expect(try problems(.cluster(changed(cluster) { $0.endpoints = [] })) == [])
    }

    @Test func healthSettingsAreInRange() throws {
        let object = changed(cluster) {
            $0.healthCheck = HealthCheck(
                .http, interval: 1, timeout: 0, unhealthyThreshold: 0, healthyThreshold: 101, path: "x", host: "a b",
                statuses: [StatusRange(300, 200)], service: "a b")
            $0.ejection = Ejection(failures: 1_001, baseTime: 0, maxTime: 0, maxPercent: 101)
            $0.slowStart = .max
            $0.panicThreshold = 101
        }
        #expect(
            try problems(.cluster(object)).map { $0.split(separator: ":")[0] } == [
                "greeter healthCheck.interval", "greeter healthCheck.timeout", "greeter healthCheck.unhealthyThreshold",
                "greeter healthCheck.healthyThreshold", "greeter healthCheck.path", "greeter healthCheck.host",
                "greeter healthCheck.statuses[0]", "greeter healthCheck.service", "greeter ejection.failures",
                "greeter ejection.baseTime", "greeter ejection.maxTime", "greeter ejection.maxPercent",
                "greeter slowStart", "greeter panicThreshold",
            ])
    }

    @Test(
        arguments: [
            (LoadBalancing(.leastRequest), nil),
            (LoadBalancing(.consistentHash, hashOn: HashSource(.path)), nil),
            (LoadBalancing(.consistentHash), "hashOn: must say what the hash is made of"),
            (LoadBalancing(.random, hashOn: HashSource(.path)), "hashOn: means nothing with this policy"),
            (LoadBalancing(.consistentHash, hashOn: HashSource(.header)), "hashOn.name: must not be empty"),
            (LoadBalancing(.consistentHash, hashOn: HashSource(.host, name: "x")), "hashOn.name: must be empty"),
        ] as [(LoadBalancing, String?)])
    func hashesAreMadeOfSomething(balancing: LoadBalancing, problem: String?) throws {
        let expected = problem.map { ["greeter balancing.\($0)"] } ?? []
        #expect(try problems(.cluster(changed(cluster) { $0.balancing = balancing })) == expected)
    }

    @Test(
        arguments: [
            (Endpoint(host: "10.0.0.1", port: 80), nil),
            (Endpoint(host: "::1", port: 80), nil),
            (Endpoint(host: "localhost", port: 80), nil),
            (Endpoint(host: "Back-end_1.example.com.", port: 65_535), nil),
            (Endpoint(host: "unix:/run/x.sock", port: 0, weight: 0), nil),
            (Endpoint(host: "a", port: 0), "port: must be from 1 to 65535"),
            (Endpoint(host: "a:80", port: 80), "host: must be a host name without a port"),
            (Endpoint(host: "[::1]", port: 80), "host: must be a host name without a port"),
            (Endpoint(host: "1.2.3.400", port: 80), "host: looks like an IPv4 address but is not one"),
            (Endpoint(host: "127.1", port: 80), "host: looks like an IPv4 address but is not one"),
            (Endpoint(host: "a..b", port: 80), "host: must not have an empty label"),
            (Endpoint(host: "-a", port: 80), "host: must not have a label that begins or ends with a hyphen"),
            (Endpoint(host: "", port: 80), "host: must not be empty"),
            (Endpoint(host: ".", port: 80), "host: must not be empty"),
            (
                Endpoint(host: String(repeating: "a", count: 64), port: 80),
                "host: must not have a label longer than 63 bytes"
            ),
            (Endpoint(host: "unix:run", port: 0), "host: must name a socket by an absolute path"),
            (Endpoint(host: "unix:/x", port: 1), "port: must be 0 for a Unix socket"),
            (
                Endpoint(host: "unix:/" + String(repeating: "x", count: 107), port: 0),
                "host: must not have a path longer than 107 bytes"
            ),
            (Endpoint(host: "unix:/a\0b", port: 0), "host: must not contain control characters"),
            (Endpoint(host: "file:/etc/a b.json", port: 80), nil),
            (Endpoint(host: "file:/" + String(repeating: "x", count: 511), port: 80), nil),
            (Endpoint(host: "file:etc/a", port: 80), "host: must name a file by an absolute path"),
            (Endpoint(host: "file:/etc/a", port: 0), "port: must be from 1 to 65535"),
            (Endpoint(host: "file:/a\0b", port: 80), "host: must not contain control characters"),
            (
                Endpoint(host: "file:/" + String(repeating: "x", count: 512), port: 80),
                "host: must not have a path longer than 512 bytes"
            ),
            (Endpoint(host: "a", port: 1, weight: 1_000_001), "weight: must be from 0 to 1000000"),
        ] as [(Endpoint, String?)])
    func endpointsAreAddressesNamesOrSockets(endpoint: Endpoint, problem: String?) throws {
        let expected = problem.map { ["greeter endpoints[0].\($0)"] } ?? []
        #expect(try problems(.cluster(changed(cluster) { $0.endpoints = [endpoint] })) == expected)
    }

    @Test(
        arguments: [
            ("*", nil), ("demo.com", nil), ("*.demo.com", nil), ("a_b.demo.com", nil), ("10.0.0.1", nil),
            ("[::1]", nil),
            ("xn--bcher-kva.example", nil), ("localhost", nil),
            ("Demo.com", "must be in lower case"), ("[::A]", "must be in lower case"),
            ("demo.com.", "must not end in a dot"), ("demo.com:80", "must be a host name without a port"),
            ("*.*.com", "may have a star only as its whole first label (`*.example.com`)"),
            ("a*.com", "may have a star only as its whole first label (`*.example.com`)"),
            ("*.", "must not be empty"), ("", "must not be empty"),
            ("*.1.2.3.4", "cannot put a star before an address"),
            ("[::1", "is not an IPv6 address in brackets"), ("::1", "must be a host name without a port"),
            ("bücher.de", "must be made of letters, digits, hyphens, underscores and dots"),
            ("a b.de", "must be made of letters, digits, hyphens, underscores and dots"),
        ] as [(String, String?)])
    func virtualHostNamesAreLowerCaseHosts(name: String, problem: String?) {
        #expect(Syntax.virtualHostName(name) == problem)
    }
}
