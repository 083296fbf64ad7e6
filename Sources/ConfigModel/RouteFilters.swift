// What a route does with a request before, or instead of, sending it to an endpoint, and with the response on its way back.
// The worker runs filters in the order of the fields here.

package import Seal

/// The filters of one route. All absent: the request goes straight on.
package struct RouteFilters: Hashable, Sendable {
    package var access: AddressAccess?
    package var cors: CORSPolicy?
    package var redirect: Redirect?
    /// Whether requests in clear text are answered by 308 to the same URL under `https`.
    package var httpsOnly = false
    package var authentication: RouteAuthentication?
    package var rateLimit: RateLimit?
    package var concurrencyLimit: ConcurrencyLimit?
    package var directResponse: DirectResponse?
    package var requestHeaders: HeaderEdits?
    package var responseHeaders: HeaderEdits?
    package var mirror: Mirror?
    /// Before any policy of balancing.
    package var affinity: CookieAffinity?
    package var webSocketLimits: WebSocketLimits?

    package init() {}

    package var isEmpty: Bool { self == RouteFilters() }
}

/// Client addresses that may come, as `10.0.0.0/8` or `2001:db8::1`.
package struct AddressAccess: Hashable, Sendable {
    /// Empty: all but those that are denied.
    package var allow: [String]
    /// Wins over `allow`.
    package var deny: [String]

    package init(allow: [String] = [], deny: [String] = []) {
        self.allow = allow
        self.deny = deny
    }
}

/// A cookie of ours by which the requests of a client reach the same endpoint.
package struct CookieAffinity: Hashable, Sendable {
    package var name: String
    package var path: String
    /// Seconds that the client keeps it; `nil`: as long as it runs.
    package var maxAge: UInt32?
    /// The same, told as a point in time.
    package var expires: UInt32?
    /// Whether the cookie names the endpoint itself. Else it names the session, and sessions are spread anew, as few as can be, when
    /// endpoints come and go.
    package var isPersistent: Bool
    /// Whether sessions stay with one of several destinations, as long as this has a weight.
    package var coversDestinations: Bool

    package init(
        name: String, path: String = "/", maxAge: UInt32? = nil, expires: UInt32? = nil, isPersistent: Bool = false,
        coversDestinations: Bool = true
    ) {
        self.name = name
        self.path = path
        self.maxAge = maxAge
        self.expires = expires
        self.isPersistent = isPersistent
        self.coversDestinations = coversDestinations
    }
}

/// Cross-origin requests of browsers (Fetch standard, "CORS protocol").
package struct CORSPolicy: Hashable, Sendable {
    /// `*`, origins as browsers send them, or with a star for the first label (`https://*.example.com`).
    package var origins: [String]
    /// Empty: the method that was asked for.
    package var methods: [String]
    /// Empty: the headers that were asked for.
    package var headers: [String]
    package var exposed: [String]
    /// Seconds that a browser may keep a preflight's answer; nil: its own default.
    package var maxAge: UInt32?
    package var credentials: Bool

    package init(
        origins: [String], methods: [String] = [], headers: [String] = [], exposed: [String] = [],
        maxAge: UInt32? = nil, credentials: Bool = false
    ) {
        self.origins = origins
        self.methods = methods
        self.headers = headers
        self.exposed = exposed
        self.maxAge = maxAge
        self.credentials = credentials
    }
}

/// Another URL for the client.
package struct Redirect: Hashable, Sendable {
    /// 301, 302, 303, 307 or 308.
    package var status: UInt16
    /// `https://host/path`, or a path on the same host.
    package var location: String
    /// Only for requests to `/` (app-root).
    package var rootOnly: Bool

    package init(status: UInt16, location: String, rootOnly: Bool = false) {
        self.status = status
        self.location = location
        self.rootOnly = rootOnly
    }
}

/// Who may use the route: somebody known by a credential (`Consumer`).
package struct RouteAuthentication: Hashable, Sendable {
    /// Kinds of credentials that count.
    package var kinds: [CredentialKind]
    /// Names of consumers; empty: any.
    package var consumers: [String]

    package init(kinds: [CredentialKind], consumers: [String] = []) {
        self.kinds = kinds
        self.consumers = consumers
    }
}

