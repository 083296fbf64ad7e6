// Where an Ingress sends requests: its backends, `destination`, and the annotations that name services or say how these are spoken
// to.

import ConsoleModel
import Persistence

extension ImportTranslation {
    /// `higress.io/destination`: a line for each service, `[NN%] host[:port] [subset]`.
    func readDestinations(_ ingress: inout IngressInProgress) {
        guard let (node, text) = ingress.annotations.take("destination", nginx: false) else { return }
        var found: [IngressInProgress.Destination] = []
        for line in text.split(whereSeparator: \.isNewline) {
            var words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard !words.isEmpty else { continue }
            var weight: Int?
            if words.count > 1, words[0].hasSuffix("%") {
                weight = Int(words.removeFirst().dropLast())
                if weight == nil { node.refuse("'\(line)' begins with no whole number of percent.") }
            }
            if words.count > 1 { node.ignore("The subset \(words[1]) of \(words[0]) has no effect.") }
            let parts = words[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            var port: Int?
            if parts.count == 2 {
                port = Int(parts[1])
                if port == nil { node.refuse("'\(words[0])' has no port after the colon.") }
            }
            found.append(.init(host: String(parts[0]).lowercased(), port: port, weight: weight, node: node))
        }
        if found.isEmpty { node.refuse("Names no service.") }
        ingress.destinations = found
    }

    /// The services of a path rule or of `defaultBackend`; `nil`: a remark says why there are none.
    mutating func services(of backend: ManifestNode, _ ingress: IngressInProgress) -> [Console.UpstreamService]? {
        let service = backend["service"]
        let resource = backend["resource"]
        var found: [Console.UpstreamService] = []
        if let destinations = ingress.destinations {
            for destination in destinations {
                guard var upstream = upstream(of: destination, ingress) else { return nil }
                upstream.weight = destinations.count > 1 ? destination.weight ?? 100 : nil
                found.append(upstream)
            }
            if service.isGiven { service.ignore("The annotation higress.io/destination says where requests go.") }
            if resource.isGiven, !isBridge(resource) { return nil }
        } else if service.isGiven {
            guard let name = service["name"].text, !name.isEmpty else {
                service.refuse("name is required.")
                return nil
            }
            let port: PortReference
            if let number = service["port"]["number"].integer {
                port = .number(number)
            } else if let text = service["port"]["name"].text {
                port = .name(text)
            } else {
                service.refuse("port.number or port.name is required.")
                return nil
            }
            guard let upstream = upstream(name, in: ingress.manifest.namespace, port, at: service) else { return nil }
            found.append(upstream)
        } else {
            let words = resource.isGiven ? "A backend that is a resource" : "A backend without a service"
            backend.refuse("\(words) needs the annotation higress.io/destination.")
            return nil
        }
        if let tls = ingress.tls, let place = ingress.tlsPlace {
            for upstream in found { set(tls, on: upstream.name, at: place) }
        }
        return found
    }

    private func isBridge(_ resource: ManifestNode) -> Bool {
        guard resource["kind"].text == "McpBridge", resource["apiGroup"].text == "networking.higress.io" else {
            resource.refuse("Must be a McpBridge of networking.higress.io: no other resource is a backend here.")
            return false
        }
        if let name = resource["name"].text, name != "default" {
            resource["name"].ignore("Registries count whichever McpBridge they are of.")
        }
        return true
    }

    private mutating func upstream(
        of destination: IngressInProgress.Destination, _ ingress: IngressInProgress
    ) -> Console.UpstreamService? {
        let host = destination.host
        let parts = host.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if parts.count == 2, ["static", "dns"].contains(parts[1]) {
            let source = sources[parts[0]]?.source ?? stored.serviceSources[parts[0]]?.value
            guard let source, source.serviceName == host else {
                destination.node.refuse(
                    "There is no service \(host): put the McpBridge with the registry \(parts[0]) into the body.")
                return nil
            }
            if let port = destination.port, port != source.servicePort {
                destination.node.change("\(host) has the port \(source.servicePort), not \(port).")
            }
            return Console.UpstreamService(name: host, port: source.servicePort)
        }
        if parts.count >= 3, parts[2] == "svc" {
            return upstream(parts[0], in: parts[1], destination.port.map { .number($0) }, at: destination.node)
        }
        destination.node.refuse(
            "There is no service \(host): registries are not asked for services yet. Make a service source of its addresses,"
                + " type static or dns, and name that.")
        return nil
    }

    /// Annotations whose value is the name of a service.
    mutating func readServiceAnnotations(_ ingress: inout IngressInProgress) {
        let percentage = ingress.annotations.take("mirror-percentage")
        let port = ingress.annotations.take("mirror-target-fqdn-port")
        let service = ingress.annotations.take("mirror-target-service")
        if let (node, text) = ingress.annotations.take("mirror-target-fqdn") {
            service?.node.ignore("mirror-target-fqdn says it.")
            var number: Int?
            if let (node, text) = port {
                number = Int(text)
                if number == nil { node.refuse("Must be a whole number.") }
            }
            let destination = IngressInProgress.Destination(host: text.lowercased(), port: number, node: node)
            let target = upstream(of: destination, ingress)
            mirror(target, percentage, node, &ingress)
        } else {
            port?.node.ignore("Has no effect without mirror-target-fqdn.")
            if let (node, text) = service {
                let target = upstream(named: text, ingress, at: node)
                mirror(target, percentage, node, &ingress)
            } else {
                percentage?.node.ignore("Has no effect without mirror-target-service or mirror-target-fqdn.")
            }
        }
        if let (node, text) = ingress.annotations.take("default-backend") {
            guard let upstream = upstream(named: text, ingress, at: node) else { return }
            ingress.kept["\(IngressAnnotations.nginx)default-backend"] = upstream.name
            ingress.keptPlaces["\(IngressAnnotations.nginx)default-backend"] = node
        }
    }

    private func mirror(
        _ service: Console.UpstreamService?, _ percentage: (node: ManifestNode, text: String)?, _ node: ManifestNode,
        _ ingress: inout IngressInProgress
    ) {
        guard let service else { return }
        var mirror = Console.Mirror()
        mirror.enabled = true
        mirror.service = service.name
        if let (node, text) = percentage {
            guard let share = Int(text), share >= 0 else { return node.refuse("Must be a whole number of percent.") }
            mirror.percentage = Double(min(100, share))
            if share == 0 {
                mirror.enabled = false
                mirror.percentage = nil
            }
        }
        ingress.annotations.set(mirror, at: node)
    }

    /// `[namespace/]service[:port]`; without a port the Service's first.
    private mutating func upstream(
        named text: String, _ ingress: IngressInProgress, at node: ManifestNode
    ) -> Console.UpstreamService? {
        var name = text
        var namespace = ingress.manifest.namespace
        if let slash = name.firstIndex(of: "/") {
            namespace = String(name[..<slash])
            name = String(name[name.index(after: slash)...])
        }
        var port: PortReference?
        if let colon = name.firstIndex(of: ":") {
            let text = String(name[name.index(after: colon)...])
            port = Int(text).map { .number($0) } ?? .name(text)
            name = String(name[..<colon])
        }
        guard !name.isEmpty else {
            node.refuse("Must be the name of a Service.")
            return nil
        }
        return upstream(name, in: namespace, port, at: node)
    }

    /// `proxy-ssl-*`, and what a backend protocol over TLS means: nothing is checked unless that is asked for.
    mutating func readUpstreamTLS(_ ingress: inout IngressInProgress) {
        let protocolNode = [IngressAnnotations.nginx, IngressAnnotations.higress]
            .map { ingress.metadata["annotations"]["\($0)backend-protocol"] }.first(where: \.isGiven)
        let given = protocolNode?.value?.text.flatMap(BackendProtocol.init(text:))
        let secret = ingress.annotations.take("proxy-ssl-secret")
        let verify = ingress.annotations.take("proxy-ssl-verify")
        let name = ingress.annotations.take("proxy-ssl-name")
        let sends = ingress.annotations.take("proxy-ssl-server-name")
        let all = [secret, verify, name, sends].compactMap { $0?.node }
        guard let given, given.usesTLS, let protocolNode else {
            for node in all { node.ignore("Has no effect: the services are not spoken to over TLS.") }
            return
        }
        var tls = ServiceTLS()
        for (switched, node) in [verify, sends].compactMap({ $0.map { ($0.text, $0.node) } })
        where !["on", "off"].contains(switched) {
            node.refuse("Must be on or off.")
        }
        if let (node, reference) = secret {
            let key = Self.key(reference, in: ingress.manifest.namespace)
            if let manifest = secrets[key],
                manifest.root["data"]["tls.crt"].isGiven || manifest.root["stringData"]["tls.crt"].isGiven
            {
                tls.clientCertificate = certificate(named: reference, in: ingress.manifest.namespace, at: node)
            }
            if verify?.text == "on" || secrets[key] == nil {
                tls.authority = authority(named: reference, in: ingress.manifest.namespace, at: node)
            }
        }
        tls.isVerified = verify?.text == "on"
        if tls.isVerified, secret == nil {
            verify?.node.refuse("Needs the authorities: proxy-ssl-secret names a Secret with ca.crt.")
        }
        if let name {
            if sends?.text == "on" || tls.isVerified {
                tls.sni = name.text
            } else {
                name.node.ignore("Has no effect without proxy-ssl-server-name or proxy-ssl-verify.")
            }
        }
        ingress.tls = tls
        ingress.tlsPlace = verify?.node ?? protocolNode
    }
}
