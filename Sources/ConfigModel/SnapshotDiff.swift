// What differs between two snapshots, by key. Decided by hashes alone, so it costs one walk over both.

/// The keys that a change of snapshot touches, each list in ascending order.
package struct SnapshotDiff: Hashable, Sendable {
    package private(set) var added: [ObjectKey] = []
    package private(set) var changed: [ObjectKey] = []
    package private(set) var removed: [ObjectKey] = []

    package var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }

    /// `nil` stands for a snapshot without objects.
    package init(from old: Snapshot?, to new: Snapshot?) {
        var before = (old?.objects ?? [])[...]
        var after = (new?.objects ?? [])[...]
        guard old?.root != new?.root else { return }
        while let a = before.first, let b = after.first {
            let (oldKey, newKey) = (a.key, b.key)
            if oldKey == newKey {
                if a.hash != b.hash { changed.append(newKey) }
                before.removeFirst()
                after.removeFirst()
            } else if oldKey < newKey {
                removed.append(oldKey)
                before.removeFirst()
            } else {
                added.append(newKey)
                after.removeFirst()
            }
        }
        removed += before.map(\.key)
        added += after.map(\.key)
    }
}
