// An edit in progress: a copy of the configuration with the changes made to it so far. Nothing is written until the edit
// has been judged as a whole.

import ConsoleModel

/// One resource that a version changed.
package struct ResourceChange: Hashable, Sendable {
    package enum Action: String, Sendable {
        case create, update, delete
    }

    package var kind: ResourceKind
    package var name: String
    package var action: Action

    package init(kind: ResourceKind, name: String, action: Action) {
        self.kind = kind
        self.name = name
        self.action = action
    }
}

/// A configuration that is being edited.
package struct Draft: Sendable {
    package private(set) var configuration: StoredConfiguration
    /// What was stored when the edit began.
    package let original: StoredConfiguration
    /// In the order made; at most one a resource.
    private(set) var changes: [(change: ResourceChange, resource: (any Resource)?, id: Int64)] = []
    private(set) var nextID: Int64
    private var changed: Set<Subject> = []

    private struct Subject: Hashable, Sendable {
        let kind: ResourceKind
        let name: String
    }

    init(of configuration: StoredConfiguration, nextID: Int64) {
        self.configuration = configuration.next()
        original = configuration
        self.nextID = nextID
    }

    package var changedResources: [ResourceChange] { changes.map(\.change) }
    package var changesNothing: Bool { changes.isEmpty }

    /// Creates or replaces; gives back what will be stored. A value equal to the stored one changes nothing.
    /// `id`: of one that was here before and comes back, so that it is as old as it was, also where another of its name was made
    /// since.
    @discardableResult
    package mutating func put<R: Resource>(_ resource: R, as id: Int64? = nil) -> R {
        var resource = resource
        let path: WritableKeyPath<StoredConfiguration, ResourceTable<R>> = R.collection
        let old = configuration[keyPath: path][resource.name]
        if let old {
            resource.version = old.value.version
            if resource == old.value, id == nil || id == old.id { return resource }
        }
        let given = id
        let id = given ?? old?.id ?? nextID
        if old == nil, given == nil { nextID += 1 }
        resource.version = String(configuration.version)
        configuration[keyPath: path][resource.name] = Stored(id: id, value: resource)
        record(ResourceChange(kind: R.kind, name: resource.name, action: old == nil ? .create : .update), resource, id)
        return resource
    }

    /// Removes; nothing happens when there is no such resource.
    package mutating func remove<R: Resource>(_ type: R.Type, named name: String) {
        let path: WritableKeyPath<StoredConfiguration, ResourceTable<R>> = R.collection
        guard let old = configuration[keyPath: path].removeValue(forKey: name) else { return }
        record(ResourceChange(kind: R.kind, name: name, action: .delete), nil, old.id)
    }

    /// Removes one of a kind that is known at run time only.
    package mutating func remove(_ kind: ResourceKind, named name: String) {
        func remove<R: Resource>(_ type: R.Type, _ draft: inout Draft) { draft.remove(type, named: name) }
        remove(kind.type, &self)
    }

    private mutating func record(_ change: ResourceChange, _ resource: (any Resource)?, _ id: Int64) {
        precondition(
            changed.insert(Subject(kind: change.kind, name: change.name)).inserted,
            "a resource changes once in an edit")
        changes.append((change, resource, id))
    }
}

/// Who makes an edit, for the version and the audit.
package struct Author: Hashable, Sendable {
    package var name: String
    /// The peer's address.
    package var address: String
    /// How it is known who it is, as in `session`; `nil` for the control plane itself.
    package var via: String?

    package init(name: String, address: String, via: String? = nil) {
        self.name = name
        self.address = address
        self.via = via
    }

    /// The control plane itself.
    package static let system = Author(name: "system", address: "")
}
