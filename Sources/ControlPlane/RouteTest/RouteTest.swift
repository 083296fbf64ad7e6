// Which route a request would take, and why not the others: the worker's own table and match, over the routes that are
// stored. Only the hosts that cover the request are compiled, so that a test costs what its domain has.

import ConfigModel
import ConsoleModel
import Persistence
import RouteMatching

/// A request put to the stored configuration.
struct RouteTest {
    let compiled: CompiledConfiguration
    let request: Console.RouteTestRequest

    private var configuration: StoredConfiguration { compiled.configuration }

    /// Throws what is wrong with the URL.
    func run() throws(Problem) -> RouteTestResult {
        guard let (isSecure, authority, path, query) = request.parts else {
            throw .invalid("url", "Must be a URL with http, https, ws or wss, as in https://shop.test/cart?id=1.")
        }
        var result = RouteTestResult(version: String(configuration.version), authority: authority)
        guard let normal = Self.normalized(path, &result) else { return result }
        result.path = normal
        result.query = query.isEmpty ? nil : query
        let names = Self.hostNames(covering: authority)
        let table = table(of: names)
        let head = TestHead(
            method: (request.method ?? "GET").uppercased(), scheme: isSecure ? "https" : "http", authority: authority,
            path: normal, query: query, fields: request.headers ?? [:])
        head.lend { head in
            let host = table.virtualHost(for: head.authority).flatMap { table.virtualHost(at: $0) }
            result.domain = host.map(Self.domain)
            if isSecure {
                judgeHandshake(for: authority, host, &result)
                if result.outcome == .misdirected { return }
            } else if host?.https == .force {
                result.outcome = .redirectToHTTPS
                result.explanation =
                    "The domain \(result.domain ?? "") answers clear text with 308 to the same URL under https."
                return
            }
            decide(head, table, &result)
        }
        return result
    }

    // MARK: What is compiled

    /// The names of domains that can cover an authority, most specific first.
    static func hostNames(covering authority: String) -> [String] {
        var host = authority.lowercased()
        if let colon = host.lastIndex(of: ":"), host[host.index(after: colon)...].allSatisfy(\.isNumber) {
            host = String(host[..<colon])
        }
        if host.hasSuffix(".") { host.removeLast() }
        var names = [host]
        var rest = host[...]
        while let dot = rest.firstIndex(of: ".") {
            rest = rest[rest.index(after: dot)...]
            names.append("*.\(rest)")
        }
        return names + [Console.Domain.anyHost]
    }

    private func table(of names: [String]) -> RouteTable {
        var hosts: [VirtualHost] = []
        var routes: Set<String> = []
        for name in names {
            if case .virtualHost(let host)? = compiled.snapshot[ObjectKey(.virtualHost, name)]?.object {
                hosts.append(host)
            }
            routes.formUnion(configuration.routes.users(of: .domain(name)))
        }
        let compiledRoutes = routes.compactMap { name -> ConfigModel.Route? in
            if case .route(let route)? = compiled.snapshot[ObjectKey(.route, name)]?.object { route } else { nil }
        }
        return RouteTable(virtualHosts: hosts, routes: compiledRoutes)
    }

    /// The path as routes see it; `nil`: no path may be so.
    private static func normalized(_ path: String, _ result: inout RouteTestResult) -> String? {
        if path == "*" { return path }
        var bytes = Array(path.utf8)
        var space = [UInt8](repeating: 0, count: bytes.count)
        let outcome = bytes.withUnsafeMutableBytes { path in
            space.withUnsafeMutableBytes { PathNormalizer.normalize(UnsafeRawBufferPointer(path), into: $0) }
        }
        switch outcome {
        case .unchanged: return path
        case .changed(let count): return String(decoding: space[..<count], as: UTF8.self)
        case .refused(let reason):
            result.outcome = .badPath
            result.explanation = "The request is refused with 400: the \(reason.rawValue)."
            return nil
        }
    }

    // MARK: The handshake

