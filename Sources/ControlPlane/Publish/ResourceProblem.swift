// What is wrong with a snapshot, said in the words of the console: whose fault it is, and the field that a person sees.

package import ConfigModel
package import ConsoleModel
package import Persistence

/// A problem of a compiled object, as one of the resource that it was made from.
package struct ResourceProblem: Hashable, Sendable, Error {
    package var kind: ResourceKind
    package var name: String
    package var error: FieldError

    package init(_ problem: ObjectProblem, in configuration: StoredConfiguration) {
        name = problem.key.name
        let field: String
        switch problem.key.kind {
        case .listener: (kind, field) = (.listener, Self.listenerField(problem.field))
        case .tlsIdentity: (kind, field) = (.certificate, problem.field == "privateKey" ? "key" : "cert")
        case .virtualHost: (kind, field) = (.domain, Self.domainField(problem.field))
        case .route: (kind, field) = (.route, Self.routeField(problem.field))
        case .consumer:
            (kind, field) = (
                .consumer, Self.consumerField(problem.field, configuration.consumers[problem.key.name]?.value)
            )
        case .cluster:
            (kind, field) = (.serviceSource, Self.sourceField(problem.field))
            name = Self.source(ofCluster: problem.key.name, in: configuration) ?? problem.key.name
        }
        let words = Self.inConsoleWords(problem.reason)
        let reason = words.prefix(1).uppercased() + words.dropFirst()
        error = FieldError(field, reason.hasSuffix(".") ? reason : reason + ".")
    }

    /// Snapshots know clusters, virtual hosts and TLS identities; people edit services, domains and certificates.
    private static func inConsoleWords(_ reason: String) -> String {
        for (ours, theirs) in [("virtual host ", "domain "), ("TLS identity ", "certificate ")]
        where reason.hasPrefix(ours) {
            return theirs + reason.dropFirst(ours.count)
        }
        guard reason.hasPrefix("cluster ") else { return reason }
        let words = reason.split(separator: " ", omittingEmptySubsequences: false)
        let service = words[1].lastIndex(of: "/").map { words[1][..<$0] } ?? words[1]
        return (["service", service] + words.dropFirst(2)).joined(separator: " ")
    }

    private static func source(ofCluster name: String, in configuration: StoredConfiguration) -> String? {
        guard let slash = name.lastIndex(of: "/") else { return nil }
        return configuration.serviceSource(offering: String(name[..<slash]))?.name
    }

    /// Snapshots keep tokens apart from other credentials.
    private static func consumerField(_ field: String, _ consumer: Console.Consumer?) -> String {
        let parts = field.split(separator: "]", maxSplits: 1, omittingEmptySubsequences: false)
        let tokens = (consumer?.credentials ?? []).indices.filter { consumer?.credentials[$0].kind == .token }
        guard parts.count == 2, parts[0].hasPrefix("tokens["), let number = Int(parts[0].dropFirst("tokens[".count)),
            tokens.indices.contains(number)
        else { return field }
        return "credentials[\(tokens[number])]\(parts[1])"
    }

    private static func domainField(_ field: String) -> String {
        if field == "tlsIdentity" { return "certIdentifier" }
        if field.hasPrefix("clientAuthentication") {
            return field.hasSuffix(".certificateAuthorities") ? "clientAuth.ca" : "clientAuth.depth"
        }
        return field.hasPrefix("hosts") ? "name" : field
    }

    private static func listenerField(_ field: String) -> String {
        let name = field.prefix { $0 != "[" }
        guard name == "proxyProtocol" || name == "forwardedHeaders" else { return field }
        return "\(name).trustedRanges\(field.dropFirst(name.count))"
    }

    private static func sourceField(_ field: String) -> String {
        if field.hasPrefix("endpoints") { return "domain" }
        if field.hasPrefix("ejection") { return "ejection" }
        if field.hasPrefix("balancing") { return "loadBalancing" }
        switch field {
        case "proxy.host", "proxy.port", "proxy.connectTimeout": return "proxyName"
        case "connectTimeout", "idleTimeout": return "connections.\(field)"
        case "maxConnections": return "connections.maxPerEndpoint"
        case "tls.serverName": return "sni"
        case "tls.certificateAuthorities": return "tlsCa"
        case "tls.clientIdentity": return "tlsClientCertificate"
        default: return field
        }
    }

    private static func filterField(_ field: String) -> String {
        let names = [
            ("access.", "ipAccess."), ("authentication.consumers", "authConfig.allowedConsumers"),
            ("authentication.kinds", "authConfig.allowedCredentialTypes"),
            ("requestHeaders.", "headerControl.request."),
            ("responseHeaders.", "headerControl.response."), ("directResponse.body", "mock.content"),
            ("directResponse.", "mock."), ("redirect.location", "redirect.url"),
            ("rateLimit.requests", "rateLimit.qps"),
            ("cors.origins", "cors.allowOrigins"), ("cors.methods", "cors.allowMethods"),
            ("cors.headers", "cors.allowHeaders"), ("cors.exposed", "cors.exposeHeaders"),
            ("mirror.cluster", "mirror.service"), ("mirror.share", "mirror.percentage"),
        ]
        guard let (ours, theirs) = names.first(where: { field.hasPrefix($0.0) }) else { return field }
        let rest = field.dropFirst(ours.count)
        return theirs + (rest.hasSuffix("].name") ? rest.dropLast("name".count) + "key" : rest)
    }

    /// Renames the parts of a path such as `headers[1].value`; the numbers are the same in both models.
    private static func routeField(_ field: String) -> String {
        let parts = field.split(separator: ".", maxSplits: 1)
        guard let first = parts.first else { return field }
        let name = first.prefix { $0 != "[" }
        let index = first.dropFirst(name.count)
        let member = parts.count > 1 ? parts[1] : ""
        switch (name, member) {
        case ("path", "value"), ("headers", "value"): return "\(first).matchValue"
        case ("queryParameters", "value"): return "urlParams\(index).matchValue"
        case ("queryParameters", _): return "urlParams\(index)\(member.isEmpty ? "" : ".\(member)")"
        case ("virtualHosts", _): return "domains\(index)"
        case ("destinations", "cluster"): return "services\(index).name"
        case ("destinations", _): return "services\(index)\(member.isEmpty ? "" : ".\(member)")"
        case ("rewrite", "authority"): return "rewrite.host"
        case ("balancing", _): return "loadBalancing"
        case ("retries", "tryTimeout"): return "proxyNextUpstream.timeout"
        case ("retries", _): return "proxyNextUpstream\(member.isEmpty ? "" : ".\(member)")"
        case ("streamPolicy", _): return "streamPolicy.after"
        case ("errorStatuses", _): return "customConfigs[custom-http-errors]"
        case ("timeouts", "send"): return "customConfigs[proxy-send-timeout]"
        case ("fallback", _): return "customConfigs[default-backend]"
        case ("filters", _): return filterField(String(member))
        default: return field
        }
    }
}
