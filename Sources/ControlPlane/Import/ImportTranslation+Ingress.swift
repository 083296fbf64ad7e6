// An Ingress: a route for each of its path rules, the hosts that these stand under, and what TLS means for them.

import ConsoleModel
import TLSMaterial

/// What the routes of one Ingress have in common while it is read.
struct IngressInProgress {
    let manifest: Manifest
    let isNginx: Bool
    var annotations: IngressAnnotations
    /// Annotations that stay as they are, with those that name a service rewritten.
    var kept: [String: String] = [:]
    var keptPlaces: [String: ManifestNode] = [:]
    var labels: [String: String] = [:]
    var destinations: [Destination]?
    var tls: ServiceTLS?
    var tlsPlace: ManifestNode?

    struct Destination {
        var host: String
        var port: Int?
        var weight: Int?
        var node: ManifestNode
    }

    var spec: ManifestNode { manifest.root["spec"] }
    var metadata: ManifestNode { manifest.root["metadata"] }
}

extension ImportTranslation {
    mutating func readIngress(_ manifest: Manifest) {
        if manifest.isRefused { return }
        let className = className(of: manifest)
        if !options.ingressClasses.isEmpty, !options.ingressClasses.contains(className) {
            manifest.remark(
                .ignored, "",
                className.isEmpty ? "Has no class, and not every class is asked for." : "Its class is \(className).")
            return
        }
        let isNginx = className.contains("nginx")
        var ingress = IngressInProgress(
            manifest: manifest, isNginx: isNginx, annotations: IngressAnnotations(of: manifest, isNginx: isNginx))
        readDestinations(&ingress)
        readServiceAnnotations(&ingress)
        readUpstreamTLS(&ingress)
        readClientAuth(&ingress)
        readTLSParameters(&ingress)
        for (name, node, text) in ingress.annotations.rest() {
            if RouteAnnotations.isConsoleKey(name) {
                node.ignore("Is for the console that wrote it; it has no effect.")
            } else {
                ingress.kept[name] = text
                ingress.keptPlaces[name] = node
            }
        }
        readLabels(&ingress)
        readTLS(ingress)
        // A part that counts for all of it cannot be left out: it may be what keeps people away.
        if manifest.isRefused { return manifest.take("") }
        readRules(ingress)
    }

    private func className(of manifest: Manifest) -> String {
        let field = manifest.root["spec"]["ingressClassName"].text
        let annotation = manifest.root["metadata"]["annotations"]["kubernetes.io/ingress.class"].text
        return field ?? annotation ?? ""
    }

    private func readLabels(_ ingress: inout IngressInProgress) {
        for (name, node) in ingress.metadata["labels"].members {
            // Membership of domains and ownership by the console: the rules say the former, and here everything is its own.
            if name.hasPrefix(IngressAnnotations.higress) {
                node.take()
            } else if let text = node.text {
                ingress.labels[name] = text
            }
        }
    }

    // MARK: hosts

    private mutating func readTLS(_ ingress: IngressInProgress) {
        for entry in ingress.spec["tls"].items {
            let secret = entry["secretName"]
            let given = entry["hosts"].items.compactMap { $0.text?.lowercased() }
            let named = given.isEmpty ? ruleHosts(ingress) : given
            guard let reference = secret.text else {
                entry.change(
                    "Names no Secret: the controller's own certificate was shown. Give the domain a certificate; until then"
                        + " it has no HTTPS.")
                continue
            }
            guard let certificate = certificate(named: reference, in: ingress.manifest.namespace, at: secret) else {
                continue
            }
            for host in named {
                if let before = hosts[host]?.certificate {
                    if before != certificate {
                        entry.ignore("The host \(host) has the certificate \(before) already: the first counts.")
                    }
                    continue
                }
                hosts[host, default: Host()].certificate = certificate
                hosts[host]?.origins.addOnce(ingress.manifest.origin)
            }
        }
    }

