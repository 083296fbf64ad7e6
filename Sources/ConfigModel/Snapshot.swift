// The complete configuration at one version: what the control plane publishes and every loop of a worker serves.
// Immutable. Objects stand in a tree of hashes, so that equality, diff and the next version cost what differs.

package import Seal

/// An object with its key and hash, computed once.
///
/// A class, so that a new snapshot shares with the one before what did not change: a hundred thousand routes are neither
/// copied nor kept twice.
package final class SnapshotObject: Hashable, Sendable {
    package let object: ConfigObject
    package let key: ObjectKey
    package let hash: Hash256
    /// Where it stands in a tree: follows from the key.
    let place: UInt64

    package convenience init(_ object: ConfigObject) {
        self.init(object, hash: object.hash)
    }

    /// From its canonical bytes, which are hashed as they stand: no other bytes are read as the same object.
    package convenience init(kind: ObjectKind, canonicalBytes bytes: ArraySlice<UInt8>) throws(CanonicalCodingError) {
        self.init(
            try ConfigObject(kind: kind, canonicalBytes: bytes),
            hash: ConfigObject.hash(kind: kind, canonicalBytes: bytes))
    }

    private init(_ object: ConfigObject, hash: Hash256) {
        self.object = object
        self.hash = hash
        key = object.key
        place = key.place
    }

    package static func == (a: SnapshotObject, b: SnapshotObject) -> Bool { a.hash == b.hash }
    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }

    /// Whether it stands before an object of that place and key.
    func precedes(_ place: UInt64, _ key: ObjectKey) -> Bool {
        self.place == place ? self.key < key : self.place < place
    }
}

/// Two objects of a snapshot have the same kind and name.
package struct DuplicateObject: Error, Hashable, Sendable, CustomStringConvertible {
    package var key: ObjectKey
    package var description: String { "\(key) occurs twice" }

    package init(key: ObjectKey) {
        self.key = key
    }
}

/// The whole set of objects at a version of a history.
package struct Snapshot: Sendable {
    package let historyID: HistoryID
    /// Grows by one with every change of its history; never reused.
    package let version: UInt64
    package let objects: ObjectTree

    /// Stands for the objects, not for history and version: equal roots mean equal configuration.
    package var root: Hash256 { objects.root }

    package init(historyID: HistoryID, version: UInt64, objects: [ConfigObject]) throws(DuplicateObject) {
        try self.init(historyID: historyID, version: version, objects: objects.map { SnapshotObject($0) })
    }

    /// For objects that were hashed before, such as those carried over from the version before.
    package init(historyID: HistoryID, version: UInt64, objects: [SnapshotObject]) throws(DuplicateObject) {
        self.init(historyID: historyID, version: version, objects: try ObjectTree(objects))
    }

    package init(historyID: HistoryID, version: UInt64, objects: ObjectTree) {
        self.historyID = historyID
        self.version = version
        self.objects = objects
    }

    package subscript(key: ObjectKey) -> SnapshotObject? { objects[key] }

    /// The next version: with objects put in place of those of their keys, and others taken out.
    package func applying(_ puts: [SnapshotObject], _ removals: [ObjectKey], version: UInt64) -> Snapshot {
        Snapshot(historyID: historyID, version: version, objects: objects.applying(puts: puts, removals: removals))
    }

    /// The same objects in another line of versions.
    package func under(_ history: HistoryID) -> Snapshot {
        Snapshot(historyID: history, version: version, objects: objects)
    }
}
