// Rules that one object alone can break: listener, identity, virtual host, cluster. Routes have their own file.

import Seal

extension Listener {
    func check(_ findings: inout Findings) {
        if !Syntax.isIPv4(address) && !Syntax.isIPv6(address) {
            findings.report("address", "must be an IPv4 or IPv6 address")
        }
        for (field, ranges) in [("proxyProtocol", proxyProtocol), ("forwardedHeaders", forwardedHeaders)] {
            if ranges.count > Bounds.listEntries {
                findings.report(field, "must have at most \(Bounds.listEntries) entries")
            }
            for (index, range) in ranges.enumerated() where AddressRange(range) == nil {
                findings.report("\(field)[\(index)]", "must be an address or a range of them, as in 10.0.0.0/8")
            }
        }
        findings.check("limits.tlsHandshakeTimeout", limits.tlsHandshakeTimeout, in: 0...Bounds.timeout)
        findings.check("limits.requestHeadersTimeout", limits.requestHeadersTimeout, in: 0...Bounds.timeout)
        findings.check("limits.requestProgressTimeout", limits.requestProgressTimeout, in: 0...Bounds.timeout)
        findings.check("limits.connectionIdleTimeout", limits.connectionIdleTimeout, in: 0...Bounds.timeout)
        findings.check("limits.maxHeaderListSize", limits.maxHeaderListSize, in: 1_024...1_048_576)
        findings.check("limits.maxConcurrentStreams", limits.maxConcurrentStreams, in: 1...65_535)
        findings.check("limits.streamStallTimeout", limits.streamStallTimeout, in: 0...Bounds.timeout)
        findings.check("limits.maxResets", limits.maxResets, in: 0...1_000_000)
        findings.check("limits.maxProvokedResets", limits.maxProvokedResets, in: 0...1_000_000)
        findings.check("limits.maxControlFrames", limits.maxControlFrames, in: 0...1_000_000)
        findings.check("limits.headerDecodeFactor", limits.headerDecodeFactor, in: 0...1_024)
        findings.check("limits.replaySize", limits.replaySize, in: 0...(64 << 20))
    }
}

extension TLSIdentity {
    /// Only that there is something: what is inside is judged by `TLSMaterial`, here and in the worker.
    func check(_ findings: inout Findings) {
        if certificateChain.isEmpty { findings.report("certificateChain", "must not be empty") }
        if privateKey.bytes.isEmpty { findings.report("privateKey", "must not be empty") }
    }
}

extension VirtualHost {
    func check(_ findings: inout Findings) {
        if hosts.isEmpty { findings.report("hosts", "must not be empty") }
        for (index, host) in hosts.enumerated() {
            findings.check("hosts[\(index)]", Syntax.virtualHostName(host))
        }
        if let tls { tls.check(&findings) }
        guard let clients = clientAuthentication else { return }
        if clients.certificateAuthorities.isEmpty {
            findings.report("clientAuthentication.certificateAuthorities", "must not be empty")
        }
        if clients.depth > ClientAuthentication.maxDepth {
            findings.report("clientAuthentication.depth", "must be from 0 to \(ClientAuthentication.maxDepth)")
        }
    }
}

extension TLSParameters {
    /// Which suites there are is OpenSSL's to say.
    fileprivate func check(_ findings: inout Findings) {
        if minVersion.rawValue > maxVersion.rawValue {
            findings.report("tls.maxVersion", "must not be below minVersion")
        }
        if cipherSuites.count > Bounds.listEntries {
            findings.report("tls.cipherSuites", "must not have more than \(Bounds.listEntries) entries")
        }
        for (index, suite) in cipherSuites.enumerated() where !Syntax.isToken(suite) {
            findings.report("tls.cipherSuites[\(index)]", "must be a name")
        }
    }
}

