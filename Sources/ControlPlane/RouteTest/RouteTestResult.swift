// What the route tester tells.

import ConfigModel
import RouteMatching

/// The way of a request through the stored configuration.
struct RouteTestResult: Encodable {
    enum Outcome: String, Encodable {
        /// `route` says which.
        case route
        case noRoute = "no-route"
        case redirectToHTTPS = "redirect-to-https"
        /// The path is refused before any route is looked at.
        case badPath = "bad-path"
        /// The connection was opened for another host (421).
        case misdirected
    }

    /// The version that was asked.
    var version: String
    var outcome = Outcome.noRoute
    /// One sentence.
    var explanation = ""
    var authority: String
    /// As routes and the upstream see it.
    var path: String?
    var query: String?
    /// The domain through which the route was found, or whose settings hold.
    var domain: String?
    /// The certificate that the handshake shows.
    var certificate: String?
    var route: String?
    var grpc: Bool?
    var upstreamPath: String?
    var upstreamAuthority: String?
    /// The route's filters that may answer before an endpoint is asked, in their order.
    var filters: [String] = []
    var destinations: [Destination] = []
    /// Every route of the domains that were tried, by rank, and what became of it.
    var candidates: [Candidate] = []
    /// How many candidates are left out.
    var moreCandidates = 0

    static let mostCandidates = 500

    struct Destination: Encodable {
        var cluster: String
        var share: Double
        var `protocol`: String
        var tls: Bool
        var endpoints: [Endpoint]

        struct Endpoint: Encodable {
            var address: String
            var weight: UInt32
            /// Gets nothing new.
            var drains: Bool
        }

        init(_ cluster: Cluster, share: Double) {
            self.cluster = cluster.name
            self.share = share
            `protocol` = cluster.protocol == .http2 ? "HTTP/2" : "HTTP/1.1"
            tls = cluster.tls != nil
            endpoints = cluster.endpoints.map {
                let host = $0.host.contains(":") && $0.port != 0 ? "[\($0.host)]" : $0.host
                return Endpoint(
                    address: $0.port == 0 ? host : "\(host):\($0.port)", weight: max($0.weight, 1), drains: $0.drains)
            }
        }
    }

    struct Candidate: Encodable {
        enum Outcome: String, Encodable {
            case matched, outranked, path, method, header, query
        }

        var route: String
        var domain: String
        var outcome: Outcome
        var reason: String

        init(route: String, domain: String, _ outcome: RouteCandidate.Outcome) {
            self.route = route
            self.domain = domain
            switch outcome {
            case .matched: (self.outcome, reason) = (.matched, "takes the request")
            case .outranked: (self.outcome, reason) = (.outranked, "would take it, but one of higher rank does")
            case .path: (self.outcome, reason) = (.path, "the path is another one")
            case .method: (self.outcome, reason) = (.method, "is for other methods")
            case .header(let name): (self.outcome, reason) = (.header, "the header \(name) does not fit")
            case .queryParameter(let name):
                (self.outcome, reason) = (.query, "the query parameter \(name) does not fit")
            }
        }
    }

    /// Those that come closest stay: a domain may have 10,000 routes.
    mutating func limitCandidates() {
        guard candidates.count > Self.mostCandidates else { return }
        let all = candidates.count
        let near = candidates.filter { $0.outcome != .path }.prefix(Self.mostCandidates)
        let rest = candidates.lazy.filter { $0.outcome == .path }.prefix(Self.mostCandidates - near.count)
        candidates = Array(near) + rest
        moreCandidates = all - candidates.count
    }
}