package enum CredentialKind: UInt8, Hashable, Sendable, CaseIterable {
    case key = 1
    case basic = 2
    case token = 3
}

/// A token bucket of the worker's (over all its loops).
package struct RateLimit: Hashable, Sendable {
    /// Requests in `period` milliseconds.
    package var requests: UInt32
    package var period: UInt32
    /// Requests that may come at once after a pause.
    package var burst: UInt32
    /// Whether each client address has a bucket of its own.
    package var perAddress: Bool

    package init(requests: UInt32, period: UInt32 = 1_000, burst: UInt32, perAddress: Bool = false) {
        self.requests = requests
        self.period = period
        self.burst = burst
        self.perAddress = perAddress
    }
}

/// A bound on the exchanges of a route that run at once in the worker (over all its loops); a stream counts until its end.
package struct ConcurrencyLimit: Hashable, Sendable {
    /// 1 to 10,000,000.
    package var max: UInt32
    /// Whether it is of each client address.
    package var perAddress: Bool

    package init(max: UInt32, perAddress: Bool = false) {
        self.max = max
        self.perAddress = perAddress
    }
}

/// Bounds on what the frames of a WebSocket declare, in either direction; bytes as they pass, compressed ones of compressed messages.
package struct WebSocketLimits: Hashable, Sendable {
    /// 0: none.
    package var maxFrameSize: UInt32
    /// Of all fragments of a message together; 0: none.
    package var maxMessageSize: UInt32

    package init(maxFrameSize: UInt32 = 0, maxMessageSize: UInt32 = 0) {
        self.maxFrameSize = maxFrameSize
        self.maxMessageSize = maxMessageSize
    }
}

/// An answer that needs no upstream.
package struct DirectResponse: Hashable, Sendable {
    package var status: UInt16
    package var body: String
    package var contentType: String

    package init(status: UInt16, body: String = "", contentType: String = "text/plain; charset=utf-8") {
        self.status = status
        self.body = body
        self.contentType = contentType
    }
}

/// Changes to header fields: first removed, then set, then added.
package struct HeaderEdits: Hashable, Sendable {
    /// Lower case.
    package var remove: [String]
    /// In place of all fields of that name.
    package var set: [HeaderValue]
    package var add: [HeaderValue]

    package init(remove: [String] = [], set: [HeaderValue] = [], add: [HeaderValue] = []) {
        self.remove = remove
        self.set = set
        self.add = add
    }
}

package struct HeaderValue: Hashable, Sendable {
    /// Lower case.
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Copies of requests for another cluster, whose answers nobody sees.
package struct Mirror: Hashable, Sendable {
    package var cluster: String
    /// Of 10,000 requests so many are copied.
    package var share: UInt32

    package init(cluster: String, share: UInt32 = 10_000) {
        self.cluster = cluster
        self.share = share
    }
}

/// Somebody who uses routes that ask for credentials.
package struct Consumer: Hashable, Sendable {
    package var name: String
    package var credentials: [Credential]
    package var tokens: [TokenCredential]

    package init(name: String, credentials: [Credential], tokens: [TokenCredential] = []) {
        self.name = name
        self.credentials = credentials
        self.tokens = tokens
    }
}

/// What a consumer shows. The worker never sees the secret itself.
package struct Credential: Hashable, Sendable {
    package var source: CredentialSource
    /// Header in lower case, or query parameter; empty for the other sources.
    package var key: String
    /// SHA-256 over the value as it stands in the request; for basic authentication over `user:password`.
    package var hash: Hash256

    package init(source: CredentialSource, key: String = "", hash: Hash256) {
        self.source = source
        self.key = key
        self.hash = hash
    }
}

/// Where a credential stands in a request.
package enum CredentialSource: UInt8, Hashable, Sendable, CaseIterable {
    /// `authorization: Bearer …`
    case bearer = 1
    case header = 2
    case query = 3
    /// `authorization: Basic …`
    case basic = 4

    package var kind: CredentialKind { self == .basic ? .basic : .key }
}
