// What one subscriber is offered of a version: everything, or everything but the objects that it refused. Those stay as they
// were, or are left out where there is no form before or that one was refused as well.
//
// While something is held back each version is composed and judged as a whole: that is rare, and right before it is fast.

import ConfigModel

/// What a subscriber is known to serve.
struct KnownContent: Sendable {
    /// As last ACKed on a connection that this process has seen; `nil`: the subscriber serves something unknown.
    var snapshot: Snapshot?
    /// Objects in `snapshot`'s place that the subscriber kept in a form of its own.
    var retained: Set<ObjectKey> = []

    static let nothing = KnownContent(
        snapshot: try? Snapshot(historyID: .mint(), version: 0, objects: [SnapshotObject]()))
    static let unknown = KnownContent(snapshot: nil)

    enum Form {
        case object(SnapshotObject)
        case retained
        case none
    }

    func form(of key: ObjectKey) -> Form {
        guard let snapshot, !retained.contains(key) else { return .retained }
        return snapshot[key].map { .object($0) } ?? .none
    }
}

/// How far an object is held back.
enum Restraint: UInt8, Comparable, Sendable {
    case lastForm
    case omitted

    static func < (a: Restraint, b: Restraint) -> Bool { a.rawValue < b.rawValue }
}

/// A version with some objects held back.
struct Composition {
    let content: Snapshot
    let retained: [ObjectKey]
    let restraints: [ObjectKey: Restraint]

    /// Holds back what is asked for, and whatever else cannot stand without it (a route to a cluster that is left out).
    init(_ target: Snapshot, holding wanted: [ObjectKey: Restraint], known: KnownContent) {
        var restraints = wanted.filter { target[$0.key] != nil }
        guard !restraints.isEmpty else {
            (content, retained, self.restraints) = (target, [], [:])
            return
        }
        for (key, restraint) in restraints where restraint == .lastForm {
            if case .none = known.form(of: key) { restraints[key] = .omitted }
        }
        while true {
            let (sent, kept) = Self.apply(restraints, to: target, known)
            // An object that the subscriber keeps in a form unknown here counts as its newest form: its name exists.
            let judged = Self.snapshot(target, sent + kept.compactMap { target[$0] })
            let before = restraints
            for problem in judged?.validate() ?? [] {
                guard let next = Self.next(restraints[problem.key], problem.key, target, known) else { continue }
                restraints[problem.key] = next
            }
            if restraints == before {
                content = Self.snapshot(target, sent) ?? target
                retained = kept
                self.restraints = restraints
                return
            }
        }
    }

    /// The next stronger restraint that changes anything; `nil`: there is none.
    static func next(
        _ restraint: Restraint?, _ key: ObjectKey, _ target: Snapshot, _ known: KnownContent
    ) -> Restraint? {
        guard let newest = target[key] else { return nil }
        switch restraint {
        case nil:
            switch known.form(of: key) {
            case .object(let form): return form == newest ? .omitted : .lastForm
            case .retained: return .lastForm
            case .none: return .omitted
            }
        case .lastForm: return .omitted
        case .omitted: return nil
        }
    }

    private static func apply(
        _ restraints: [ObjectKey: Restraint], to target: Snapshot, _ known: KnownContent
    ) -> (sent: [SnapshotObject], kept: [ObjectKey]) {
        var sent: [SnapshotObject] = []
        var kept: [ObjectKey] = []
        sent.reserveCapacity(target.objects.count)
        for object in target.objects {
            guard let restraint = restraints[object.key] else {
                sent.append(object)
                continue
            }
            guard restraint == .lastForm else { continue }
            switch known.form(of: object.key) {
            case .object(let form): sent.append(form)
            case .retained: kept.append(object.key)
            case .none: break
            }
        }
        sent += needed(by: sent, beside: target, known)
        return (sent, kept)
    }

    /// Clusters, certificates and consumers that a last form refers to and that the version has dropped: they live as long as it does.
    /// (A virtual host does not: its names may belong to another one by now.)
    private static func needed(
        by sent: [SnapshotObject], beside target: Snapshot, _ known: KnownContent
    ) -> [SnapshotObject] {
        var found: [ObjectKey: SnapshotObject] = [:]
        for object in sent where target[object.key] != object {
            for key in object.object.references where key.kind != .virtualHost && target[key] == nil {
                if case .object(let form) = known.form(of: key) { found[key] = form }
            }
        }
        return Array(found.values)
    }

    private static func snapshot(_ target: Snapshot, _ objects: [SnapshotObject]) -> Snapshot? {
        try? Snapshot(historyID: target.historyID, version: target.version, objects: objects)
    }
}
