// Compiling what a change touches against compiling the whole, over random edits of resources that share each other.

import ConfigModel
import ConsoleModel
import ControlPlane
import Foundation
import Persistence
import Seal
import Testing

@Suite struct CompilationStepTests {
    /// SplitMix64.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
            return z ^ z >> 31
        }
    }

    /// Edits with few names, so that they meet: sources that come, go and change their protocol under routes, routes to nothing,
    /// patterns that no engine takes.
    private struct Edits {
        var generator: Generator
        var configuration = StoredConfiguration()
        var nextID: Int64 = 1

        mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }
        mutating func flip() -> Bool { Bool.random(using: &generator) }
        mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

        /// Some changes of different resources, applied to the configuration.
        mutating func edit() -> [ResourceChange] {
            configuration.version += 1
            var changes: [ResourceChange] = []
            for _ in 0..<(1 + below(3)) {
                let change: ResourceChange
                switch below(9) {
                case 0: change = put(domain())
                case 1: change = put(certificate())
                case 2: change = put(consumer())
                case 3, 4: change = put(source())
                case 5: change = put(listener())
                default: change = put(route())
                }
                changes.append(change)
            }
            return changes
        }

        /// Or removes the one of that name.
        private mutating func put<R: Resource>(_ resource: R) -> ResourceChange {
            let path = R.collection
            let old = configuration[keyPath: path][resource.name]
            if below(4) == 0 {
                configuration[keyPath: path][resource.name] = nil
                return ResourceChange(kind: R.kind, name: resource.name, action: .delete)
            }
            nextID += 1
            configuration[keyPath: path][resource.name] = Stored(id: old?.id ?? nextID, value: resource)
            return ResourceChange(kind: R.kind, name: resource.name, action: old == nil ? .create : .update)
        }

        private mutating func domain() -> Console.Domain {
            var domain = Console.Domain(
                name: pick(["a.example.com", "b.example.com", Console.Domain.anyHost]),
                enableHttps: pick(["off", "on"]), certIdentifier: flip() ? "cert\(below(2))" : nil)
            if below(3) == 0 {
                domain.tls = Console.Domain.TLS()
                domain.tls?.maxVersion = pick(["1.2", "1.3"])
            }
            return domain
        }

        private mutating func certificate() -> StoredCertificate {
            StoredCertificate(
                name: "cert\(below(2))", chain: "PEM \(below(3))", privateKey: Secret("key"),
                facts: StoredCertificate.Facts(
                    names: [], hasSAN: false, notBefore: 0, notAfter: 0, keyDescription: "", selfSigned: true,
                    fingerprint: ""))
        }

        private mutating func consumer() -> Console.Consumer {
            var credential = Console.Credential()
            credential.type = "key-auth"
            credential.source = "BEARER"
            credential.values = Concealed(["k\(below(3))"])
            var consumer = Console.Consumer()
            consumer.name = "consumer\(below(3))"
            consumer.credentials = [credential]
            return consumer
        }

        private mutating func listener() -> Console.Listener {
            var listener = Console.Listener(
                name: "l\(below(3))", address: pick(["127.0.0.1", "0.0.0.0"]), port: 8_000 + below(2),
                protocol: pick([.http, .https]))
            if flip() { listener.forwardedHeaders = Console.Listener.TrustedPeers(["10.0.0.0/8"]) }
            if flip() {
                listener.limits = Console.Listener.Limits()
                listener.limits?.maxConnections = below(3)
            }
            return listener
        }

        private mutating func source() -> Console.ServiceSource {
            var source = Console.ServiceSource(
                name: "s\(below(3))", kind: pick([.static, .dns]), domain: flip() ? "10.0.0.1:80" : "10.0.0.2:80",
                port: 80, protocol: pick([nil, "http", "grpc", "https", "http2"]))
            if flip() { source.tlsClientCertificate = "cert\(below(2))" }
            return source
        }

        private mutating func service() -> String { "s\(below(3)).\(pick(["static", "dns"]))" }

        private mutating func route() -> Console.Route {
            var route = Console.Route(
                name: "r\(below(6))", domains: flip() ? [] : [pick(["a.example.com", "b.example.com", "none"])],
                path: below(8) == 0 ? Console.PathPredicate(.regular, "/(") : Console.PathPredicate(.prefix, "/"),
                services: (0...below(3)).map { _ in Console.UpstreamService(name: service()) })
            if flip() { route.protocol = pick(["HTTP", "GRPC"]) }
            if below(3) == 0 {
                route.customConfigs["higress.io/canary"] = "true"
                route.customConfigs[pick(["higress.io/canary-by-header", "higress.io/canary-weight"])] = "20"
            }
            if below(3) == 0 {
                let key = pick(["tls-min-protocol-version", "tls-max-protocol-version"])
                route.customConfigs["higress.io/\(key)"] = pick(["TLSv1.2", "TLSv1.3"])
            }
            if below(4) == 0 { route.customConfigs["higress.io/default-backend"] = service() }
            if flip() {
                let json = Data(#"{"service": "\#(service())"}"#.utf8)
                route.mirror = try? JSONDecoder().decode(Console.Mirror.self, from: json)
            }
            if flip() {
                var auth = Console.Auth(enabled: flip())
                auth.allowedConsumers = ["consumer\(below(3))"]
                route.authConfig = auth
            }
            return route
        }
    }

    @Test func whatAChangeTouchesIsAllThatTheWholeWouldChange() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var edits = Edits(generator: Generator(state: seed))
        let compiler = SnapshotCompiler()
        let history = HistoryID.mint()
        var clean = 0
        for _ in 0..<40 {
            edits.configuration = StoredConfiguration()
            // Something is there from the beginning: a whole is built of resources that come once.
            edits.configuration.listeners["first"] = Stored(
                id: 1, value: Console.Listener(name: "first", address: "::1", port: 1, protocol: .http))
            var compiled = try compiler.compile(edits.configuration, history: history)
            for _ in 0..<40 {
                let changes = edits.edit()
                let whole = try compiler.compile(edits.configuration, history: history)
                compiled = try compiler.compile(edits.configuration, changes, history: history, after: compiled)
                #expect(compiled.snapshot.root == whole.snapshot.root, "seed \(seed)")
                #expect(compiled.problems == whole.problems, "seed \(seed)")
                #expect(compiled.snapshot.version == edits.configuration.version)
                if compiled.problems.isEmpty { clean += 1 }
            }
        }
        #expect(clean > 20, "both verdicts occur; seed \(seed)")
    }

    @Test func aSourceTouchesItsClustersAndNoRoute() throws {
        var configuration = StoredConfiguration()
        func source(_ name: String, _ domain: String) -> Console.ServiceSource {
            Console.ServiceSource(name: name, kind: .static, domain: domain, port: 80)
        }
        for name in ["a", "b", "unused"] {
            configuration.serviceSources[name] = Stored(id: 1, value: source(name, "127.0.0.1:1"))
        }
        for (id, name) in ["a", "b"].enumerated() {
            configuration.routes[name] = Stored(
                id: Int64(id + 2),
                value: Console.Route(
                    name: name, path: Console.PathPredicate(.prefix, "/\(name)"),
                    services: [Console.UpstreamService(name: "\(name).static")]))
        }
        let compiler = SnapshotCompiler()
        let first = try compiler.compile(configuration, history: .mint())
        for name in ["a", "unused"] { configuration.serviceSources[name]?.value.domain = "127.0.0.1:2" }
        let changes = ["a", "unused"].map { ResourceChange(kind: .serviceSource, name: $0, action: .update) }
        let second = try compiler.compile(configuration, changes, history: first.snapshot.historyID, after: first)
        let diff = SnapshotDiff(from: first.snapshot, to: second.snapshot)
        #expect(diff.changedKeys == [ObjectKey(.cluster, "a.static/HTTP")])
        #expect(diff.count == 1)
        let key = ObjectKey(.route, "a")
        #expect(first.snapshot[key] === second.snapshot[key])
    }
}
