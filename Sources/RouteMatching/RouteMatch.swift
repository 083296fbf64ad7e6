// The two answers of a `RouteTable`: the route that a request takes, and the story of why (for the route tester).

/// The route that a request takes. Both numbers are slots of the table that gave the answer.
package struct RouteMatch: Hashable, Sendable {
    /// Slot of the route: `RouteTable.route(at:)`.
    package var route: Int
    /// Slot of the virtual host through which the route was found. It is less specific than `virtualHost(for:)` where an
    /// exact host had no route for the request and its wildcard had.
    package var virtualHost: Int

    @inlinable
    package init(route: Int, virtualHost: Int) {
        self.route = route
        self.virtualHost = virtualHost
    }
}

/// One route that was weighed for a request, and what became of it.
package struct RouteCandidate: Hashable, Sendable {
    /// Slots, as in `RouteMatch`.
    package var route: Int
    package var virtualHost: Int
    package var outcome: Outcome

    package enum Outcome: Hashable, Sendable {
        case matched
        /// All its conditions hold, but a route of higher rank was taken.
        case outranked
        case path
        case method
        /// The first header condition (by key) that does not hold.
        case header(String)
        /// The first query condition (by key) that does not hold.
        case queryParameter(String)
    }

    package init(route: Int, virtualHost: Int, outcome: Outcome) {
        self.route = route
        self.virtualHost = virtualHost
        self.outcome = outcome
    }
}
