// Names gathered under what they share: who claims a host, who refers to a cluster. Persistent, so that the next version's is
// a copy that costs what differs.

import HashTreeCollections

/// Something that one object of a kind may have: a host, an address, an order, a credential.
struct Claims<Subject: Hashable & Sendable>: Sendable {
    /// Almost always there is one, and a hundred thousand of these: the list is for the mistakes.
    private enum Claimants: Sendable {
        case one(ObjectKey)
        /// In ascending order.
        case several([ObjectKey])

        var keys: [ObjectKey] {
            switch self {
            case .one(let key): [key]
            case .several(let keys): keys
            }
        }
    }

    private var bySubject = TreeDictionary<Subject, Claimants>()

    /// Those who claim it, in ascending order.
    func claimants(of subject: Subject) -> [ObjectKey] { bySubject[subject]?.keys ?? [] }

    /// What stands before the key among those who claim the subject: the one that has it.
    func owner(of subject: Subject, before key: ObjectKey) -> ObjectKey? {
        guard case .several(let keys) = bySubject[subject] else { return nil }
        return keys.last { $0 < key }
    }

    /// Gives back the others who claim it. To claim something twice is to claim it once.
    mutating func add(_ subject: Subject, _ key: ObjectKey) -> [ObjectKey] {
        let others = claimants(of: subject).filter { $0 != key }
        bySubject[subject] = others.isEmpty ? .one(key) : .several((others + [key]).sorted())
        return others
    }

    /// Gives back those who still claim it.
    mutating func remove(_ subject: Subject, _ key: ObjectKey) -> [ObjectKey] {
        let others = claimants(of: subject).filter { $0 != key }
        bySubject[subject] = others.count > 1 ? .several(others) : others.first.map { .one($0) }
        return others
    }
}

/// Who refers to an object. Many refer to few, or each to its own: both are there a hundred thousand times.
struct Referrers: Sendable {
    private enum Users: Sendable {
        case one(ObjectKey)
        case many(TreeSet<ObjectKey>)
    }

    private var byTarget = TreeDictionary<ObjectKey, Users>()

    func users(of target: ObjectKey) -> [ObjectKey] {
        switch byTarget[target] {
        case nil: []
        case .one(let key): [key]
        case .many(let keys): Array(keys)
        }
    }

    mutating func add(_ target: ObjectKey, _ key: ObjectKey) {
        // The set is taken out while it changes: two owners would mean a copy.
        switch byTarget.updateValue(.one(key), forKey: target) {
        case nil: break
        case .one(let other):
            if other != key { byTarget[target] = .many([other, key]) }
        case .many(var keys):
            keys.insert(key)
            byTarget[target] = .many(keys)
        }
    }

    mutating func remove(_ target: ObjectKey, _ key: ObjectKey) {
        switch byTarget.removeValue(forKey: target) {
        case nil: break
        case .one(let other):
            if other != key { byTarget[target] = .one(other) }
        case .many(var keys):
            keys.remove(key)
            if let last = keys.first { byTarget[target] = keys.count == 1 ? .one(last) : .many(keys) }
        }
    }
}
