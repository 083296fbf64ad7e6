// McpBridge: each of its registries is a service source, each of its proxies a proxy server, of the same fields.

import ConsoleModel
import Persistence

extension ImportTranslation {
    mutating func readBridges(_ bridges: [Manifest]) {
        for bridge in bridges {
            for proxy in bridge.root["spec"]["proxies"].items { readProxy(proxy, of: bridge) }
        }
        for bridge in bridges {
            for registry in bridge.root["spec"]["registries"].items { readRegistry(registry, of: bridge) }
        }
    }

    private mutating func readProxy(_ node: ManifestNode, of bridge: Manifest) {
        var server = Console.ProxyServer()
        server.name = node["name"].text ?? ""
        server.type = node["type"].text ?? ""
        server.serverAddress = node["serverAddress"].text ?? ""
        server.serverPort = node["serverPort"].integer
        server.connectTimeout = node["connectTimeout"].integer
        // A listener that Higress opens for itself.
        node["listenerPort"].take()
        server.normalize()
        let findings = server.check()
        if !findings.errors.isEmpty { return refuse(node, findings) }
        if let other = proxyServers[server.name] {
            let origin = "\(other.origin.namespace)/\(other.origin.name)"
            return node["name"].refuse("The proxy server \(server.name) of \(origin) has this name, too.")
        }
        proxyServers[server.name] = (server, bridge.origin)
    }

    /// At the fields of a part, or at the part where a field is missing.
    private func refuse(_ node: ManifestNode, _ findings: Findings) {
        for error in findings.errors {
            let top = error.field.split(separator: ".").last.map(String.init) ?? ""
            let place = node[top.prefix { $0 != "[" }.description]
            (place.isGiven ? place : node).refuse("\(error.field): \(error.message)")
        }
    }

    private static let properties: [String: (kinds: Set<Console.ServiceSource.Kind>, isList: Bool)] = [
        "nacosNamespaceId": ([.nacos, .nacos2, .nacos3], false), "nacosGroups": ([.nacos, .nacos2, .nacos3], true),
        "consulDatacenter": ([.consul], false), "consulServiceTag": ([.consul], false),
        "consulRefreshInterval": ([.consul], false), "zkServicesPath": ([.zookeeper], true),
        "enableMCPServer": ([.nacos3], false), "mcpServerBaseUrl": ([.nacos3], false),
        "mcpServerExportDomains": ([.nacos3], true),
    ]

    private mutating func readRegistry(_ node: ManifestNode, of bridge: Manifest) {
        var source = Console.ServiceSource()
        source.name = node["name"].text ?? ""
        source.type = node["type"].text ?? ""
        source.domain = node["domain"].text ?? ""
        source.port = node["port"].integer
        source.protocol = node["protocol"].text
        source.sni = node["sni"].text
        guard let kind = source.kind else {
            let known = Console.ServiceSource.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            return node["type"].refuse("Must be one of \(known).")
        }
        var properties: [String: JSONValue] = [:]
        for (name, rule) in Self.properties where rule.kinds.contains(kind) && node[name].isGiven {
            properties[name] = node[name].value
            node[name].take()
        }
        if !properties.isEmpty { source.properties = properties }
        source.proxyName = node["proxyName"].text
        node["vport"].ifGiven { $0.ignore("Routes reach every endpoint at its own port.") }
        node["authSecretName"].ifGiven { source.authN = credentials($0, in: bridge.namespace) }
        source.normalize()
        let findings = source.check()
        if !findings.errors.isEmpty { return refuse(node, findings) }
        if let name = source.proxyName, proxyServers[name] == nil, stored.proxyServers[name] == nil {
            return node["proxyName"].refuse("There is no proxy server named \(name), neither in the body nor here.")
        }
        if kind.isRegistry {
            node["type"].ignore("The \(kind.rawValue) registry is stored, but not asked for services yet.")
        }
        if source.backendProtocol?.usesTLS == true, !kind.isRegistry {
            source.tlsVerify = false
            node["protocol"].change(
                "Certificates of \(source.serviceName) are not checked, as before: tlsVerify of the service source does it."
            )
        }
        let subject = "registry \(source.name) of \(bridge.key)"
        if let other = sources[source.name] {
            return node["name"].refuse("The \(other.subject) has this name, too.")
        }
        sources[source.name] = Source(source: source, origins: [bridge.origin], subject: subject)
    }

    private func credentials(_ node: ManifestNode, in namespace: String) -> Console.ServiceSource.AuthN? {
        guard let reference = node.text else { return nil }
        guard let secret = secrets[Self.key(reference, in: namespace)] else {
            node.refuse("The Secret \(Self.key(reference, in: namespace)) is not in the body: add it.")
            return nil
        }
        secret.root["type"].take()
        var properties: [String: JSONValue] = [:]
        for name in ["nacosUsername", "nacosPassword", "consulToken"] {
            if let text = value(name, of: secret) { properties[name] = .string(text) }
        }
        var result = Console.ServiceSource.AuthN()
        result.enabled = true
        result.properties = Concealed(properties)
        return result
    }
}
