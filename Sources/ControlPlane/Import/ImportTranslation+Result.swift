// The last steps, over all Ingresses: canaries take after their routes, hosts become domains, and every route is judged by the rules
// of the console.

import ConsoleModel
import Foundation
import Persistence

extension ImportTranslation {
    /// A canary stands beside the route of the same host and path; in ingress-nginx nothing but its service counts.
    mutating func joinCanaries() {
        for index in routes.indices where routes[index].route.canary != nil {
            let canary = routes[index]
            let main = routes.first {
                $0.route.canary == nil && $0.route.domains == canary.route.domains
                    && $0.route.path?.matchValue == canary.route.path?.matchValue
                    && (canary.isNginx || $0.route.headers == canary.route.headers)
            }
            guard let main else { continue }
            routes[index].route.path = main.route.path
            if !canary.isNginx { continue }
            var joined = main.route
            joined.name = canary.route.name
            joined.services = canary.route.services
            joined.customLabels = canary.route.customLabels
            for (key, value) in canary.route.customConfigs { joined.customConfigs[key] = value }
            routes[index].route = joined
            routes[index].redirect = main.redirect
        }
    }

    /// A host is forced to HTTPS as a whole where every route wants it; else single routes redirect.
    mutating func makeDomains() -> [(domain: Console.Domain, origins: [ImportOrigin])] {
        var domains: [(domain: Console.Domain, origins: [ImportOrigin])] = []
        var served: [String: [Int]] = [:]
        for (index, entry) in routes.enumerated() {
            for name in entry.route.domains.isEmpty ? [Console.Domain.anyHost] : entry.route.domains {
                served[name, default: []].append(index)
            }
        }
        var refused: Set<String> = []
        for (host, wanted) in hosts.sorted(by: { $0.key < $1.key }) {
            let name = host.isEmpty ? Console.Domain.anyHost : host
            let certificate = wanted.certificate ?? wildcardCertificate(of: host)
            let members = served[name] ?? []
            let redirected = members.filter {
                switch routes[$0].redirect {
                case .no: false
                case .withTLS: certificate != nil
                case .always: true
                }
            }
            var domain = Console.Domain(name: name, enableHttps: "off")
            if let certificate {
                let isForced = !members.isEmpty && redirected.count == members.count
                domain = Console.Domain(name: name, enableHttps: isForced ? "force" : "on", certIdentifier: certificate)
                domain.clientAuth = wanted.clientAuth
                domain.tls = wanted.tls
                if isForced, redirected.allSatisfy({ if case .withTLS = routes[$0].redirect { true } else { false } }) {
                    remarkOnRedirects(of: host, wanted, members)
                }
            }
            if domain.https != .force {
                for index in redirected {
                    routes[index].route.customConfigs["\(IngressAnnotations.nginx)force-ssl-redirect"] = "true"
                }
            }
            if certificate == nil, wanted.clientAuth != nil {
                refuse(
                    wanted.origins,
                    "auth-tls-secret asks clients of \(name) for certificates, but tls names no Secret for it.")
                refused.insert(name)
                continue
            }
            // Nothing is said of a host that is there already but that it has routes.
            if certificate == nil, stored.domains[name] != nil || host.isEmpty { continue }
            domain.normalize()
            let findings = domain.check()
            if let error = findings.errors.first {
                refuse(wanted.origins, "The host '\(host)' cannot become a domain: \(error.message)")
                refused.insert(name)
                continue
            }
            warnings += findings.warnings.map { "domain \(name): \($0)" }
            domains.append((domain, wanted.origins))
        }
        // Not before: until here routes are known by their places.
        routes.removeAll { !refused.isDisjoint(with: $0.route.domains) }
        return domains
    }

    private func remarkOnRedirects(of host: String, _ wanted: Host, _ members: [Int]) {
        for index in members where wanted.origins.contains(routes[index].place.manifest.origin) {
            routes[index].place.manifest.remark(
                .changed, "spec.tls",
                "ingress-nginx redirects to HTTPS wherever there is a certificate: \(host) is forced to HTTPS.")
        }
    }

    /// `*.shop.test` in `tls` is also for the rule of `www.shop.test`.
    private func wildcardCertificate(of host: String) -> String? {
        guard let dot = host.firstIndex(of: "."), !host.hasPrefix("*") else { return nil }
        return hosts["*\(host[dot...])"]?.certificate
    }

    private func refuse(_ origins: [ImportOrigin], _ message: String) {
        for manifest in manifests where origins.contains(manifest.origin) { manifest.remark(.refused, "spec", message) }
    }

    /// Leaves out routes that the rules refuse, and annotations that do nothing.
    mutating func checkRoutes() {
        var names: Set<String> = []
        var kept: [Route] = []
        for entry in routes {
            var entry = entry
            entry.route.normalize()
            if !names.insert(entry.route.name).inserted {
                entry.place.refuse("Another route of the body is called \(entry.route.name), too.")
                continue
            }
            let findings = RouteController.check(entry.route)
            for error in findings.errors {
                let place = entry.place(of: error.field)
                place.refuse(error.message)
                if place.path != entry.place.path { entry.place.take() }
            }
            for warning in findings.warnings {
                guard let (name, message) = Self.annotation(in: warning), let place = entry.keptPlaces[name] else {
                    warnings.append("route \(entry.route.name): \(warning)")
                    continue
                }
                place.ignore(message)
                entry.route.customConfigs[name] = nil
            }
            if findings.errors.isEmpty { kept.append(entry) }
        }
        routes = kept
        warnings = Array(Set(warnings)).sorted()
    }

    /// `customConfigs[NAME]: message`.
    private static func annotation(in warning: String) -> (name: String, message: String)? {
        let start = "customConfigs["
        guard warning.hasPrefix(start), let end = warning.range(of: "]: ") else { return nil }
        let message = warning[end.upperBound...]
        return (
            String(warning[warning.index(warning.startIndex, offsetBy: start.count)..<end.lowerBound]),
            message.prefix(1).uppercased() + message.dropFirst()
        )
    }
}

extension ImportTranslation.Route {
    /// What of the Ingress a field of the route came from.
    fileprivate func place(of field: String) -> ManifestNode {
        if field.hasPrefix("customConfigs["), field.hasSuffix("]") {
            let name = String(field.dropFirst("customConfigs[".count).dropLast())
            if let node = keptPlaces[name] { return node }
        }
        if field.hasPrefix("path") { return place["path"] }
        let found = places.filter { field.hasPrefix($0.key) }.max { $0.key.count < $1.key.count }
        return found?.value ?? place
    }
}
