// How exchanges are spread over the endpoints of a cluster. A cluster has a default; a route may have its own.

package struct LoadBalancing: Hashable, Sendable {
    package var policy: BalancingPolicy
    /// What a consistent hash is made of; `nil` with every other policy.
    package var hashOn: HashSource?

    package init(_ policy: BalancingPolicy = .roundRobin, hashOn: HashSource? = nil) {
        self.policy = policy
        self.hashOn = hashOn
    }
}

package enum BalancingPolicy: UInt8, Hashable, Sendable, CaseIterable {
    /// In turn, by weight.
    case roundRobin = 1
    /// The less busy of two endpoints chosen at random, in proportion to their weights.
    case leastRequest = 2
    case random = 3
    /// Equal keys reach the same endpoint while it is there.
    case consistentHash = 4
}

/// The part of a request that a consistent hash is made of. A request without it is balanced by turn.
package struct HashSource: Hashable, Sendable {
    package var kind: HashSourceKind
    /// Of the header (lower case), cookie or query parameter; empty for the others.
    package var name: String

    package init(_ kind: HashSourceKind, name: String = "") {
        self.kind = kind
        self.name = name
    }
}

package enum HashSourceKind: UInt8, Hashable, Sendable, CaseIterable {
    case header = 1
    case cookie = 2
    case queryParameter = 3
    /// The address of the client's connection, without its port.
    case clientAddress = 4
    /// The authority that the client named.
    case host = 5
    /// The path with its query, as routes see it.
    case path = 6

    /// Whether a name says which one.
    package var isNamed: Bool { self == .header || self == .cookie || self == .queryParameter }
}
