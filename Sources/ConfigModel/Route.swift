// What a request must look like to take a route, and what happens to it then. The control plane compiles console routes
// into these; `RouteMatching` turns them into a `RouteTable`; the worker's exchange acts on them.

/// One route: conditions on the request, destinations, and the timeouts and policies of the exchanges that take it.
///
/// A route names its virtual hosts, not the reverse: adding one route to a host of 10,000 changes one object.
package struct Route: Hashable, Sendable {
    package var name: String
    /// Names of virtual hosts this route belongs to. Empty: the default virtual host (any authority).
    package var virtualHosts: [String]
    /// Creation order: of two routes that rank equal, the lower one (the older) wins. Unique in a snapshot.
    package var order: UInt64
    package var path: PathPredicate
    /// Methods in upper case; empty: any method.
    package var methods: [String]
    /// All must hold. A key that starts with `:` names a pseudo-header (`:authority`, `:path`, `:method`, `:scheme`).
    package var headers: [KeyedPredicate]
    /// All must hold. The first occurrence of the parameter counts; compared after percent-decoding.
    package var queryParameters: [KeyedPredicate]
    package var destinations: [Destination]
    /// Whether clients of this route speak gRPC: decides timeouts' defaults and refuses WebSocket handshakes.
    package var kind: RouteKind
    package var timeouts: RouteTimeouts
    package var streamPolicy: StreamPolicy
    /// Where non-nil, the path or the authority that the upstream sees.
    package var rewrite: Rewrite?
    @FiltersApart package var filters: RouteFilters
    /// Where non-nil, in place of that of the clusters.
    package var balancing: LoadBalancing?
    /// `nil`: only what provably was not processed is tried again.
    package var retries: RetryPolicy?
    /// The cluster that takes exchanges for which their own has no endpoint.
    package var fallback: String?
    /// Answers in place of which the client gets one of `fallback`, asked for `/`; in ascending order.
    package var errorStatuses: [StatusRange]

    package init(
        name: String, virtualHosts: [String] = [], order: UInt64, path: PathPredicate, methods: [String] = [],
        headers: [KeyedPredicate] = [], queryParameters: [KeyedPredicate] = [], destinations: [Destination],
        kind: RouteKind = .http, timeouts: RouteTimeouts = RouteTimeouts(), streamPolicy: StreamPolicy = .keep,
        rewrite: Rewrite? = nil, filters: RouteFilters = RouteFilters(), balancing: LoadBalancing? = nil,
        retries: RetryPolicy? = nil, fallback: String? = nil, errorStatuses: [StatusRange] = []
    ) {
        self.name = name
        self.virtualHosts = virtualHosts
        self.order = order
        self.path = path
        self.methods = methods
        self.headers = headers
        self.queryParameters = queryParameters
        self.destinations = destinations
        self.kind = kind
        self.timeouts = timeouts
        self.streamPolicy = streamPolicy
        self.rewrite = rewrite
        self.filters = filters
        self.balancing = balancing
        self.retries = retries
        self.fallback = fallback
        self.errorStatuses = errorStatuses
    }
}

/// Filters in a place of their own: they would be half of every route, and most have none.
@propertyWrapper
package struct FiltersApart: Hashable, Sendable, CustomReflectable {
    private indirect enum Place: Hashable {
        case apart(RouteFilters)
    }

    private var place: Place?

    package init(wrappedValue: RouteFilters) { self.wrappedValue = wrappedValue }

    package var wrappedValue: RouteFilters {
        get { if case .apart(let filters)? = place { filters } else { RouteFilters() } }
        set { place = newValue.isEmpty ? nil : .apart(newValue) }
    }

    /// What shows a route to people shows the filters.
    package var customMirror: Swift.Mirror { Swift.Mirror(reflecting: wrappedValue) }
}

/// How a pattern is compared with its subject.
package enum MatchKind: UInt8, Hashable, Sendable, CaseIterable {
    /// The whole subject, byte for byte (`EQUAL`).
    case exact = 1
    /// For paths: whole segments (`/bar` matches `/bar` and `/bar/x`, not `/bard`); otherwise a plain prefix (`PRE`).
    case prefix = 2
    /// An RE2 pattern. For paths it is anchored at the start only, unless it ends in `$` (`REGULAR`).
    case regex = 3
}

/// The condition on the path (without the query).
package struct PathPredicate: Hashable, Sendable {
    package var kind: MatchKind
    package var value: String
    /// ASCII case folding applies when false.
    package var caseSensitive: Bool

    package init(kind: MatchKind, value: String, caseSensitive: Bool = true) {
        self.kind = kind
        self.value = value
        self.caseSensitive = caseSensitive
    }
}

/// A condition on one header or query parameter.
package struct KeyedPredicate: Hashable, Sendable {
    /// Header names in lower case; query parameter names as they are.
    package var key: String
    package var kind: MatchKind
    package var value: String

    package init(key: String, kind: MatchKind, value: String) {
        self.key = key
        self.kind = kind
        self.value = value
    }
}

/// A share of a route's exchanges, for one cluster.
package struct Destination: Hashable, Sendable {
    package var cluster: String
    /// Relative to the sum over the route's destinations; 0 to 1,000,000. 0: never chosen unless all are 0.
    package var weight: UInt32

    package init(cluster: String, weight: UInt32 = 100) {
        self.cluster = cluster
        self.weight = weight
    }
}

package enum RouteKind: UInt8, Hashable, Sendable, CaseIterable {
    case http = 1
    case grpc = 2
}

/// Timeouts of an exchange in milliseconds. `nil`: the default of the route's kind; 0: off.
package struct RouteTimeouts: Hashable, Sendable {
    /// From the request's end to the response head. Default: off for gRPC and WebSocket, 60,000 for HTTP.
    package var responseHeaders: UInt32?
    /// Without a byte in either direction. Default: off for gRPC and WebSocket, 300,000 for HTTP.
    package var streamIdle: UInt32?
    /// From the request's head to the response's end, all tries included. Ends at an upgrade. Default: off.
    package var total: UInt32?
    /// How long an exchange waits for a connection to an endpoint. Default, and at most: the cluster's `connectTimeout`.
    package var connect: UInt32?
    /// How long an endpoint may take nothing of a request of which something waits. Default: off.
    package var send: UInt32?

    package init(
        responseHeaders: UInt32? = nil, streamIdle: UInt32? = nil, total: UInt32? = nil, connect: UInt32? = nil,
        send: UInt32? = nil
    ) {
        self.responseHeaders = responseHeaders
        self.streamIdle = streamIdle
        self.total = total
        self.connect = connect
        self.send = send
    }
}

/// What a changed or removed route does with its streams that are still running.
package enum StreamPolicy: Hashable, Sendable {
    case keep
    /// Ends them after this many milliseconds.
    case drain(UInt32)
    case close
}

extension Route {
    /// What becomes of the streams that run on this route when its place is taken by `next`; `nil`: it goes. A route as it is now says
    /// so, one that has gone as it was. To set a policy is no change that streams would notice.
    package func streamsWhenChanged(to next: Route?) -> StreamPolicy {
        guard let next else { return streamPolicy }
        var same = self
        same.streamPolicy = next.streamPolicy
        return same == next ? .keep : next.streamPolicy
    }
}

/// What the upstream sees instead of the client's path or authority.
package struct Rewrite: Hashable, Sendable {
    /// Exact and prefix routes: replaces what matched. Regex routes: a substitution with groups as `$1`.
    package var path: String?
    package var authority: String?

    package init(path: String? = nil, authority: String? = nil) {
        self.path = path
        self.authority = authority
    }
}
