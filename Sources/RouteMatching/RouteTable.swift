// Virtual hosts and routes, compiled for matching. The worker and the route tester ask the same table with the same call.
//
// Order (that of Higress): exact host, then its wildcards from longest to shortest, then the default virtual host; the
// next one is tried where no route of the former takes the request. Within a host: exact path, prefix, regular
// expression; the longer pattern; a method list before none, the shorter list first; more header conditions; more query
// conditions; the older route. Prefix `/` without any condition comes after everything else of its host.
//
// A table is immutable, and an update makes another one that shares with it all that it does not touch: one changed route
// costs the same among ten as among a hundred thousand, on hosts of their own as on one host.

package import ConfigModel
import HashTreeCollections

/// An immutable table of routes.
///
/// Routes and virtual hosts have slots: small numbers that stay the same over changes of their objects, and are given to others
/// after they have left the table.
package final class RouteTable: Sendable {
    /// Routes that are left out, and why: a regular expression that RE2 refuses, a rewrite that asks for a missing group.
    package var problems: [ObjectProblem] { state.problems.values.sorted { $0.key < $1.key } }
    let state: State

    /// Unchecked: what the pointers lead to is owned by the other fields, and written before they were made.
    struct State: @unchecked Sendable {
        var routes: TreeDictionary<String, CompiledRoute> = [:]
        /// By name of the virtual host; also of names that routes give and no virtual host has.
        var hosts: TreeDictionary<String, HostRoutes> = [:]
        var routeSlots = SlotVector<CompiledRoute>()
        var hostSlots = SlotVector<HostRoutes>()
        var routeNumbers = SlotNumbers()
        var hostNumbers = SlotNumbers()
        var problems: TreeDictionary<String, ObjectProblem> = [:]
        /// The hosts' names.
        var names: TrieNode?
        /// How many wildcards have so many dots.
        var wildcards = ContiguousArray(repeating: 0, count: 64)
        /// Name of the virtual host with the host `*`; empty: there is none, and routes that ask for it make one.
        var defaultName = ""
        fileprivate(set) var tables = HostTables(hosts: nil, wildcardDepths: 0, defaultHost: nil)
    }

    init(_ state: State) {
        var state = state
        var depths: UInt64 = 0
        for (depth, count) in state.wildcards.enumerated() where count > 0 { depths |= 1 &<< UInt64(depth) }
        state.tables = HostTables(
            hosts: state.names?.record, wildcardDepths: depths, defaultHost: state.hosts[state.defaultName]?.record)
        self.state = state
    }

    /// Of nothing.
    package convenience init() { self.init(State()) }

    package convenience init(_ snapshot: Snapshot) {
        self.init(objects: snapshot.objects)
    }

    package convenience init(virtualHosts: [VirtualHost], routes: [Route]) {
        self.init(
            objects: virtualHosts.map { SnapshotObject(.virtualHost($0)) } + routes.map { SnapshotObject(.route($0)) })
    }

    private convenience init(objects: some Sequence<SnapshotObject>) {
        var editor = RouteTableEditor(State())
        editor.apply(removing: [], putting: objects)
        self.init(editor.state)
    }

    // MARK: - What is in it

    /// The route of a slot that an answer of this table has named.
    package func route(at slot: Int) -> Route? { state.routeSlots[slot]?.route }

    package func slot(ofRoute name: String) -> Int? { state.routes[name]?.slot }

    package func compiledRoute(at slot: Int) -> CompiledRoute? { state.routeSlots[slot] }

    package func virtualHost(at slot: Int) -> VirtualHost? { state.hostSlots[slot]?.virtualHost }

    /// Slots of routes are below it.
    package var routeCapacity: Int { state.routeSlots.capacity }

    /// Slot of the virtual host with the host `*`; nil: there is none.
    package var defaultVirtualHost: Int? { state.hosts[state.defaultName]?.slot }

    /// Calls `body` with every virtual host and its slot.
    package func forEachVirtualHost(_ body: (Int, VirtualHost) throws -> Void) rethrows {
        try state.hostSlots.forEach { slot, host in
            if let virtualHost = host.virtualHost { try body(slot, virtualHost) }
        }
    }

    /// Calls `body` with every route and its slot.
    package func forEachRoute(_ body: (Int, Route) throws -> Void) rethrows {
        try state.routeSlots.forEach { try body($0, $1.route) }
    }

    // MARK: - Look-ups

    /// The virtual host that an authority belongs to: its TLS identity and HTTPS mode are the ones that hold.
    package func virtualHost(for authority: UnsafeRawBufferPointer) -> Int? {
        state.tables.first(authority) { $0.pointee.slot }
    }

    /// Whether clear requests for the authority are sent to HTTPS.
    package func forcesHTTPS(_ authority: UnsafeRawBufferPointer) -> Bool {
        state.tables.first(authority) { $0.pointee.forcesHTTPS } ?? false
    }

    /// The route that the request takes.
    package func match(_ head: borrowing RequestHead) -> RouteMatch? {
        // Copied: a closure may not capture what is borrowed.
        let head = copy head
        return state.tables.first(head.authority) { host in
            host.pointee.match(head).map { RouteMatch(route: $0.pointee.slot, virtualHost: host.pointee.slot) }
        }
    }

    /// Every route of the hosts that were tried, in the order of rank, and what became of it.
    package func trace(_ head: borrowing RequestHead) -> [RouteCandidate] {
        let head = copy head
        var result: [RouteCandidate] = []
        _ = state.tables.first(head.authority) { host -> Bool? in
            let winner = host.pointee.match(head)
            for route in state.hostSlots[host.pointee.slot]?.sorted ?? [] {
                let outcome: RouteCandidate.Outcome =
                    switch route.record.check(head) {
                    case .matched: route.record == winner ? .matched : .outranked
                    case .path: .path
                    case .method: .method
                    case .header(let condition): .header(condition.pointee.key.string)
                    case .query(let condition): .queryParameter(condition.pointee.key.string)
                    }
                result.append(
                    RouteCandidate(route: route.slot, virtualHost: host.pointee.slot, outcome: outcome))
            }
            return winner == nil ? nil : true
        }
        return result
    }
}
