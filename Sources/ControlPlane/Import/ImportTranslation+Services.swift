// Services and their endpoints into service sources. One that comes without endpoints is reached by its name in the cluster, until
// somebody gives it addresses.

import ConsoleModel
import Persistence
import Seal

/// How a service is spoken to over TLS.
struct ServiceTLS: Hashable, Sendable {
    var isVerified = false
    var authority: String?
    var clientCertificate: String?
    var sni: String?
}

/// A port as an Ingress names it.
enum PortReference {
    case number(Int)
    case name(String)

    var words: String {
        switch self {
        case .number(let number): String(number)
        case .name(let name): name
        }
    }
}

extension ImportTranslation {
    /// The source of a Service's port, made when it is asked for first; `nil`: there is none, and `node` says why.
    mutating func upstream(
        _ name: String, in namespace: String, _ port: PortReference?, at node: ManifestNode
    ) -> Console.UpstreamService? {
        let key = "\(namespace)/\(name)"
        let service = services[key]
        guard let found = self.port(of: service, key, port, at: node) else { return nil }
        let subject = "service \(key):\(found.number)"
        let sourceName = Self.sourceName(namespace, name, found.number)
        if let known = sources[sourceName], known.subject != subject {
            node.refuse("The \(subject) and the \(known.subject) would both become the service source \(sourceName).")
            return nil
        }
        var source = sources[sourceName] ?? self.source(sourceName, key, found, options.clusterDomain)
        source.subject = subject
        source.origins.addOnce(service?.origin ?? node.manifest.origin)
        if !source.isStored, let error = source.source.check().errors.first {
            node.refuse("The \(subject) cannot become a service source: \(error.field): \(error.message)")
            return nil
        }
        if let host = source.clusterName {
            node.change(
                "The \(subject) comes without addresses: it is reached at its name in the cluster, \(host). Elsewhere give"
                    + " the service source \(sourceName) addresses that can be reached, or put its Endpoints or"
                    + " EndpointSlices into the body.")
        }
        sources[sourceName] = source
        // Without a port: a source made of a Service has one, and it may be given another.
        return Console.UpstreamService(name: source.source.serviceName)
    }

    private typealias Port = (number: Int, dnsPort: Int, node: ManifestNode?)

    private func source(_ name: String, _ key: String, _ port: Port, _ clusterDomain: String) -> Source {
        var made = Source(source: .init())
        let spec = services[key]?.root["spec"]
        let addresses = self.addresses(of: key, port.node, port.number, &made.origins)
        if !addresses.isEmpty {
            made.source = .init(
                name: name, kind: .static, domain: addresses.joined(separator: ","), port: port.number)
        } else if spec?["type"].text == "ExternalName" {
            made.source = .init(name: name, kind: .dns, domain: spec?["externalName"].text ?? "", port: port.number)
        } else {
            let parts = key.split(separator: "/", maxSplits: 1)
            let host = "\(parts[1]).\(parts[0]).svc.\(clusterDomain)"
            if let known = stored.serviceSources[name]?.value, known.offersService {
                made.source = known
                made.isStored = true
            } else {
                made.source = .init(name: name, kind: .dns, domain: host, port: port.dnsPort)
            }
            if made.source.domain == host { made.clusterName = "\(host):\(made.source.servicePort)" }
        }
        if made.isStored { return made }
        made.source.protocol = Self.appProtocol(port.node)
        made.source.normalize()
        return made
    }

    /// Kubernetes' name of a port in a source's name, which has 63 letters, digits and dashes.
    static func sourceName(_ namespace: String, _ name: String, _ port: Int) -> String {
        let whole = "\(namespace)-\(name)-\(port)"
        let fits = whole.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
        }
        if fits, whole.utf8.count <= 63 { return whole }
        let plain = String(whole.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
        return "\(plain.prefix(54))-\(SHA256.hash(whole).hex.prefix(8))"
    }

    /// The port of a Service. `dnsPort`: where its name leads to pods and not to the cluster's own balancer, their port.
    private func port(
        of service: Manifest?, _ key: String, _ asked: PortReference?, at node: ManifestNode
    ) -> Port? {
        guard let service else {
            if case .number(let number)? = asked { return (number, number, nil) }
            node.refuse(
                "The Service \(key) is not in the body: without it nobody knows its port \(asked?.words ?? "").")
            return nil
        }
        let spec = service.root["spec"]
        let ports = spec["ports"].items
        let found = ports.first { port in
            switch asked {
            case .number(let number): port["port"].value == .integer(Int64(number))
            case .name(let name): port["name"].value == .string(name)
            case nil: true
            }
        }
        if found == nil, ports.isEmpty, case .number(let number)? = asked { return (number, number, nil) }
        guard let found, let number = found["port"].integer else {
            let known = ports.compactMap { $0["port"].value }.map {
                if case .integer(let n) = $0 { "\(n)" } else { "?" }
            }
            node.refuse(
                "The Service \(key) has no port \(asked?.words ?? "at all")"
                    + (known.isEmpty ? "." : ": it has \(known.joined(separator: ", "))."))
            return nil
        }
        for member in ["name", "targetPort", "nodePort"] { found[member].take() }
        if let transport = found["protocol"].text, transport != "TCP" {
            node.refuse("The port \(number) of the Service \(key) is for \(transport), not for TCP.")
            return nil
        }
        if let type = spec["type"].text, !["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].contains(type) {
            spec["type"].ignore("Is not a type that is known here; the Service counts as ClusterIP.")
        }
        let headless = spec["clusterIP"].text == "None"
        if headless, case .integer(let target)? = found["targetPort"].value { return (number, Int(target), found) }
        return (number, number, found)
    }