extension Cluster {
    func check(_ findings: inout Findings) {
        findings.check("connectTimeout", connectTimeout, in: 1...600_000)
        findings.check("idleTimeout", idleTimeout, in: 0...Bounds.timeout)
        balancing.check("balancing", &findings)
        healthCheck?.check("healthCheck", &findings)
        ejection.check("ejection", &findings)
        findings.check("slowStart", slowStart, in: 0...3_600_000)
        findings.check("panicThreshold", panicThreshold, in: 0...100)
        var addresses: Set<Endpoint> = []
        for (index, endpoint) in endpoints.enumerated() {
            endpoint.check("endpoints[\(index)]", &findings)
            // Statistics and health are kept by address.
            if !addresses.insert(Endpoint(host: endpoint.host, port: endpoint.port)).inserted {
                findings.report("endpoints[\(index)]", "stands in the cluster twice")
            }
            if proxy != nil, endpoint.host.hasPrefix("unix:") {
                findings.report("endpoints[\(index)].host", "must not be a Unix socket behind a proxy server")
            }
            if proxy != nil, endpoint.file != nil {
                findings.report("endpoints[\(index)].host", "must not be a file of endpoints behind a proxy server")
            }
        }
        proxy?.check(&findings)
        if let name = tls?.serverName, !Syntax.isIPv6(name) {
            findings.check("tls.serverName", Syntax.hostName(name))
        }
    }
}

extension UpstreamProxy {
    fileprivate func check(_ findings: inout Findings) {
        if !Syntax.isIPv6(host) { findings.check("proxy.host", Syntax.hostName(host)) }
        if port == 0 { findings.report("proxy.port", "must be from 1 to 65535") }
        findings.check("proxy.connectTimeout", connectTimeout, in: 1...600_000)
    }
}

extension Endpoint {
    /// `sun_path` holds 108 bytes, the last of them zero.
    private static let socketPathBytes = 107
    /// With what is wrong with the file it stands in one report of the channel.
    private static let filePathBytes = 512

    fileprivate func check(_ field: String, _ findings: inout Findings) {
        findings.check("\(field).weight", weight, in: 0...Bounds.weight)
        if host.hasPrefix("unix:") {
            let path = host.dropFirst("unix:".count)
            if !path.hasPrefix("/") { findings.report("\(field).host", "must name a socket by an absolute path") }
            if path.utf8.count > Self.socketPathBytes {
                findings.report("\(field).host", "must not have a path longer than \(Self.socketPathBytes) bytes")
            }
            if Syntax.hasControl(host) { findings.report("\(field).host", "must not contain control characters") }
            if port != 0 { findings.report("\(field).port", "must be 0 for a Unix socket") }
            return
        }
        if let file {
            if !file.hasPrefix("/") { findings.report("\(field).host", "must name a file by an absolute path") }
            if file.utf8.count > Self.filePathBytes {
                findings.report("\(field).host", "must not have a path longer than \(Self.filePathBytes) bytes")
            }
            if Syntax.hasControl(host) { findings.report("\(field).host", "must not contain control characters") }
        } else if !Syntax.isIPv6(host) {
            findings.check("\(field).host", Syntax.hostName(host))
        }
        if port == 0 { findings.report("\(field).port", "must be from 1 to 65535") }
    }
}

extension LoadBalancing {
    func check(_ field: String, _ findings: inout Findings) {
        guard let source = hashOn else {
            if policy == .consistentHash { findings.report("\(field).hashOn", "must say what the hash is made of") }
            return
        }
        if policy != .consistentHash { findings.report("\(field).hashOn", "means nothing with this policy") }
        if source.kind.isNamed == source.name.isEmpty {
            findings.report("\(field).hashOn.name", source.name.isEmpty ? "must not be empty" : "must be empty")
        }
        if source.name.utf8.count > Bounds.nameBytes || Syntax.hasControl(source.name) {
            findings.report("\(field).hashOn.name", "must be a name of at most \(Bounds.nameBytes) bytes")
        }
    }
}
