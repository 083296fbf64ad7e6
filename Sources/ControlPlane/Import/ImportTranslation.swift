// Kubernetes objects into the resources of a document: secrets, then registries and services, then each Ingress, and last the
// domains, whose HTTPS depends on what every Ingress wants of a host.

import ConsoleModel
import Persistence

/// How a body is to be understood.
struct ImportOptions: Sendable {
    /// Only Ingresses of these classes; empty: all.
    var ingressClasses: Set<String> = []
    var clusterDomain = "cluster.local"
    /// Of objects that name none.
    var namespace = "default"
}

/// What an import makes, and of what.
struct ImportedResources: Sendable {
    struct Object: Sendable {
        var kind: ResourceKind
        var name: String
        var origins: [ImportOrigin]
    }

    var document = Console.ConfigurationDocument()
    var objects: [Object] = []
    var remarks: [ImportRemark] = []
    var warnings: [String] = []
}

/// One translation of one body. Not used twice.
struct ImportTranslation {
    let options: ImportOptions
    /// What exists already: certificates and service sources that the body may name.
    let stored: StoredConfiguration
    let manifests: [Manifest]

    var secrets: [String: Manifest] = [:]
    var services: [String: Manifest] = [:]
    /// Endpoints and EndpointSlices of a service.
    var endpoints: [String: [Manifest]] = [:]

    /// By the key of the secret; `nil`: it makes none.
    var certificates: [String: Console.Certificate?] = [:]
    var certificateNames: Set<String> = []
    var proxyServers: [String: (server: Console.ProxyServer, origin: ImportOrigin)] = [:]
    var sources: [String: Source] = [:]
    var hosts: [String: Host] = [:]
    var routes: [Route] = []
    var warnings: [String] = []

    /// A service source that is being made, or one that exists and is used as it is.
    struct Source {
        var source: Console.ServiceSource
        var isStored = false
        /// Name and port in the cluster, where there are no addresses.
        var clusterName: String?
        var origins: [ImportOrigin] = []
        /// As the first Ingress wants it that speaks TLS to it.
        var tls: ServiceTLS?
        /// Of what, as in `service shop/web:80`.
        var subject = ""
    }

    struct Route {
        var route: Console.Route
        var place: ManifestNode
        var redirect: RedirectWish
        var isNginx: Bool
        /// From fields and from annotations that were kept to where they stand.
        var places: [String: ManifestNode] = [:]
        var keptPlaces: [String: ManifestNode] = [:]
    }

    /// A host of rules and of `tls`.
    struct Host {
        var certificate: String?
        var clientAuth: Console.Domain.ClientAuth?
        var tls: Console.Domain.TLS?
        var origins: [ImportOrigin] = []
    }

    init(_ manifests: [Manifest], options: ImportOptions, stored: StoredConfiguration) {
        self.manifests = manifests
        self.options = options
        self.stored = stored
    }

    /// The name of a route or certificate: namespaces that everybody has are left out.
    static func name(_ namespace: String, _ name: String) -> String {
        ["default", "higress-system"].contains(namespace) ? name : "\(namespace).\(name)"
    }

    mutating func run() -> ImportedResources {
        index()
        for manifest in manifests where manifest.origin.kind == "Secret" {
            if manifest.root["type"].value == .string("kubernetes.io/tls") { _ = certificate(of: manifest) }
        }
        readBridges(manifests.filter { $0.origin.kind == "McpBridge" && !$0.isRefused })
        for manifest in manifests where manifest.origin.kind == "Ingress" { readIngress(manifest) }
        joinCanaries()
        let domains = makeDomains()
        checkRoutes()
        remarkOnTheRest()
        return result(domains)
    }

    private static let versions: [String: Set<String>] = [
        "Ingress": ["networking.k8s.io/v1"], "Secret": ["v1"], "Service": ["v1"], "Endpoints": ["v1"],
        "EndpointSlice": ["discovery.k8s.io/v1"], "McpBridge": ["networking.higress.io/v1"],
    ]

