// A publish while it arrives at a worker. Objects are decoded and hashed as they come; what is wrong with them is collected
// under their names, so that the control plane can hold back those and nothing else.

import ConfigModel
import Seal

struct Assembly: Sendable {
    let begin: PublishBegin
    /// What entries without bytes refer to.
    private let current: Snapshot?
    private var objects: [SnapshotObject] = []
    private var entries = 0
    private var bytes = 0
    private var problems: [ProblemReport] = []

    /// Why no snapshot could be made.
    struct Failure: Error {
        let reports: [ProblemReport]
    }

    init(_ begin: PublishBegin, current: Snapshot?) {
        self.begin = begin
        self.current = current
    }

    /// `false`: the peer sends more than it announced, or more than anybody may.
    mutating func add(_ more: [ObjectEntry]) -> Bool {
        entries += more.count
        bytes += more.reduce(0) { $0 + ($1.bytes?.count ?? 0) }
        guard entries <= begin.objectCount, bytes <= ChannelLimits.snapshotBytes else { return false }
        for entry in more { add(entry) }
        return true
    }

    private mutating func add(_ entry: ObjectEntry) {
        guard let kind = ObjectKind(rawValue: entry.kind) else {
            return report(entry, "kind \(entry.kind) is not known to this worker")
        }
        let key = ObjectKey(kind, entry.name)
        guard let bytes = entry.bytes else {
            if let kept = current?[key] { objects.append(kept) }
            return
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

    consuming func finish() -> Result<Snapshot, Failure> {
        guard entries == begin.objectCount else {
            return fail("\(entries) objects came, \(begin.objectCount) were announced")
        }
        guard problems.isEmpty else { return .failure(Failure(reports: problems)) }
        let snapshot: Snapshot
        do {
            snapshot = try Snapshot(historyID: begin.history, version: begin.version, objects: objects)
        } catch {
            return fail("\(error.key) came twice")
        }
        if let root = begin.root, root != snapshot.root { return fail("the objects do not have the announced root") }
        let invalid = snapshot.validate()
        return invalid.isEmpty ? .success(snapshot) : .failure(Failure(reports: invalid.map { ProblemReport($0) }))
    }

    private func fail(_ reason: String) -> Result<Snapshot, Failure> {
        .failure(Failure(reports: [ProblemReport(reason: reason)]))
    }
}
