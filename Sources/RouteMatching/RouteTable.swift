// Virtual hosts and routes, compiled for matching. The worker and the route tester ask the same table with the same call.
//
// Order (that of Higress): exact host, then its wildcards from longest to shortest, then the default virtual host; the
// next one is tried where no route of the former takes the request. Within a host: exact path, prefix, regular
// expression; the longer pattern; a method list before none, the shorter list first; more header conditions; more query
// conditions; the older route. Prefix `/` without any condition comes after everything else of its host.

package import ConfigModel

/// An immutable table of routes.
///
/// Unchecked: the memory behind `tables` is written in `init` only, and RE2 patterns may be shared between threads.
package final class RouteTable: @unchecked Sendable {
    /// Every route that was given, also those that `problems` says are left out.
    package let routes: [Route]
    /// Those given, and one named `*` at the end if routes ask for the default virtual host and none was given.
    package let virtualHosts: [VirtualHost]
    /// Routes that are left out, and why: a regular expression that RE2 refuses, a rewrite that asks for a missing group.
    package let problems: [ObjectProblem]
    let tables: FlatTables
    private let patterns: [RegularExpression]
    private let memory: [UnsafeMutableRawPointer]

    package convenience init(_ snapshot: Snapshot) {
        var virtualHosts: [VirtualHost] = []
        var routes: [Route] = []
        for object in snapshot.objects {
            switch object.object {
            case .virtualHost(let value): virtualHosts.append(value)
            case .route(let value): routes.append(value)
            case .listener, .tlsIdentity, .cluster, .consumer: break
            }
        }
        self.init(virtualHosts: virtualHosts, routes: routes)
    }

    package init(virtualHosts: [VirtualHost], routes: [Route]) {
        var builder = RouteTableBuilder(virtualHosts: virtualHosts, routes: routes)
        builder.build()
        self.routes = routes
        self.virtualHosts = builder.virtualHosts
        problems = builder.problems
        patterns = builder.patterns
        (tables, memory) = builder.flatten()
    }

    deinit {
        for block in memory { block.deallocate() }
    }

    /// The virtual host that an authority belongs to: its TLS identity and HTTPS mode are the ones that hold.
    package func virtualHost(for authority: UnsafeRawBufferPointer) -> Int? {
        let found = tables.firstHost(authority) { $0 }
        return found.map(Int.init)
    }

    /// The route that the request takes.
    package func match(_ head: borrowing RequestHead) -> RouteMatch? {
        let tables = tables
        var slot = tables.hostSlot(FlatTables.hostName(head.authority))
        while slot >= 0 {
            let host = tables.hosts[Int(slot)].virtualHost
            let candidate = tables.candidate(host, head)
            if candidate >= 0 {
                return RouteMatch(route: Int(tables.candidates[Int(candidate)].route), virtualHost: Int(host))
            }
            slot = tables.hosts[Int(slot)].parent
        }
        guard tables.defaultHost >= 0 else { return nil }
        let candidate = tables.candidate(tables.defaultHost, head)
        guard candidate >= 0 else { return nil }
        return RouteMatch(
            route: Int(tables.candidates[Int(candidate)].route), virtualHost: Int(tables.defaultHost))
    }

    /// Every route of the hosts that were tried, in the order of rank, and what became of it.
    package func trace(_ head: borrowing RequestHead) -> [RouteCandidate] {
        var result: [RouteCandidate] = []
        var matched = false
        var host = tables.hostSlot(FlatTables.hostName(head.authority))
        while !matched, host >= 0 {
            matched = weigh(tables.hosts[Int(host)].virtualHost, head, &result)
            host = tables.hosts[Int(host)].parent
        }
        if !matched, tables.defaultHost >= 0 { _ = weigh(tables.defaultHost, head, &result) }
        return result
    }

    private func weigh(_ host: Int32, _ head: borrowing RequestHead, _ result: inout [RouteCandidate]) -> Bool {
        let winner = tables.candidate(host, head)
        let all = tables.paths[Int(host)].all
        for candidate in Int(all.first)..<Int(all.first + all.count) {
            let record = tables.candidates + candidate
            let outcome: RouteCandidate.Outcome =
                switch tables.check(record, head) {
                case .matched: candidate == Int(winner) ? .matched : .outranked
                case .path: .path
                case .method: .method
                case .header(let condition): .header(tables.string(tables.conditions[condition].key))
                case .query(let condition): .queryParameter(tables.string(tables.conditions[condition].key))
                }
            result.append(
                RouteCandidate(route: Int(record.pointee.route), virtualHost: Int(host), outcome: outcome))
        }
        return winner >= 0
    }
}

extension FlatTables {
    func string(_ text: Text) -> String {
        String(decoding: UnsafeRawBufferPointer(start: pointer(text), count: Int(text.count)), as: UTF8.self)
    }
}