    private func ruleHosts(_ ingress: IngressInProgress) -> [String] {
        var found: [String] = []
        for rule in ingress.spec["rules"].items {
            found.addOnce(rule["host"].text.map { $0.isEmpty ? "" : $0.lowercased() } ?? "")
        }
        return found.isEmpty ? [""] : found
    }

    /// `auth-tls-*`: client certificates for the hosts of the Ingress.
    private mutating func readClientAuth(_ ingress: inout IngressInProgress) {
        guard let (node, reference) = ingress.annotations.take("auth-tls-secret") else { return }
        let mode = ingress.annotations.take("auth-tls-verify-client", higress: false)
        let depth = ingress.annotations.take("auth-tls-verify-depth", higress: false)
        var auth = Console.Domain.ClientAuth()
        switch mode?.text ?? "on" {
        case "on": auth.mode = "required"
        case "optional": auth.mode = "optional"
        case "off":
            node.ignore("auth-tls-verify-client says off.")
            return
        default:
            mode?.node.refuse("Must be on, optional or off: whoever is let in has to be checked.")
            return
        }
        guard let authority = authority(named: reference, in: ingress.manifest.namespace, at: node) else { return }
        auth.ca = authority
        // nginx: only the authority itself signs, unless it is told otherwise.
        auth.depth = ingress.isNginx || depth != nil ? 1 : Console.Domain.ClientAuth.defaultDepth
        if let (node, text) = depth {
            guard let number = Int(text), Console.Domain.ClientAuth.depths.contains(number) else {
                return node.refuse(
                    "Must be a whole number between 0 and \(Console.Domain.ClientAuth.depths.upperBound).")
            }
            auth.depth = number
        }
        for host in ruleHosts(ingress) {
            if let before = hosts[host]?.clientAuth, before != auth {
                node.refuse("Another Ingress asks clients of \(host) for other certificates.")
            }
            hosts[host, default: Host()].clientAuth = auth
            hosts[host]?.origins.addOnce(ingress.manifest.origin)
        }
    }

    /// `ssl-cipher`, `tls-min-protocol-version` and `tls-max-protocol-version`: of the hosts of the Ingress.
    private mutating func readTLSParameters(_ ingress: inout IngressInProgress) {
        var tls = Console.Domain.TLS()
        for (name, field) in [
            ("tls-min-protocol-version", \Console.Domain.TLS.minVersion), ("tls-max-protocol-version", \.maxVersion),
        ] {
            guard let (node, text) = ingress.annotations.take(name) else { continue }
            switch text {
            case "TLSv1.2", "TLSv1.3": tls[keyPath: field] = String(text.dropFirst(4))
            case "TLSv1.0", "TLSv1.1": node.change("TLS 1.2 is the least that is spoken.")
            default: node.refuse("Must be one of TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3.")
            }
        }
        if let (node, text) = ingress.annotations.take("ssl-cipher") {
            let names = text.split(whereSeparator: { ":, ".contains($0) }).map(String.init)
            let known = names.filter { CipherSuites.problem([$0]) == nil }
            let left = names.filter { !known.contains($0) }
            if !left.isEmpty {
                node.change(
                    "\(left.joined(separator: ", ")): not used by OpenSSL here, or not a single suite of TLS 1.2.")
            }
            tls.cipherSuites = known.isEmpty ? nil : known
        }
        if tls == Console.Domain.TLS() { return }
        for host in ruleHosts(ingress) {
            if let before = hosts[host]?.tls, before != tls {
                ingress.spec.refuse("Another Ingress wants other versions or cipher suites of TLS for \(host).")
            }
            hosts[host, default: Host()].tls = tls
            hosts[host]?.origins.addOnce(ingress.manifest.origin)
        }
    }

    // MARK: rules

