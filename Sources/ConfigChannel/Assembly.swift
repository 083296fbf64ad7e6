// A publish while it arrives at a worker. Objects are decoded and hashed as they come; what is wrong with them is collected
// under their names, so that the control plane can hold back those and nothing else.

import ConfigModel
import Seal

/// A snapshot with the verdict on it, which the verdict on the next one starts from.
struct JudgedSnapshot: Sendable {
    let snapshot: Snapshot
    let index: SnapshotIndex
}

struct Assembly: Sendable {
    let begin: PublishBegin
    /// What entries without bytes refer to, and what a publish of differences changes.
    private let current: JudgedSnapshot?
    private var objects: [SnapshotObject] = []
    private var removals: [ObjectKey] = []
    private var entries = 0
    private var bytes = 0
    private var problems: [ProblemReport] = []

    /// Why no snapshot could be made.
    struct Failure: Error {
        let reports: [ProblemReport]
    }

    init(_ begin: PublishBegin, current: JudgedSnapshot?) {
        self.begin = begin
        self.current = current
    }

    /// `false`: the peer sends more than it announced, or more than anybody may.
    mutating func add(_ more: [ObjectEntry]) -> Bool {
        entries += more.count
        for entry in more {
            if case .bytes(let form) = entry.form { bytes += form.count }
        }
        guard entries <= begin.objectCount, bytes <= ChannelLimits.snapshotBytes else { return false }
        for entry in more { add(entry) }
        return true
    }

    private mutating func add(_ entry: ObjectEntry) {
        guard let kind = ObjectKind(rawValue: entry.kind) else {
            return report(entry, "kind \(entry.kind) is not known to this worker")
        }
        let key = ObjectKey(kind, entry.name)
        let bytes: [UInt8]
        switch entry.form {
        case .removed:
            removals.append(key)
            return
        case .kept:
            if let kept = current?.snapshot[key] { objects.append(kept) }
            return
        case .bytes(let form): bytes = form
        }
        do {
            let object = try ConfigObject(kind: kind, canonicalBytes: bytes)
            guard object.key == key else { return report(entry, "damaged: calls itself \(object.key.name)") }
            objects.append(SnapshotObject(object))
        } catch {
            report(entry, "damaged: \(error)")
        }
    }

    private mutating func report(_ entry: ObjectEntry, _ reason: String) {
        problems.append(ProblemReport(kind: entry.kind, name: entry.name, reason: reason))
    }

    consuming func finish() -> Result<JudgedSnapshot, Failure> {
        guard entries == begin.objectCount else {
            return fail("\(entries) objects came, \(begin.objectCount) were announced")
        }
        guard problems.isEmpty else { return .failure(Failure(reports: problems)) }
        let tree: ObjectTree
        do throws(DuplicateObject) {
            guard let made = try makeTree() else { return fail("what it changes is not what this worker serves") }
            tree = made
        } catch {
            return fail("\(error.key) came twice")
        }
        let snapshot = Snapshot(historyID: begin.history, version: begin.version, objects: tree)
        if let root = begin.root, root != snapshot.root { return fail("the objects do not have the announced root") }
        let index = judge(snapshot)
        guard index.isValid else {
            return .failure(Failure(reports: index.problems.map { ProblemReport($0) }))
        }
        return .success(JudgedSnapshot(snapshot: snapshot, index: index))
    }

    /// `nil`: there is not what the differences are to.
    private func makeTree() throws(DuplicateObject) -> ObjectTree? {
        guard let base = begin.base else {
            let tree = try ObjectTree(objects)
            return current.map { tree.sharing(with: $0.snapshot.objects) } ?? tree
        }
        guard let current, current.snapshot.root == base else { return nil }
        var seen: Set<ObjectKey> = []
        for key in removals + objects.map(\.key) where !seen.insert(key).inserted { throw DuplicateObject(key: key) }
        return current.snapshot.objects.applying(puts: objects, removals: removals)
    }

    private func judge(_ snapshot: Snapshot) -> SnapshotIndex {
        guard let current else { return SnapshotIndex(snapshot) }
        return current.index.following(SnapshotDiff(from: current.snapshot, to: snapshot), to: snapshot)
    }

    private func fail(_ reason: String) -> Result<JudgedSnapshot, Failure> {
        .failure(Failure(reports: [ProblemReport(reason: reason)]))
    }
}
