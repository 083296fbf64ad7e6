// What an edit would do, told without doing it: the differences field by field, what each route gains and loses, which routes
// it leaves without a request, and how many live streams are on what it touches.

import ConfigModel
import ConsoleModel
import Persistence
import Seal

/// One resource before and after.
struct ResourcePreview: Encodable {
    var kind: String
    var name: String
    var action: String
    /// `nil`: it is not there. Secrets are fingerprints.
    var before: JSONValue?
    var after: JSONValue?
    var fields: [FieldDifference]

    init(kind: ResourceKind, name: String, before: JSONValue?, after: JSONValue?) {
        self.kind = kind.rawValue
        self.name = name
        action = before == nil ? "create" : after == nil ? "delete" : "update"
        self.before = before
        self.after = after
        fields = before.flatMap { before in after.map { before.differences(to: $0) } } ?? []
    }
}

/// What would come of an edit.
struct Preview: Encodable {
    var dryRun = true
    /// The version that it would make; the present one when it changes nothing.
    var version: String
    var changes: [ResourcePreview] = []
    /// Routes that would serve otherwise than now, by name; at most `mostRoutes`.
    var routes: [RouteEffect] = []
    var moreRoutes = 0
    /// Routes that nothing would reach any more.
    var shadowed: [ShadowedRoute] = []
    var streams = Streams()

    static let mostRoutes = 200

    struct RouteEffect: Encodable {
        var route: String
        var gains: [String]
        var loses: [String]
    }

    /// Streams that are a second old and run on routes that would serve otherwise. They go on as they began, but for gRPC calls and
    /// WebSockets of a route that changes itself and whose `streamPolicy` ends them. So are those of listeners that go, or begin their
    /// connections otherwise.
    struct Streams: Encodable {
        var touched = 0
        var byRoute: [String: Int] = [:]
        /// Ended by `streamPolicy`, at once or after its time.
        var ended = 0
        /// There are more, or a worker does not answer.
        var incomplete = false
    }

    init(
        of draft: Draft, _ compiled: (before: CompiledConfiguration, after: CompiledConfiguration)?, live: LiveStreams,
        store: Store
    ) throws {
        guard let (before, after) = compiled else {
            version = String(draft.original.version)
            return
        }
        version = String(draft.configuration.version)
        changes = try draft.changedResources.map { change in
            ResourcePreview(
                kind: change.kind, name: change.name,
                before: try draft.original.resource(change.kind, named: change.name).map(store.readable),
                after: try draft.configuration.resource(change.kind, named: change.name).map(store.readable))
        }
        let touched = Self.routes(touchedBy: draft).sorted()
        let effects = touched.compactMap { name -> RouteEffect? in
            let (old, new) = (RouteFacets.of(name, in: before), RouteFacets.of(name, in: after))
            if old == new { return nil }
            return RouteEffect(route: name, gains: new.subtracting(old).sorted(), loses: old.subtracting(new).sorted())
        }
        routes = Array(effects.prefix(Self.mostRoutes))
        moreRoutes = effects.count - routes.count
        if !touched.isEmpty {
            let already = Set(ShadowedRoute.all(in: before.snapshot).map { [$0.domain, $0.route] })
            shadowed = ShadowedRoute.all(in: after.snapshot).filter { !already.contains([$0.domain, $0.route]) }
        }
        count(
            live, on: Set(effects.map(\.route)), Self.listeners(leftBy: draft), before.snapshot, after.snapshot)
    }

    private mutating func count(
        _ live: LiveStreams, on routes: Set<String>, _ listeners: Set<String>, _ before: Snapshot, _ after: Snapshot
    ) {
        func route(_ name: String, in snapshot: Snapshot) -> ConfigModel.Route? {
            if case .route(let route)? = snapshot[ObjectKey(.route, name)]?.object { route } else { nil }
        }
        for stream in live.streams {
            guard case .string(let name)? = stream["route"] else { continue }
            guard routes.contains(name) else {
                if case .string(let listener)? = stream["listener"], listeners.contains(listener) {
                    streams.touched += 1
                    streams.byRoute[name, default: 0] += 1
                }
                continue
            }
            streams.touched += 1
            streams.byRoute[name, default: 0] += 1
            // Messages are counted of gRPC calls and WebSockets, and of nothing else.
            guard case .integer? = stream["messages_in"] else { continue }
            if route(name, in: before)?.streamsWhenChanged(to: route(name, in: after)) ?? .keep != .keep {
                streams.ended += 1
            }
        }
        streams.incomplete = live.more || !live.silent.isEmpty
    }

