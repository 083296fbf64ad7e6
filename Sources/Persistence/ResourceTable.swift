// The resources of one kind: by name, and by what they refer to. Persistent: a copy is free, and a change of it costs its path,
// so that an edit never touches what it does not change. Who uses a domain or a service is looked up, not searched for.

import ConsoleModel
import HashTreeCollections
import Synchronization

/// What a resource may refer to, by the name that it refers by.
package enum ResourceReference: Hashable, Sendable {
    case domain(String)
    case certificate(String)
    case consumer(String)
    case proxyServer(String)
    /// As in `greeter.static`: a source offers it.
    case service(String)
    /// The routes of a domain that are canaries; it names nothing, but those who are in it are found by it.
    case canaries(String)
    /// The routes whose annotations say how TLS is spoken at a domain; likewise.
    case tls(String)
}

/// Resources of a kind, by name.
package struct ResourceTable<Value: Resource>: Sendable {
    private var entries = TreeDictionary<String, Stored<Value>>()
    private var users = TreeDictionary<ResourceReference, TreeSet<String>>()
    /// Of the names as they are; copies have it in common.
    private var order = NameOrder()

    package init() {}

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }
    /// In no order.
    package var names: [String] { Array(entries.keys) }
    /// Who asks first after one has come or gone has them sorted.
    package var sortedNames: [String] { order.names(of: entries.keys) }
    /// In no order.
    package var values: [Stored<Value>] { Array(entries.values) }

    package subscript(name: String) -> Stored<Value>? {
        get { entries[name] }
        set {
            let old = newValue.map { entries.updateValue($0, forKey: name) } ?? entries.removeValue(forKey: name)
            if (old == nil) != (newValue == nil) { order = NameOrder() }
            let (before, after) = (Set(old?.value.references ?? []), Set(newValue?.value.references ?? []))
            for reference in before.subtracting(after) {
                users[reference]?.remove(name)
                if users[reference]?.isEmpty ?? false { users[reference] = nil }
            }
            for reference in after.subtracting(before) { users[reference, default: []].insert(name) }
        }
    }

    @discardableResult
    package mutating func removeValue(forKey name: String) -> Stored<Value>? {
        let old = entries[name]
        self[name] = nil
        return old
    }

    /// The names of those that refer to it, in no order.
    package func users(of reference: ResourceReference) -> [String] { users[reference].map { Array($0) } ?? [] }

    package func userCount(of reference: ResourceReference) -> Int { users[reference]?.count ?? 0 }

    /// The first by name of those that refer to it. All are looked at, and few are kept: there may be 100,000.
    package func users(of reference: ResourceReference, first limit: Int) -> [String] {
        var first: [String] = []
        for name in users[reference] ?? [] {
            if first.count == limit {
                guard let last = first.last, name < last else { continue }
                first.removeLast()
            }
            first.insert(name, at: first.firstIndex { name < $0 } ?? first.endIndex)
        }
        return first
    }
}

/// Names in their order, sorted once.
private final class NameOrder: Sendable {
    private let sorted = Mutex<[String]?>(nil)

    func names(of names: some Sequence<String>) -> [String] {
        sorted.withLock { sorted in
            let names = sorted ?? names.sorted()
            sorted = names
            return names
        }
    }
}

extension ResourceTable: Equatable {
    package static func == (a: ResourceTable, b: ResourceTable) -> Bool { a.entries == b.entries }
}
