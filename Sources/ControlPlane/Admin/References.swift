// What refers to what: routes to domains and services, domains to certificates, listeners to nobody else's port. A save may not point at nothing, and what
// is pointed at may not go.

import ConsoleModel
import Persistence

extension StoredConfiguration {
    // MARK: what a resource needs

    func checkReferences(of domain: Console.Domain) -> Findings {
        var findings = Findings()
        if let name = domain.certIdentifier, certificates[name] == nil {
            findings.refuse("certIdentifier", "There is no certificate named \(name).")
        }
        return findings
    }

    func checkReferences(of source: Console.ServiceSource) -> Findings {
        var findings = Findings()
        if let name = source.tlsClientCertificate, certificates[name] == nil {
            findings.refuse("tlsClientCertificate", "There is no certificate named \(name).")
        }
        if let name = source.proxyName, proxyServers[name] == nil {
            findings.refuse("proxyName", "There is no proxy server named \(name).")
        }
        return findings
    }

    func checkReferences(of route: Console.Route) -> Findings {
        var findings = Findings()
        for (index, name) in route.domains.enumerated() where domains[name] == nil {
            findings.refuse("domains[\(index)]", "There is no domain named \(name).")
        }
        for (index, service) in route.services.enumerated() where serviceSource(offering: service.name) == nil {
            findings.refuse("services[\(index)].name", "There is no service named \(service.name). \(serviceHint)")
        }
        for (index, name) in (route.authConfig?.allowedConsumers ?? []).enumerated() where consumers[name] == nil {
            findings.refuse("authConfig.allowedConsumers[\(index)]", "There is no consumer named \(name).")
        }
        if let mirror = route.mirror, serviceSource(offering: mirror.service) == nil {
            findings.refuse("mirror.service", "There is no service named \(mirror.service). \(serviceHint)")
        }
        return findings
    }

    /// An address and port is one listener's.
    func checkReferences(of listener: Console.Listener) -> Findings {
        var findings = Findings()
        for other in listeners.values.map(\.value).sorted(by: { $0.name < $1.name })
        where other.name != listener.name && other.port == listener.port && other.address == listener.address {
            findings.refuse("port", "\(listener.place) is the listener \(other.name)'s.")
        }
        return findings
    }

    private var serviceHint: String {
        let names = serviceSources.values.map(\.value).filter(\.offersService).map(\.serviceName).sorted()
        if names.isEmpty { return "No service source offers one yet: add one first." }
        let rest = names.count > 5 ? " and \(names.count - 5) more" : ""
        return "Known are \(names.prefix(5).joined(separator: ", "))\(rest)."
    }

    // MARK: what needs a resource

    func users(ofCertificate name: String) -> [(noun: String, name: String)] {
        domains.users(of: .certificate(name)).sorted().map { ("domain", $0) }
            + serviceSources.users(of: .certificate(name)).sorted().map { ("service source", $0) }
    }

    func users(ofDomain name: String) -> [(noun: String, name: String)] {
        // Routes of any host need no domain for it.
        if name == Console.Domain.anyHost { return [] }
        return namesOfRoutes(ofDomain: name).map { ("route", $0) }
    }

    func users(ofConsumer name: String) -> [(noun: String, name: String)] {
        routes.users(of: .consumer(name)).sorted().map { ("route", $0) }
    }

    func users(ofProxyServer name: String) -> [(noun: String, name: String)] {
        serviceSources.users(of: .proxyServer(name)).sorted().map { ("service source", $0) }
    }

    func users(of source: Console.ServiceSource) -> [(noun: String, name: String)] {
        guard source.offersService else { return [] }
        return routes.users(of: .service(source.serviceName)).sorted().map { ("route", $0) }
    }

    /// In their order. Routes without a domain belong to the domain of any host.
    func namesOfRoutes(ofDomain name: String) -> [String] { routes.users(of: .domain(name)).sorted() }

    // MARK: what works otherwise than it looks

    /// True of the stored resources now, so shown by reads as well as by writes.
    func remarks(on domain: Console.Domain) -> [String] {
        guard domain.https != .off, let name = domain.certIdentifier, let certificate = certificates[name]?.value else {
            return []
        }
        var remarks: [String] = []
        if domain.name != Console.Domain.anyHost, !certificate.facts.covers(domain.name) {
            let names = certificate.facts.names.joined(separator: ", ")
            remarks.append(
                "certIdentifier: the certificate \(name) is for \(names), not for \(domain.name): clients will refuse it."
            )
        }
        // In TLS 1.2 the suite says how the server signs.
        let signs = certificate.facts.keyDescription.hasPrefix("RSA") ? "ECDSA" : "RSA"
        if let suites = domain.tls?.cipherSuites, suites.allSatisfy({ $0.contains("-\(signs)-") }) {
            remarks.append(
                "tls.cipherSuites: none is for a key like that of \(name) (\(certificate.facts.keyDescription)): clients of TLS 1.2 cannot connect."
            )
        }
        return remarks
    }

    func remarks(on listener: Console.Listener) -> [String] {
        listeners.values.map(\.value).sorted { $0.name < $1.name }.compactMap { other in
            guard other.name != listener.name, other.port == listener.port, other.address != listener.address,
                Console.Listener.overlap(other.address, listener.address)
            else { return nil }
            return "address: the listener \(other.name) has the same port at \(other.address):"
                + " each connection goes to the one whose address says more."
        }
    }

    func remarks(on route: Console.Route) -> [String] {
        route.services.enumerated().compactMap { index, service in
            guard let source = serviceSource(offering: service.name), let port = service.port,
                port != source.servicePort
            else { return nil }
            return
                "services[\(index)].port: is \(port), but \(service.name) has port \(source.servicePort), which is used."
        }
    }
}

extension StoredCertificate.Facts {
    /// Whether a client that asks for this host accepts the names: a wildcard stands for one label (RFC 9525 §6.3).
    func covers(_ host: String) -> Bool {
        names.contains { name in
            let name = name.lowercased()
            if name == host { return true }
            guard name.hasPrefix("*."), let dot = host.firstIndex(of: "."), !host.hasPrefix("*") else { return false }
            return host[dot...] == name.dropFirst()
        }
    }
}
