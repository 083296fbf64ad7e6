// The complete configuration at one version: what the control plane publishes and every loop of a worker serves.
// Immutable. Objects are sorted and carry their hashes, so that equality, diff and the root need no second look at them.

package import Seal

/// An object with its key and hash, computed once.
///
/// A class, so that a new snapshot shares with the one before what did not change: a hundred thousand routes are neither
/// copied nor kept twice.
package final class SnapshotObject: Hashable, Sendable {
    package let object: ConfigObject
    package let key: ObjectKey
    package let hash: Hash256

    package init(_ object: ConfigObject) {
        self.object = object
        key = object.key
        hash = object.hash
    }

    package static func == (a: SnapshotObject, b: SnapshotObject) -> Bool { a.hash == b.hash }
    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

/// Two objects of a snapshot have the same kind and name.
package struct DuplicateObject: Error, Hashable, Sendable, CustomStringConvertible {
    package var key: ObjectKey
    package var description: String { "\(key) occurs twice" }
}

/// The whole set of objects at a version of a history.
package struct Snapshot: Sendable {
    package let historyID: HistoryID
    /// Grows by one with every change of its history; never reused.
    package let version: UInt64
    /// In ascending order of their keys, each key once.
    package let objects: [SnapshotObject]
    /// Stands for the objects, not for history and version: equal roots mean equal configuration.
    package let root: Hash256

    package init(historyID: HistoryID, version: UInt64, objects: [ConfigObject]) throws(DuplicateObject) {
        try self.init(historyID: historyID, version: version, objects: objects.map { SnapshotObject($0) })
    }

    /// For objects that were hashed before, such as those carried over from the version before.
    package init(historyID: HistoryID, version: UInt64, objects: [SnapshotObject]) throws(DuplicateObject) {
        let sorted = Self.sorted(objects)
        for (object, next) in zip(sorted, sorted.dropFirst()) where object.key == next.key {
            throw DuplicateObject(key: object.key)
        }
        self.historyID = historyID
        self.version = version
        self.objects = sorted
        self.root = Self.root(of: sorted)
    }

    /// The object of that key, found by halving.
    package subscript(key: ObjectKey) -> SnapshotObject? {
        var range = objects.indices
        while let middle = range.isEmpty ? nil : range.lowerBound + range.count / 2 {
            let candidate = objects[middle]
            let found = candidate.key
            if found == key { return candidate }
            range = found < key ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    /// Objects mostly come sorted already (from a channel, from disk, from a database): then nothing is moved.
    private static func sorted(_ objects: [SnapshotObject]) -> [SnapshotObject] {
        let inOrder = zip(objects, objects.dropFirst()).allSatisfy { $0.key < $1.key }
        return inOrder ? objects : objects.sorted { $0.key < $1.key }
    }

    /// SHA-256 over a label and, for each object in order: kind, length of the name (4 bytes, big endian), name, hash.
    /// The label makes the root of no objects a value of its own, and separates roots from hashes of objects.
    private static func root(of objects: [SnapshotObject]) -> Hash256 {
        var root = SHA256()
        root.update(Array("causeway snapshot 1\n".utf8))
        var entry: [UInt8] = []
        for object in objects {
            let key = object.key
            entry.removeAll(keepingCapacity: true)
            entry.append(key.kind.rawValue)
            withUnsafeBytes(of: UInt32(truncatingIfNeeded: key.name.utf8.count).bigEndian) {
                entry.append(contentsOf: $0)
            }
            entry.append(contentsOf: key.name.utf8)
            object.hash.withUnsafeBytes { entry.append(contentsOf: $0) }
            root.update(entry)
        }
        return root.finish()
    }
}
