// From one table to the next: what a change touches is compiled anew, everything else is shared.

package import ConfigModel
import HashTreeCollections

extension RouteTable {
    /// A table with what has become of the one before.
    package struct Update: Sendable {
        package let table: RouteTable
        /// Slots of routes that are new, changed or gone.
        package let routes: [Int]
        /// Slots of virtual hosts that are new, changed or gone themselves.
        package let virtualHosts: [Int]
    }

    /// The table after a change of snapshot.
    package func updated(_ diff: SnapshotDiff) -> Update {
        updated(removing: diff.removed, putting: diff.added + diff.changed.map(\.new))
    }

    /// Objects of other kinds may be among those given. An object that is put takes the place of the one with its key.
    package func updated(removing removed: [SnapshotObject], putting put: [SnapshotObject]) -> Update {
        var editor = RouteTableEditor(state)
        editor.apply(removing: removed, putting: put)
        return Update(
            table: RouteTable(editor.state), routes: Array(editor.changedRoutes),
            virtualHosts: Array(editor.changedHosts))
    }
}

/// A table that is being changed.
struct RouteTableEditor {
    private(set) var state: RouteTable.State
    private(set) var changedRoutes: Set<Int> = []
    private(set) var changedHosts: Set<Int> = []
    /// By name of the virtual host.
    private var edits: [String: HostEdit] = [:]

    private struct HostEdit {
        var removed: [CompiledRoute] = []
        var added: [CompiledRoute] = []
        /// nil: as before.
        var virtualHost: VirtualHost??
    }

    init(_ state: RouteTable.State) { self.state = state }

    mutating func apply(removing removed: [SnapshotObject], putting put: some Sequence<SnapshotObject>) {
        var slots: [String: Int] = [:]
        for object in removed {
            switch object.object {
            case .route(let route):
                if let slot = takeOut(route.name) { state.routeNumbers.giveBack(slot) }
            case .virtualHost(let host): edits[host.name, default: HostEdit()].virtualHost = .some(nil)
            case .listener, .tlsIdentity, .cluster, .consumer: break
            }
        }
        for object in put {
            switch object.object {
            case .route(let route): slots[route.name] = takeOut(route.name)
            case .virtualHost(let host): edits[host.name, default: HostEdit()].virtualHost = .some(host)
            case .listener, .tlsIdentity, .cluster, .consumer: break
            }
        }
        settleDefault()
        for object in put {
            guard case .route(let route) = object.object else { continue }
            add(object, route, slots[route.name] ?? state.routeNumbers.take())
        }
        applyEdits()
    }

    // MARK: - Routes

    /// Returns the slot that the route had.
    private mutating func takeOut(_ name: String) -> Int? {
        state.problems[name] = nil
        guard let route = state.routes.removeValue(forKey: name) else { return nil }
        for host in hosts(of: route.route) { edits[host, default: HostEdit()].removed.append(route) }
        state.routeSlots[route.slot] = nil
        changedRoutes.insert(route.slot)
        return route.slot
    }

    private mutating func add(_ object: SnapshotObject, _ route: Route, _ slot: Int) {
        do {
            guard let compiled = try CompiledRoute(object, slot: slot) else { return }
            state.routes[route.name] = compiled
            state.routeSlots[slot] = compiled
            changedRoutes.insert(slot)
            for host in hosts(of: route) { edits[host, default: HostEdit()].added.append(compiled) }
        } catch {
            state.routeNumbers.giveBack(slot)
            state.problems[route.name] = ObjectProblem(
                key: ObjectKey(.route, route.name), field: error.field, reason: error.reason)
        }
    }

    private func hosts(of route: Route) -> Set<String> {
        route.virtualHosts.isEmpty ? [state.defaultName] : Set(route.virtualHosts)
    }

    /// Which virtual host has `*` after the change; routes that name none move to it.
    private mutating func settleDefault() {
        func isDefault(_ name: String) -> Bool {
            (edits[name]?.virtualHost ?? state.hosts[name]?.virtualHost)?.hosts.contains("*") ?? false
        }
        let before = state.defaultName
        if !before.isEmpty, isDefault(before) { return }
        let after = edits.keys.filter { !$0.isEmpty && isDefault($0) }.min() ?? ""
        guard after != before else { return }
        state.defaultName = after
        for (_, route) in state.routes where route.route.virtualHosts.isEmpty {
            edits[before, default: HostEdit()].removed.append(route)
            edits[after, default: HostEdit()].added.append(route)
        }
    }