    /// `address:port` of what stands behind a Service, of those that are ready.
    private func addresses(
        of key: String, _ port: ManifestNode?, _ number: Int, _ origins: inout [ImportOrigin]
    ) -> [String] {
        let portName: String = if case .string(let name)? = port?["name"].value { name } else { "" }
        var found: [String] = []
        func add(_ host: String, _ port: Int) {
            let text = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            found.addOnce(text)
        }
        /// Of several ports the one of that name; of one that one.
        func matching(_ ports: [ManifestNode]) -> Int? {
            let named = ports.first { (($0["name"].value.flatMap(\.text)) ?? "") == portName }
            guard let chosen = named ?? (ports.count == 1 && port == nil ? ports[0] : nil) else { return nil }
            for member in ["name", "appProtocol"] { chosen[member].take() }
            if let transport = chosen["protocol"].text, transport != "TCP" {
                chosen["protocol"].ignore("Is not TCP, so these addresses do not count.")
                return nil
            }
            return chosen["port"].integer
        }
        for manifest in endpoints[key] ?? [] {
            let before = found.count
            if manifest.origin.kind == "Endpoints" {
                for subset in manifest.root["subsets"].items {
                    guard let port = matching(subset["ports"].items) else { continue }
                    for address in subset["addresses"].items {
                        if let host = address["ip"].text { add(host, port) }
                        for member in ["nodeName", "targetRef", "hostname"] { address[member].take() }
                    }
                }
            } else {
                if let type = manifest.root["addressType"].text, !["IPv4", "IPv6", "FQDN"].contains(type) {
                    manifest.root["addressType"].ignore("Is not a type that is known here.")
                }
                guard let port = matching(manifest.root["ports"].items) else { continue }
                for endpoint in manifest.root["endpoints"].items {
                    let ready = endpoint["conditions"]["ready"].flag ?? true
                    for member in ["conditions", "nodeName", "targetRef", "zone", "hints", "hostname"] {
                        endpoint[member].take()
                    }
                    guard ready else {
                        endpoint.ignore("Is not ready.")
                        continue
                    }
                    for address in endpoint["addresses"].items { if let host = address.text { add(host, port) } }
                }
            }
            if found.count > before { origins.addOnce(manifest.origin) }
        }
        return found
    }

    /// What `appProtocol` says of how a port is spoken to.
    private static func appProtocol(_ port: ManifestNode?) -> String? {
        guard let node = port?["appProtocol"], let text = node.text else { return nil }
        switch text.lowercased() {
        case "grpc": return "grpc"
        case "kubernetes.io/h2c", "h2c", "http2": return "http2"
        case "https": return "https"
        case "http", "tcp", "kubernetes.io/ws", "ws": return nil
        default:
            node.ignore("Is not a protocol that is known here; what an Ingress says counts, else HTTP.")
            return nil
        }
    }

    /// Sets how a source is spoken to over TLS; the first that says it counts.
    mutating func set(_ tls: ServiceTLS, on service: String, at node: ManifestNode) {
        guard let dot = service.lastIndex(of: "."), let known = sources[String(service[..<dot])] else { return }
        let name = known.source.name
        if known.isStored {
            let (before, sni) = (known.source, tls.sni ?? known.source.sni)
            if before.verifiesTLS != tls.isVerified || before.tlsClientCertificate != tls.clientCertificate
                || before.sni != sni || before.tlsCa != (tls.isVerified ? tls.authority : nil)
            {
                node.change("The service source \(name) exists already, and its TLS settings stay as they are.")
            }
            return
        }
        if let before = known.tls {
            if before != tls { node.refuse("Another Ingress speaks TLS to \(service) with other settings.") }
            return
        }
        sources[name]?.tls = tls
        sources[name]?.source.tlsVerify = tls.isVerified
        sources[name]?.source.tlsCa = tls.isVerified ? tls.authority : nil
        sources[name]?.source.tlsClientCertificate = tls.clientCertificate
        if let sni = tls.sni { sources[name]?.source.sni = sni }
        sources[name]?.source.normalize()
        if !tls.isVerified {
            node.change(
                "Certificates of \(service) are not checked, as before: tlsVerify of the service source does it.")
        }
        if let error = sources[name]?.source.check().errors.first { node.refuse("\(error.field): \(error.message)") }
    }
}

extension JSONValue {
    /// Text, of text.
    var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension Array where Element: Equatable {
    mutating func addOnce(_ element: Element) {
        if !contains(element) { append(element) }
    }
}
