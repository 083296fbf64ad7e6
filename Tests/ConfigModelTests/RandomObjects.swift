// Objects with random fields for tests, from a seed that a failing test prints: nothing about them is valid but the types.

import ConfigModel
import Seal

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}

extension SeededGenerator {
    mutating func object() -> ConfigObject {
        switch UInt8.random(in: 1...6, using: &self) {
        case 1: .listener(listener())
        case 2: .tlsIdentity(TLSIdentity(name: text(), certificateChain: text(), privateKey: Secret(bytes())))
        case 3:
            .virtualHost(
                VirtualHost(
                    name: text(), hosts: texts(), https: pick(), tlsIdentity: maybe { $0.text() },
                    clientAuthentication: maybe {
                        ClientAuthentication(mode: $0.pick(), certificateAuthorities: $0.text(), depth: $0.number(3))
                    },
                    tls: maybe {
                        TLSParameters(minVersion: $0.pick(), maxVersion: $0.pick(), cipherSuites: $0.texts())
                    }))
        case 4: .cluster(cluster())
        case 5: .consumer(consumer())
        default: .route(route())
        }
    }

    mutating func bytes() -> [UInt8] {
        (0..<Int.random(in: 0...200, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    /// Often empty, sometimes beyond ASCII, with scalars of every length in UTF-8.
    mutating func text() -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "z", ".", "*", "/", "\0", "\n", "é", "e\u{301}".unicodeScalars.last ?? "x", "漢", "𝄞",
        ]
        let length =
            Bool.random(using: &self) ? Int.random(in: 0...3, using: &self) : Int.random(in: 0...300, using: &self)
        var text = String.UnicodeScalarView()
        for _ in 0..<length { text.append(scalars.randomElement(using: &self) ?? "a") }
        return String(text)
    }

    /// Defaults, ends of ranges, and what lies between.
    mutating func number<T: FixedWidthInteger & UnsignedInteger>(_ candidates: T...) -> T {
        let edges: [T] = [0, 1, 127, 128, .max, .max - 1] + candidates
        return Bool.random(using: &self)
            ? edges.randomElement(using: &self) ?? 0 : T.random(in: 0...T.max, using: &self)
    }

    private mutating func pick<T: CaseIterable>() -> T where T.AllCases == [T] {
        T.allCases[Int.random(in: 0..<T.allCases.count, using: &self)]
    }

    private mutating func maybe<T>(_ make: (inout SeededGenerator) -> T) -> T? {
        Bool.random(using: &self) ? make(&self) : nil
    }

    private mutating func some<T>(_ make: (inout SeededGenerator) -> T) -> [T] {
        (0..<Int.random(in: 0...4, using: &self)).map { _ in make(&self) }
    }

    private mutating func texts() -> [String] { some { $0.text() } }

    private mutating func listener() -> Listener {
        var limits = ListenerLimits()
        if Bool.random(using: &self) {
            limits.tlsHandshakeTimeout = number(10_000)
            limits.requestHeadersTimeout = number(10_000)
            limits.requestProgressTimeout = number(60_000)
            limits.connectionIdleTimeout = number(600_000)
            limits.maxHeaderListSize = number(65_536)
            limits.maxConcurrentStreams = number(256)
            limits.maxConnections = number()
            limits.maxHandshakes = number(2_048)
            limits.memoryPerConnection = number(32 << 20)
            limits.memoryPerLoop = number(256 << 20)
            limits.memoryPerWorker = number(1 << 30)
            limits.maxResets = number(100)
            limits.maxProvokedResets = number(100)
            limits.maxControlFrames = number(1_000)
            limits.maxContinuations = number(64)
            limits.headerDecodeFactor = number(4)
            limits.streamStallTimeout = number(300_000)
            limits.requestsPerTurn = number(256)
            limits.replaySize = number(65_536)
        }
        return Listener(
            name: text(), address: text(), port: number(), tls: Bool.random(using: &self), limits: limits,
            proxyProtocol: some { $0.text() }, forwardedHeaders: some { $0.text() })
    }

    private mutating func cluster() -> Cluster {
        Cluster(
            name: text(),
            endpoints: some {
                Endpoint(
                    host: $0.text(), port: $0.number(), weight: $0.number(1), drains: Bool.random(using: &$0))
            },
            protocol: pick(),
            tls: maybe {
                UpstreamTLS(
                    serverName: $0.maybe { $0.text() }, verify: Bool.random(using: &$0),
                    certificateAuthorities: $0.maybe { $0.text() }, clientIdentity: $0.maybe { $0.text() })
            },
            proxy: maybe {
                UpstreamProxy(host: $0.text(), port: $0.number(), connectTimeout: $0.number())
            },
            balancing: balancing(), connectTimeout: number(5_000), idleTimeout: number(60_000),
            healthCheck: maybe { $0.healthCheck() },
            ejection: Ejection(
                failures: number(5), baseTime: number(10_000), maxTime: number(300_000), maxPercent: number(50),
                countsResponses: Bool.random(using: &self)),
            slowStart: number(), panicThreshold: number(50), maxConnections: number())
    }

    private mutating func healthCheck() -> HealthCheck {
        HealthCheck(
            pick(), interval: number(5_000), timeout: number(2_000), unhealthyThreshold: number(3),
            healthyThreshold: number(2), path: text(), host: maybe { $0.text() },
            statuses: some { StatusRange($0.number(), $0.number()) }, service: text())
    }

    private mutating func balancing() -> LoadBalancing {
        LoadBalancing(pick(), hashOn: maybe { HashSource($0.pick(), name: $0.text()) })
    }

    private mutating func predicate() -> KeyedPredicate {
        KeyedPredicate(key: text(), kind: pick(), value: text())
    }

    mutating func route() -> Route {
        Route(
            name: text(), virtualHosts: texts(), order: number(),
            path: PathPredicate(kind: pick(), value: text(), caseSensitive: Bool.random(using: &self)),
            methods: texts(), headers: some { $0.predicate() }, queryParameters: some { $0.predicate() },
            destinations: some { Destination(cluster: $0.text(), weight: $0.number(100)) }, kind: pick(),
            timeouts: RouteTimeouts(
                responseHeaders: maybe { $0.number() }, streamIdle: maybe { $0.number() },
                total: maybe { $0.number() }, connect: maybe { $0.number() }, send: maybe { $0.number() }),
            streamPolicy: [.keep, .close, .drain(number())].randomElement(using: &self) ?? .keep,
            rewrite: maybe { Rewrite(path: $0.maybe { $0.text() }, authority: $0.maybe { $0.text() }) },
            filters: filters(), balancing: maybe { $0.balancing() },
            retries: maybe {
                RetryPolicy(
                    attempts: $0.number(3), tryTimeout: $0.number(), conditions: RetryConditions(rawValue: $0.number(3))
                )
            }, fallback: maybe { $0.text() }, errorStatuses: some { StatusRange($0.number(), $0.number()) })
    }

    mutating func filters() -> RouteFilters {
        var filters = RouteFilters()
        filters.access = maybe { AddressAccess(allow: $0.texts(), deny: $0.texts()) }
        filters.cors = maybe {
            CORSPolicy(
                origins: $0.texts(), methods: $0.texts(), headers: $0.texts(), exposed: $0.texts(),
                maxAge: $0.maybe { $0.number() }, credentials: Bool.random(using: &$0))
        }
        filters.redirect = maybe {
            Redirect(status: $0.number(301), location: $0.text(), rootOnly: Bool.random(using: &$0))
        }
        filters.httpsOnly = Bool.random(using: &self)
        filters.authentication = maybe { random in
            let chosen = UInt8.random(in: 0..<8, using: &random)
            return RouteAuthentication(
                kinds: CredentialKind.allCases.filter { chosen & 1 << ($0.rawValue - 1) != 0 },
                consumers: random.texts())
        }
        filters.rateLimit = maybe {
            RateLimit(
                requests: $0.number(1), period: $0.number(1_000), burst: $0.number(1),
                perAddress: Bool.random(using: &$0))
        }
        filters.concurrencyLimit = maybe {
            ConcurrencyLimit(max: $0.number(1), perAddress: Bool.random(using: &$0))
        }
        filters.webSocketLimits = maybe { WebSocketLimits(maxFrameSize: $0.number(), maxMessageSize: $0.number()) }
        filters.directResponse = maybe {
            DirectResponse(status: $0.number(200), body: $0.text(), contentType: $0.text())
        }
        filters.requestHeaders = maybe { $0.edits() }
        filters.responseHeaders = maybe { $0.edits() }
        filters.mirror = maybe { Mirror(cluster: $0.text(), share: $0.number(10_000)) }
        filters.affinity = maybe {
            CookieAffinity(
                name: $0.text(), path: $0.text(), maxAge: $0.maybe { $0.number(100_000) },
                expires: $0.maybe { $0.number(100_000) }, isPersistent: Bool.random(using: &$0),
                coversDestinations: Bool.random(using: &$0))
        }
        return filters
    }

    private mutating func edits() -> HeaderEdits {
        HeaderEdits(
            remove: texts(), set: some { HeaderValue(name: $0.text(), value: $0.text()) },
            add: some { HeaderValue(name: $0.text(), value: $0.text()) })
    }

    mutating func consumer() -> Consumer {
        Consumer(
            name: text(),
            credentials: some { Credential(source: $0.pick(), key: $0.text(), hash: SHA256.hash($0.bytes())) },
            tokens: some { $0.token() })
    }

    private mutating func token() -> TokenCredential {
        TokenCredential(
            source: pick(), key: text(), issuer: text(), subject: text(), audiences: texts(),
            keys: some {
                TokenKey(
                    id: $0.text(), type: $0.pick(), algorithm: $0.maybe { $0.pick() }, material: Secret($0.bytes()))
            }, clockSkew: number(60), claims: some { ClaimHeader(claim: $0.text(), header: $0.text()) },
            keepsToken: Bool.random(using: &self))
    }
}
