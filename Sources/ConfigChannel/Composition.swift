// What one subscriber is offered of a version: everything, or everything but the objects that it refused. Those stay as they
// were, or are left out where there is no form before or that one was refused as well.
//
// A version is composed as what differs from it, and judged from the verdict on the composition before: that costs what is held back
// and what has changed, however much there is.

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
    /// What was judged last, for the next composition to start from; `nil`: nothing is held back.
    private(set) var judged: JudgedSnapshot?

    /// Holds back what is asked for, and whatever else cannot stand without it (a route to a cluster that is left out).
    /// `before`: what an earlier one has judged, of whatever version.
    init(
        _ target: Snapshot, holding wanted: [ObjectKey: Restraint], known: KnownContent, after before: JudgedSnapshot?
    ) {
        var restraints = wanted.filter { target[$0.key] != nil }
        guard !restraints.isEmpty else {
            (content, retained, self.restraints) = (target, [], [:])
            return
        }
        for (key, restraint) in restraints where restraint == .lastForm {
            if case .none = known.form(of: key) { restraints[key] = .omitted }
        }
        var judged = before
        while true {
            let edits = Edits(restraints, to: target, known)
            // An object that the subscriber keeps in a form unknown here counts as its newest form: its name exists.
            let verdict = Self.judge(
                target.applying(edits.puts, edits.removals, version: target.version), after: judged)
            judged = verdict
            let before = restraints
            for problem in verdict.index.problems {
                guard let next = Self.next(restraints[problem.key], problem.key, target, known) else { continue }
                restraints[problem.key] = next
            }
            if restraints == before {
                content = target.applying(edits.puts, edits.removals + edits.kept, version: target.version)
                retained = edits.kept
                self.restraints = restraints
                self.judged = verdict
                return
            }
        }
    }

    private static func judge(_ snapshot: Snapshot, after before: JudgedSnapshot?) -> JudgedSnapshot {
        guard let before else { return JudgedSnapshot(snapshot: snapshot, index: SnapshotIndex(snapshot)) }
        let diff = SnapshotDiff(from: before.snapshot, to: snapshot)
        return JudgedSnapshot(snapshot: snapshot, index: before.index.following(diff, to: snapshot))
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

    /// What makes of a version what is offered of it.
    private struct Edits {
        var puts: [SnapshotObject] = []
        var removals: [ObjectKey] = []
        /// In a form that only the subscriber knows; in order.
        var kept: [ObjectKey] = []

        init(_ restraints: [ObjectKey: Restraint], to target: Snapshot, _ known: KnownContent) {
            for (key, restraint) in restraints {
                switch restraint == .lastForm ? known.form(of: key) : .none {
                case .object(let form): puts.append(form)
                case .retained: kept.append(key)
                case .none: removals.append(key)
                }
            }
            kept.sort()
            puts += needed(beside: target, known)
        }

        /// Clusters, certificates and consumers that a last form refers to and that the version has dropped: they live as long as it does.
        /// (A virtual host does not: its names may belong to another one by now.)
        private func needed(beside target: Snapshot, _ known: KnownContent) -> [SnapshotObject] {
            var found: [ObjectKey: SnapshotObject] = [:]
            for form in puts {
                for key in form.object.references where key.kind != .virtualHost && target[key] == nil {
                    if case .object(let form) = known.form(of: key) { found[key] = form }
                }
            }
            return Array(found.values)
        }
    }
}
