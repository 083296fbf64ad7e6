// The fields of each object in canonical order: listener, identity, virtual host, cluster. Routes have their own file.
// A number, once used, keeps its meaning for ever; a new field takes the next number and a default that means "as before".

extension Listener: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.string(2, address)
        writer.integer(3, port)
        writer.bool(4, tls)
        writer.defaulted(5, limits)
        writer.strings(6, proxyProtocol)
        writer.strings(7, forwardedHeaders)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), address: try reader.string(2), port: try reader.integer(3),
            tls: try reader.bool(4), limits: try reader.defaulted(5, ListenerLimits()),
            proxyProtocol: try reader.strings(6), forwardedHeaders: try reader.strings(7))
    }
}

extension ListenerLimits: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.integer(1, tlsHandshakeTimeout, default: 10_000)
        writer.integer(2, requestHeadersTimeout, default: 10_000)
        writer.integer(3, requestProgressTimeout, default: 60_000)
        writer.integer(4, connectionIdleTimeout, default: 600_000)
        writer.integer(5, maxHeaderListSize, default: 65_536)
        writer.integer(6, maxConcurrentStreams, default: 256)
        writer.integer(7, maxConnections)
        writer.integer(8, maxHandshakes, default: 2_048)
        writer.integer(9, memoryPerConnection, default: 32 << 20)
        writer.integer(10, memoryPerLoop, default: 256 << 20)
        writer.integer(11, memoryPerWorker, default: 1 << 30)
        writer.integer(12, maxResets, default: 100)
        writer.integer(13, maxProvokedResets, default: 100)
        writer.integer(14, maxControlFrames, default: 1_000)
        writer.integer(15, maxContinuations, default: 64)
        writer.integer(16, headerDecodeFactor, default: 4)
        writer.integer(17, streamStallTimeout, default: 300_000)
        writer.integer(18, requestsPerTurn, default: 256)
        writer.integer(19, replaySize, default: 65_536)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init()
        tlsHandshakeTimeout = try reader.integer(1, default: 10_000)
        requestHeadersTimeout = try reader.integer(2, default: 10_000)
        requestProgressTimeout = try reader.integer(3, default: 60_000)
        connectionIdleTimeout = try reader.integer(4, default: 600_000)
        maxHeaderListSize = try reader.integer(5, default: 65_536)
        maxConcurrentStreams = try reader.integer(6, default: 256)
        maxConnections = try reader.integer(7)
        maxHandshakes = try reader.integer(8, default: 2_048)
        memoryPerConnection = try reader.integer(9, default: 32 << 20)
        memoryPerLoop = try reader.integer(10, default: 256 << 20)
        memoryPerWorker = try reader.integer(11, default: 1 << 30)
        maxResets = try reader.integer(12, default: 100)
        maxProvokedResets = try reader.integer(13, default: 100)
        maxControlFrames = try reader.integer(14, default: 1_000)
        maxContinuations = try reader.integer(15, default: 64)
        headerDecodeFactor = try reader.integer(16, default: 4)
        streamStallTimeout = try reader.integer(17, default: 300_000)
        requestsPerTurn = try reader.integer(18, default: 256)
        replaySize = try reader.integer(19, default: 65_536)
    }
}

extension TLSIdentity: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.string(2, certificateChain)
        writer.secret(3, privateKey)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), certificateChain: try reader.string(2), privateKey: try reader.secret(3))
    }
}

extension VirtualHost: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.strings(2, hosts)
        writer.choice(3, https, default: .off)
        writer.optional(4, tlsIdentity)
        writer.optional(5, clientAuthentication)
        writer.optional(6, tls)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), hosts: try reader.strings(2), https: try reader.choice(3, default: .off),
            tlsIdentity: try reader.optional(4), clientAuthentication: try reader.optional(5),
            tls: try reader.optional(6))
    }
}

extension ClientAuthentication: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.choice(1, mode, default: .required)
        writer.string(2, certificateAuthorities)
        writer.integer(3, depth, default: UInt64(Self.defaultDepth))
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            mode: try reader.choice(1, default: .required), certificateAuthorities: try reader.string(2),
            depth: try reader.integer(3, default: Self.defaultDepth))
    }
}

extension TLSParameters: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.choice(1, minVersion, default: .tls12)
        writer.choice(2, maxVersion, default: .tls13)
        writer.strings(3, cipherSuites)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            minVersion: try reader.choice(1, default: .tls12), maxVersion: try reader.choice(2, default: .tls13),
            cipherSuites: try reader.strings(3))
    }
}

extension Cluster: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, name)
        writer.list(2, endpoints)
        writer.required(3, `protocol`)
        writer.optional(4, tls)
        writer.choice(5, balancing.policy, default: .roundRobin)
        writer.integer(6, connectTimeout, default: 5_000)
        writer.integer(7, idleTimeout, default: 60_000)
        writer.optional(8, balancing.hashOn)
        writer.optional(9, healthCheck)
        writer.defaulted(10, ejection)
        writer.integer(11, slowStart)
        writer.integer(12, panicThreshold, default: 50)
        writer.integer(13, maxConnections)
        writer.optional(14, proxy)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            name: try reader.string(1), endpoints: try reader.list(2), protocol: try reader.required(3),
            tls: try reader.optional(4), balancing: LoadBalancing(try reader.choice(5, default: .roundRobin)),
            connectTimeout: try reader.integer(6, default: 5_000),
            idleTimeout: try reader.integer(7, default: 60_000))
        balancing.hashOn = try reader.optional(8)
        healthCheck = try reader.optional(9)
        ejection = try reader.defaulted(10, Ejection())
        slowStart = try reader.integer(11)
        panicThreshold = try reader.integer(12, default: 50)
        maxConnections = try reader.integer(13)
        proxy = try reader.optional(14)
    }
}

extension Endpoint: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, host)
        writer.integer(2, port)
        writer.integer(3, weight, default: 1)
        writer.bool(4, drains)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            host: try reader.string(1), port: try reader.integer(2), weight: try reader.integer(3, default: 1),
            drains: try reader.bool(4))
    }
}

extension UpstreamProxy: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.string(1, host)
        writer.integer(2, port)
        writer.integer(3, connectTimeout)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            host: try reader.string(1), port: try reader.integer(2), connectTimeout: try reader.integer(3))
    }
}

extension UpstreamTLS: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.optional(1, serverName)
        writer.bool(2, verify, default: true)
        writer.optional(3, certificateAuthorities)
        writer.optional(4, clientIdentity)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(
            serverName: try reader.optional(1), verify: try reader.bool(2, default: true),
            certificateAuthorities: try reader.optional(3), clientIdentity: try reader.optional(4))
    }
}

/// As a route has it; a cluster's stands in its own fields.
extension LoadBalancing: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.choice(1, policy, default: .roundRobin)
        writer.optional(2, hashOn)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(try reader.choice(1, default: .roundRobin), hashOn: try reader.optional(2))
    }
}

extension HashSource: CanonicalCodable {
    func write(to writer: inout CanonicalWriter) {
        writer.required(1, kind)
        writer.string(2, name)
    }

    init(from reader: inout CanonicalReader) throws(CanonicalCodingError) {
        self.init(try reader.required(1), name: try reader.string(2))
    }
}