    /// Finds what others name. Objects of other kinds or versions are told and left.
    private mutating func index() {
        for manifest in manifests {
            let kind = manifest.origin.kind
            let version: String = if case .string(let text)? = manifest.root["apiVersion"].value { text } else { "" }
            guard let known = Self.versions[kind] else {
                manifest.remark(
                    .ignored, "",
                    "A \(kind) is not imported: only Ingress, Secret, Service, Endpoints, EndpointSlice and McpBridge.")
                continue
            }
            guard known.contains(version) else {
                let wanted = known.sorted().joined(separator: " or ")
                manifest.remark(
                    .refused, "apiVersion",
                    kind == "Ingress"
                        ? "\(version) is the form before Kubernetes 1.19: write it as \(wanted), as `kubectl convert`"
                            + " and every newer cluster do."
                        : "Must be \(wanted), not \(version).")
                manifest.take("")
                continue
            }
            switch kind {
            case "Secret": secrets[manifest.key] = manifest
            case "Service": services[manifest.key] = manifest
            case "Endpoints": endpoints[manifest.key, default: []].append(manifest)
            case "EndpointSlice":
                let label = manifest.root["metadata"]["labels"]["kubernetes.io/service-name"]
                guard let service = label.text else {
                    label.refuse("Is required: it says of which Service these are the endpoints.")
                    continue
                }
                endpoints["\(manifest.namespace)/\(service)", default: []].append(manifest)
            default: break
            }
        }
    }

    private func remarkOnTheRest() {
        for manifest in manifests {
            switch manifest.origin.kind {
            case "Secret" where certificates[manifest.key] == nil && !manifest.isTouched:
                manifest.remark(
                    .ignored, "", "Is neither of the type kubernetes.io/tls nor named by something that is imported.")
            case "Service" where !manifest.isTouched:
                manifest.remark(.ignored, "", "Nothing that is imported sends requests to it.")
            case "Endpoints" where !manifest.isTouched, "EndpointSlice" where !manifest.isTouched:
                manifest.remark(.ignored, "", "Nothing that is imported sends requests to its Service.")
            case "Ingress": manifest.remarkOnTheRest("Is not known here; it has no effect.")
            default: manifest.remarkOnTheRest("Has no meaning here; it is left out.")
            }
        }
    }

    private func result(_ domains: [(domain: Console.Domain, origins: [ImportOrigin])]) -> ImportedResources {
        var result = ImportedResources()
        var document = Console.ConfigurationDocument()
        func add(_ kind: ResourceKind, _ name: String, _ origins: [ImportOrigin]) {
            result.objects.append(.init(kind: kind, name: name, origins: origins))
        }
        document.tlsCertificates = []
        for (key, certificate) in certificates.sorted(by: { $0.key < $1.key }) {
            guard let certificate else { continue }
            document.tlsCertificates?.append(certificate)
            add(.certificate, certificate.name, secrets[key].map { [$0.origin] } ?? [])
        }
        document.proxyServers = []
        for (name, proxy) in proxyServers.sorted(by: { $0.key < $1.key }) {
            document.proxyServers?.append(proxy.server)
            add(.proxyServer, name, [proxy.origin])
        }
        document.serviceSources = []
        for (_, source) in sources.sorted(by: { $0.key < $1.key }) {
            if !source.isStored { document.serviceSources?.append(source.source) }
            add(.serviceSource, source.source.name, source.origins)
        }
        document.domains = domains.map(\.domain)
        for (domain, origins) in domains { add(.domain, domain.name, origins) }
        document.routes = routes.map(\.route)
        for route in routes { add(.route, route.route.name, [route.place.manifest.origin]) }
        result.document = document
        result.remarks = manifests.flatMap(\.remarks)
        result.warnings = warnings
        return result
    }
}