    // MARK: - Virtual hosts

    private mutating func applyEdits() {
        var leaves: ContiguousArray<TrieLeaf> = []
        for (name, edit) in edits {
            let old = state.hosts[name]
            // Of no name is the one that routes make which ask for a default where none is given.
            let virtualHost = name.isEmpty ? nil : edit.virtualHost ?? old?.virtualHost
            for host in old?.virtualHost?.hosts ?? [] { removeName(host) }
            let isLast = virtualHost == nil && (old?.count ?? 0) - edit.removed.count + edit.added.count == 0
            if isLast {
                guard let old else { continue }
                state.hosts[name] = nil
                state.hostSlots[old.slot] = nil
                state.hostNumbers.giveBack(old.slot)
                changedHosts.insert(old.slot)
                continue
            }
            let host = name.isEmpty ? Self.impliedHost : virtualHost
            let new =
                old?.edited(host, removing: edit.removed, adding: edit.added)
                ?? .made(host, slot: state.hostNumbers.take(), edit.added)
            state.hosts[name] = new
            state.hostSlots[new.slot] = new
            if edit.virtualHost != nil { changedHosts.insert(new.slot) }
            for host in virtualHost?.hosts ?? [] {
                if let leaf = Self.leaf(host, new) { leaves.append(leaf) }
            }
        }
        edits = [:]
        addNames(leaves)
    }

    private static let impliedHost = VirtualHost(name: "*", hosts: ["*"])

    /// Of two virtual hosts that claim a host one has it; validation refuses such snapshots.
    private mutating func addNames(_ leaves: ContiguousArray<TrieLeaf>) {
        if state.names == nil, leaves.count > 1 {
            var known: Set<[UInt8]> = []
            let unique = ContiguousArray(leaves.filter { known.insert(Array($0.record.pointee.key.bytes)).inserted })
            for leaf in unique { noteWildcard(leaf.record.pointee.key.bytes, 1) }
            state.names = .made(of: unique)
            return
        }
        for leaf in leaves {
            let key = Array(leaf.record.pointee.key.bytes)
            if state.names?.leaf(key, hash: leaf.hash) == nil { noteWildcard(leaf.record.pointee.key.bytes, 1) }
            state.names = state.names?.inserting(leaf) ?? .made(of: [leaf])
        }
    }

    private mutating func removeName(_ host: String) {
        guard let key = Self.key(host), let names = state.names else { return }
        key.withUnsafeBytes { bytes in
            let hash = FoldedBytes.hash(0, bytes.baseAddress.unsafelyUnwrapped, bytes.count)
            guard names.leaf(key, hash: hash) != nil else { return }
            state.names = names.removing(bytes, hash: hash)
            noteWildcard(bytes, -1)
        }
    }

    private mutating func noteWildcard(_ key: UnsafeRawBufferPointer, _ change: Int) {
        guard key.first == 0x2e else { return }
        state.wildcards[min(63, key.count { $0 == 0x2e })] += change
    }

    private static func leaf(_ host: String, _ routes: HostRoutes) -> TrieLeaf? {
        guard let key = key(host) else { return nil }
        let hash = key.withUnsafeBytes { FoldedBytes.hash(0, $0.baseAddress.unsafelyUnwrapped, $0.count) }
        return TrieLeaf(key: key, hash: hash, value: UnsafeRawPointer(routes.record), owner: routes)
    }

    /// nil: not looked up by name.
    private static func key(_ host: String) -> [UInt8]? {
        if host == "*" { return nil }
        let key = host.utf8.starts(with: "*.".utf8) ? Array(host.utf8.dropFirst()) : Array(host.utf8)
        guard !key.isEmpty, key.count <= HostTables.longestName else { return nil }
        return key.map(FoldedBytes.fold)
    }
}
