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
            table: RouteTable(editor.state), routes: editor.changedRoutes.slots,
            virtualHosts: editor.changedHosts.slots)
    }
}

/// A table that is being changed.
struct RouteTableEditor {
    private(set) var state: RouteTable.State
    private(set) var changedRoutes = SlotList()
    private(set) var changedHosts = SlotList()
    /// In the order in which they came up: so objects that lie side by side are seen one after the other.
    private var edits: [HostEdit] = []
    /// Their numbers by name of the virtual host.
    private var editNumbers: [String: Int] = [:]

    private struct HostEdit {
        let name: String
        var removed: [CompiledRoute] = []
        var added: [CompiledRoute] = []
        /// nil: as before. The object, which is one reference where the value is many.
        var virtualHost: SnapshotObject??
    }

    init(_ state: RouteTable.State) { self.state = state }

    /// The number of the edit of a virtual host.
    private mutating func edit(of host: String) -> Int {
        if let number = editNumbers[host] { return number }
        editNumbers[host] = edits.count
        edits.append(HostEdit(name: host))
        return edits.count - 1
    }

    mutating func apply(removing removed: [SnapshotObject], putting put: some Sequence<SnapshotObject>) {
        var slots: [String: Int] = [:]
        /// Names of virtual hosts that are put and have `*`.
        var defaults: [String] = []
        for object in removed {
            switch object.object {
            case .route(let route):
                if let slot = takeOut(route.name) { state.routeNumbers.giveBack(slot) }
            case .virtualHost: edits[edit(of: object.key.name)].virtualHost = .some(nil)
            case .listener, .tlsIdentity, .cluster, .consumer: break
            }
        }
        for object in put {
            if object.key.kind == .route, let slot = takeOut(object.key.name) { slots[object.key.name] = slot }
            guard case .virtualHost(let host) = object.object else { continue }
            edits[edit(of: host.name)].virtualHost = .some(object)
            if host.hosts.contains("*") { defaults.append(host.name) }
        }
        settleDefault(defaults)
        for object in put {
            guard case .route(let route) = object.object else { continue }
            add(object, route, slots[route.name] ?? state.routeNumbers.take())
        }
        applyEdits()
    }

    // MARK: - Routes

    /// Returns the slot that the route had.
    private mutating func takeOut(_ name: String) -> Int? {
        if !state.problems.isEmpty { state.problems[name] = nil }
        if state.routes.isEmpty { return nil }
        guard let route = state.routes.removeValue(forKey: name) else { return nil }
        for host in hosts(of: route.route) { edits[edit(of: host)].removed.append(route) }
        state.routeSlots[route.slot] = nil
        changedRoutes.add(route.slot)
        return route.slot
    }

    private mutating func add(_ object: SnapshotObject, _ route: Route, _ slot: Int) {
        do {
            let compiled = try CompiledRoute(object, route, slot: slot)
            state.routes[route.name] = compiled
            state.routeSlots[slot] = compiled
            changedRoutes.add(slot)
            for host in hosts(of: route) { edits[edit(of: host)].added.append(compiled) }
        } catch {
            state.routeNumbers.giveBack(slot)
            state.problems[route.name] = ObjectProblem(
                key: ObjectKey(.route, route.name), field: error.field, reason: error.reason)
        }
    }

    /// Each once.
    private func hosts(of route: Route) -> [String] {
        switch route.virtualHosts.count {
        case 0: [state.defaultName]
        case 1: route.virtualHosts
        default: Array(Set(route.virtualHosts))
        }
    }

    /// Which virtual host has `*` after the change; routes that name none move to it.
    private mutating func settleDefault(_ candidates: [String]) {
        func isDefault(_ name: String) -> Bool {
            let object = editNumbers[name].flatMap { edits[$0].virtualHost } ?? state.hosts[name]?.object
            guard case .virtualHost(let host)? = object?.object else { return false }
            return host.hosts.contains("*")
        }
        let before = state.defaultName
        if !before.isEmpty, isDefault(before) { return }
        let after = candidates.filter { !$0.isEmpty && isDefault($0) }.min() ?? ""
        guard after != before else { return }
        state.defaultName = after
        for (_, route) in state.routes where route.route.virtualHosts.isEmpty {
            edits[edit(of: before)].removed.append(route)
            edits[edit(of: after)].added.append(route)
        }
    }

    // MARK: - Virtual hosts

    private mutating func applyEdits() {
        var leaves: ContiguousArray<TrieLeaf> = []
        for edit in edits {
            let name = edit.name
            let old = state.hosts[name]
            // Of no name is the one that routes make which ask for a default where none is given.
            let object = name.isEmpty ? nil : edit.virtualHost ?? old?.object
            for host in old?.virtualHost?.hosts ?? [] { removeName(host) }
            let isLast = object == nil && (old?.count ?? 0) - edit.removed.count + edit.added.count == 0
            if isLast {
                guard let old else { continue }
                state.hosts[name] = nil
                state.hostSlots[old.slot] = nil
                state.hostNumbers.giveBack(old.slot)
                changedHosts.add(old.slot)
                continue
            }
            let host = name.isEmpty ? Self.impliedHost : object
            let new =
                old?.edited(host, removing: edit.removed, adding: edit.added)
                ?? .made(host, slot: state.hostNumbers.take(), edit.added)
            state.hosts[name] = new
            state.hostSlots[new.slot] = new
            if edit.virtualHost != nil { changedHosts.add(new.slot) }
            for host in name.isEmpty ? [] : new.virtualHost?.hosts ?? [] {
                if let leaf = Self.leaf(host, new) { leaves.append(leaf) }
            }
        }
        edits = []
        editNumbers = [:]
        addNames(leaves)
    }

    private static let impliedHost = SnapshotObject(.virtualHost(VirtualHost(name: "*", hosts: ["*"])))

    /// Of two virtual hosts that claim a host one has it; validation refuses such snapshots.
    private mutating func addNames(_ leaves: ContiguousArray<TrieLeaf>) {
        if state.names == nil, leaves.count > 1 {
            let names = TrieNode.made(of: leaves)
            names?.forEach { noteWildcard($0.record.pointee.key.bytes, 1) }
            state.names = names
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
        let key = host.utf8.starts(with: "*.".utf8) ? host.utf8.dropFirst() : host.utf8[...]
        guard !key.isEmpty, key.count <= HostTables.longestName else { return nil }
        return key.map(FoldedBytes.fold)
    }
}
