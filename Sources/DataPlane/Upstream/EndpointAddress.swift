// Where connections to an endpoint go: to its own addresses, or to those of the proxy server that tunnels to it.

internal import ConfigModel

/// One way to an endpoint.
struct EndpointAddress: Equatable {
    /// What is connected to.
    let address: SocketAddress
    /// `address:port`, or `host:port via address:port`: what metrics, logs and health checks call it.
    let name: String
    /// SNI, and with the port the authority.
    let host: String
    let port: UInt16
    /// Of its record, relative to the others of the name.
    let weight: UInt32
    /// What the proxy server is asked for, as `host:port`; nil: the endpoint is reached directly.
    let tunnel: String?
}

extension Cluster {
    /// The name that has to be resolved to reach an endpoint; nil: an address is given, by the configuration or by a file.
    func lookupName(of endpoint: Endpoint) -> String? {
        if endpoint.file != nil { return nil }
        let host = proxy?.host ?? endpoint.host
        return SocketAddress(literal: host, port: 0) == nil ? host : nil
    }

    /// Whether it is by this name or file that endpoints are reached, be it their own or the proxy server's.
    func isReached(by name: String) -> Bool {
        if let proxy { return proxy.host == name }
        return endpoints.contains { $0.host == name }
    }

    /// `known` has what host names resolve to and what is in files. Empty: the name is not among them (yet), or the file has none.
    func addresses(of endpoint: Endpoint, known: [String: [ResolvedAddress]]) -> [EndpointAddress] {
        func resolve(_ host: String, _ port: UInt16) -> [ResolvedAddress] {
            if let literal = SocketAddress(literal: host, port: port) {
                return [ResolvedAddress(address: literal, service: nil)]
            }
            return (known[host] ?? []).map { $0.with(port: port) }
        }
        if let proxy {
            let host = endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host
            let target = "\(host):\(endpoint.port)"
            return resolve(proxy.host, proxy.port).map { found in
                EndpointAddress(
                    address: found.address, name: "\(target) via \(found.address.text)", host: endpoint.host,
                    port: endpoint.port, weight: 1, tunnel: target)
            }
        }
        let found = resolve(endpoint.host, endpoint.port).map { found in
            EndpointAddress(
                address: found.address, name: found.address.text, host: found.service?.host ?? endpoint.host,
                port: found.address.port, weight: found.service?.weight ?? 1, tunnel: nil)
        }
        guard endpoint.file != nil else { return found }
        // An address once without a port and once with the port that is the default: the first counts.
        var names: Set<String> = []
        return found.filter { names.insert($0.name).inserted }
    }
}