    /// Which certificate is shown, and whether a connection that was opened for the SNI may carry the authority.
    private func judgeHandshake(for authority: String, _ host: VirtualHost?, _ result: inout RouteTestResult) {
        let sni = request.sni.flatMap { $0.isEmpty ? nil : $0 } ?? Self.hostNames(covering: authority)[0]
        let asked = domain(covering: sni)
        let shown = certificate(of: asked)
        result.certificate = shown?.name
        let wanted = host.flatMap { configuration.domains[Self.domain($0)]?.value }
        if asked?.clientAuth != wanted?.clientAuth || asked?.tls != wanted?.tls {
            let what =
                asked?.tls != wanted?.tls
                ? "has other versions or cipher suites" : "asks clients for other certificates"
            result.outcome = .misdirected
            result.explanation = "421: the handshake for \(sni) \(what) than \(result.domain ?? authority) does."
        } else if let shown, let other = certificate(of: wanted), other.name != shown.name,
            !shown.facts.covers(Self.hostNames(covering: authority)[0])
        {
            result.outcome = .misdirected
            result.explanation =
                "421 over HTTP/2: the certificate \(shown.name), which the handshake for \(sni) shows, does not name \(authority)."
        }
    }

    private func domain(covering host: String) -> Console.Domain? {
        Self.hostNames(covering: host).lazy.compactMap { configuration.domains[$0]?.value }.first
    }

    /// That of the domain, else that of any host, else the first by name.
    private func certificate(of domain: Console.Domain?) -> StoredCertificate? {
        let name =
            domain?.certIdentifier ?? configuration.domains[Console.Domain.anyHost]?.value.certIdentifier
            ?? configuration.certificates.names.min()
        return name.flatMap { configuration.certificates[$0]?.value }
    }

    // MARK: The route

    private func decide(_ head: borrowing RequestHead, _ table: RouteTable, _ result: inout RouteTestResult) {
        let trace = table.trace(head)
        result.candidates = trace.compactMap { candidate in
            guard let route = table.route(at: candidate.route),
                let host = table.virtualHost(at: candidate.virtualHost)
            else { return nil }
            return RouteTestResult.Candidate(route: route.name, domain: Self.domain(host), candidate.outcome)
        }
        result.limitCandidates()
        guard let match = table.match(head), let compiledRoute = table.compiledRoute(at: match.route),
            let host = table.virtualHost(at: match.virtualHost)
        else {
            result.outcome = .noRoute
            result.explanation =
                trace.isEmpty
                ? "404: no route belongs to a domain that covers \(result.authority)."
                : "404: none of the \(trace.count) routes takes the request."
            return
        }
        let route = compiledRoute.route
        result.outcome = .route
        result.route = route.name
        result.domain = Self.domain(host)
        result.explanation = "The route \(route.name) takes the request."
        result.grpc = route.kind == .grpc
        result.filters = Self.filters(route.filters)
        result.upstreamPath = Self.rewritten(head.path, compiledRoute)
        result.upstreamAuthority = route.rewrite?.authority ?? result.authority
        let total = route.destinations.reduce(0) { $0 + Int($1.weight) }
        result.destinations = route.destinations.compactMap { destination in
            guard case .cluster(let cluster)? = compiled.snapshot[ObjectKey(.cluster, destination.cluster)]?.object
            else {
                return nil
            }
            let share = total > 0 ? Double(destination.weight) / Double(total) : 1 / Double(route.destinations.count)
            return RouteTestResult.Destination(cluster, share: share)
        }
    }

    private static func rewritten(_ path: UnsafeRawBufferPointer, _ route: CompiledRoute) -> String {
        var space = [UInt8](repeating: 0, count: 65_536)
        let length = space.withUnsafeMutableBytes { route.rewrittenPath(of: path, into: $0) }
        guard let length, length <= space.count else { return String(decoding: path, as: UTF8.self) }
        return String(decoding: space[..<length], as: UTF8.self)
    }

    /// The filters that may answer before an endpoint is asked, in their order.
    private static func filters(_ filters: RouteFilters) -> [String] {
        let all: [(String, Bool)] = [
            ("cors", filters.cors != nil), ("ipAccess", filters.access != nil), ("forceHTTPS", filters.httpsOnly),
            ("redirect", filters.redirect != nil), ("authConfig", filters.authentication != nil),
            ("rateLimit", filters.rateLimit != nil), ("concurrencyLimit", filters.concurrencyLimit != nil),
            ("mock", filters.directResponse != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    /// The table makes a virtual host for routes of any host where there is no such domain.
    private static func domain(_ host: VirtualHost) -> String {
        host.name == "*" ? Console.Domain.anyHost : host.name
    }
}