    private static func routes(of source: String, in configuration: StoredConfiguration) -> [String] {
        guard let source = configuration.serviceSources[source]?.value else { return [] }
        return configuration.routes.users(of: .service(source.serviceName))
    }

    /// The names of listeners that let go of their connections.
    private static func listeners(leftBy draft: Draft) -> Set<String> {
        let names = draft.changedResources.filter { $0.kind == .listener }.map(\.name).filter { name in
            guard let old = draft.original.listeners[name]?.value else { return false }
            guard var new = draft.configuration.listeners[name]?.value else { return true }
            (new.limits, new.version) = (old.limits, old.version)
            return new != old
        }
        return Set(names)
    }

    /// The names of routes whose way depends on what the edit changes.
    private static func routes(touchedBy draft: Draft) -> Set<String> {
        var names: Set<String> = []
        for configuration in [draft.original, draft.configuration] {
            let routes = configuration.routes
            for change in draft.changedResources {
                switch change.kind {
                case .route: names.insert(change.name)
                case .domain: names.formUnion(routes.users(of: .domain(change.name)))
                case .consumer: names.formUnion(routes.users(of: .consumer(change.name)))
                case .serviceSource: names.formUnion(Self.routes(of: change.name, in: configuration))
                case .proxyServer:
                    for source in configuration.serviceSources.users(of: .proxyServer(change.name)) {
                        names.formUnion(Self.routes(of: source, in: configuration))
                    }
                // Their streams go on, and every route is served wherever a listener is.
                case .listener: break
                case .certificate:
                    for domain in configuration.domains.users(of: .certificate(change.name)) {
                        names.formUnion(routes.users(of: .domain(domain)))
                    }
                }
            }
        }
        return names
    }
}

/// What a route does, as sentences that can be compared.
enum RouteFacets {
    static func of(_ name: String, in compiled: CompiledConfiguration) -> Set<String> {
        guard case .route(let route)? = compiled.snapshot[ObjectKey(.route, name)]?.object else { return [] }
        var facets: Set<String> = []
        for host in route.virtualHosts.isEmpty ? [Console.Domain.anyHost] : route.virtualHosts {
            facets.insert("domain \(host)")
            guard case .virtualHost(let found)? = compiled.snapshot[ObjectKey(.virtualHost, host)]?.object else {
                continue
            }
            facets.insert("\(host): HTTPS \(found.https)")
            if let identity = found.tlsIdentity, let hash = compiled.snapshot[ObjectKey(.tlsIdentity, identity)]?.hash {
                facets.insert("\(host): certificate \(identity) (\(hash.hex.prefix(8)))")
            }
            if let tls = found.tls {
                let suites = tls.cipherSuites.isEmpty ? "" : ", \(tls.cipherSuites.joined(separator: " "))"
                facets.insert("\(host): TLS 1.\(tls.minVersion.rawValue) to 1.\(tls.maxVersion.rawValue)\(suites)")
            }
            if let auth = found.clientAuthentication { facets.insert("\(host): client certificates \(auth.mode)") }
        }
        facets.insert("path \(route.path.kind) \(route.path.value)" + (route.path.caseSensitive ? "" : " in any case"))
        facets.insert(route.methods.isEmpty ? "any method" : "methods \(route.methods.sorted().joined(separator: " "))")
        for header in route.headers { facets.insert("header \(header.key) \(header.kind) \(header.value)") }
        for parameter in route.queryParameters {
            facets.insert("query \(parameter.key) \(parameter.kind) \(parameter.value)")
        }
        for destination in route.destinations {
            facets.insert("service \(destination.cluster) with weight \(destination.weight)")
            facets.formUnion(endpoints(of: destination.cluster, compiled))
        }
        // Everything else of the route, without naming it: the fields of the change do.
        var rest = route
        (rest.virtualHosts, rest.methods, rest.headers, rest.queryParameters, rest.destinations) = ([], [], [], [], [])
        rest.path = PathPredicate(kind: .exact, value: "/")
        facets.insert("settings \(ConfigObject.route(rest).hash.hex.prefix(8))")
        return facets
    }

    private static func endpoints(of name: String, _ compiled: CompiledConfiguration) -> [String] {
        guard case .cluster(var cluster)? = compiled.snapshot[ObjectKey(.cluster, name)]?.object else { return [] }
        let endpoints = cluster.endpoints.map { endpoint in
            "endpoint \(endpoint.host):\(endpoint.port)"
                + (endpoint.weight > 1 ? " with weight \(endpoint.weight)" : "")
                + (endpoint.drains ? ", draining" : "")
        }
        cluster.endpoints = []
        return endpoints + ["\(name): settings \(ConfigObject.cluster(cluster).hash.hex.prefix(8))"]
    }
}
