// What differs between two snapshots. Decided by hashes alone, from the root down: costs what differs.

/// The objects that a change of snapshot touches.
package struct SnapshotDiff: Sendable {
    /// An object of the same key in another form.
    package struct Change: Sendable {
        package let old: SnapshotObject
        package let new: SnapshotObject
    }

    package private(set) var added: [SnapshotObject] = []
    package private(set) var changed: [Change] = []
    package private(set) var removed: [SnapshotObject] = []

    package var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }
    package var count: Int { added.count + changed.count + removed.count }

    // In ascending order, for those who read them.
    package var addedKeys: [ObjectKey] { added.map(\.key).sorted() }
    package var changedKeys: [ObjectKey] { changed.map(\.new.key).sorted() }
    package var removedKeys: [ObjectKey] { removed.map(\.key).sorted() }

    /// `nil` stands for a snapshot without objects.
    package init(from old: Snapshot?, to new: Snapshot?) {
        self.init(from: old?.objects ?? ObjectTree(), to: new?.objects ?? ObjectTree())
    }

    package init(from old: ObjectTree, to new: ObjectTree) {
        ObjectTree.compare(old, new) { before, after in
            switch (before, after) {
            case (let before?, let after?): changed.append(Change(old: before, new: after))
            case (let before?, nil): removed.append(before)
            case (nil, let after?): added.append(after)
            case (nil, nil): break
            }
        }
    }
}