    private mutating func readRules(_ ingress: IngressInProgress) {
        var entries: [(host: String, path: ManifestNode)] = []
        for rule in ingress.spec["rules"].items {
            let host = rule["host"].text?.lowercased() ?? ""
            let paths = rule["http"]["paths"].items
            if paths.isEmpty { rule.ignore("Has no path, so it makes no route.") }
            for path in paths { entries.append((host, path)) }
        }
        let rules = ingress.isOfConsole ? joined(entries) : entries.map { (hosts: [$0.host], path: $0.path) }
        let base = Self.name(ingress.manifest.namespace, ingress.manifest.name)
        for (index, rule) in rules.enumerated() {
            readPath(rule.path, rule.hosts, index == 0 ? base : "\(base)-\(index + 1)", ingress)
        }
        let backend = ingress.spec["defaultBackend"]
        guard backend.isGiven else {
            if rules.isEmpty { ingress.spec.refuse("Has neither a path nor a defaultBackend.") }
            return
        }
        guard let services = services(of: backend, ingress) else { return }
        var route = ingress.annotations.fields
        route.rewrite = route.rewrite?.path == nil ? route.rewrite : nil
        route.path = .init(.prefix, "/")
        add(route, rules.isEmpty ? base : "\(base)-default", [""], services, backend, ingress)
    }

    /// The console writes a route of several domains as one rule each.
    private func joined(_ entries: [(host: String, path: ManifestNode)]) -> [(hosts: [String], path: ManifestNode)] {
        var result: [(hosts: [String], path: ManifestNode)] = []
        for entry in entries {
            if let index = result.firstIndex(where: { $0.path.value == entry.path.value }) {
                result[index].hosts.addOnce(entry.host)
                entry.path.take()
            } else {
                result.append(([entry.host], entry.path))
            }
        }
        return result
    }

    private mutating func readPath(
        _ node: ManifestNode, _ hosts: [String], _ name: String, _ ingress: IngressInProgress
    ) {
        var route = ingress.annotations.fields
        let text = node["path"].text ?? ""
        let value = text.isEmpty ? "/" : text
        let kind: Console.MatchType
        switch node["pathType"].text {
        case "Exact": kind = .equal
        case "Prefix": kind = .prefix
        case "ImplementationSpecific":
            kind = .prefix
            if !ingress.annotations.isRegular {
                node["pathType"].change("Is taken as Prefix: whole parts of the path are compared.")
            }
        case let other:
            return node["pathType"].refuse(
                "Must be Exact, Prefix or ImplementationSpecific, not \(other.map { "'\($0)'" } ?? "left out").")
        }
        let ignoresCase = ingress.annotations.ignoresCase
        if ingress.annotations.isRegular {
            // ingress-nginx compares patterns without regard to case.
            route.path = .init(.regular, value, caseSensitive: ingress.isNginx || ignoresCase ? false : nil)
        } else {
            route.path = .init(kind, value, caseSensitive: ignoresCase ? false : nil)
        }
        guard let services = services(of: node["backend"], ingress) else { return node.take() }
        add(route, name, hosts, services, node, ingress)
    }

    private mutating func add(
        _ route: Console.Route, _ name: String, _ given: [String], _ services: [Console.UpstreamService],
        _ node: ManifestNode, _ ingress: IngressInProgress
    ) {
        var route = route
        route.name = name
        route.services = services
        route.customConfigs = ingress.kept
        route.customLabels = ingress.labels
        for host in given {
            hosts[host, default: Host()].origins.addOnce(ingress.manifest.origin)
            if !host.isEmpty { route.domains.append(host) }
        }
        routes.append(
            Route(
                route: route, place: node, redirect: ingress.annotations.redirect, isNginx: ingress.isNginx,
                places: ingress.annotations.places, keptPlaces: ingress.keptPlaces))
    }
}

extension IngressInProgress {
    /// Whether a console wrote it.
    var isOfConsole: Bool { metadata["labels"]["higress.io/resource-definer"].value == .string("higress") }
}
