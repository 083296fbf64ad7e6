// A configuration as workers get it, with all that the next one is made from: what a change does not touch is taken over as
// it is, down to the memory.

package import ConfigModel
import HashTreeCollections
package import Persistence

/// A compiled configuration.
package struct CompiledConfiguration: Sendable {
    package let configuration: StoredConfiguration
    package let snapshot: Snapshot
    /// How many routes send to a cluster of that name, whether there is one or not.
    let clusterUses: TreeDictionary<String, Int>
    /// The rules of the snapshot's values.
    let index: SnapshotIndex
    /// What the engines and the wire refuse: patterns, certificate authorities, sizes.
    let refused: TreeDictionary<ObjectKey, [ObjectProblem]>

    /// Empty: fit to be published. A save that brings any is refused.
    package var problems: [ResourceProblem] {
        if index.isValid && refused.isEmpty { return [] }
        let all = index.problems + refused.keys.sorted().flatMap { refused[$0] ?? [] }
        return all.map { ResourceProblem($0, in: configuration) }.uniqued()
    }
}

extension Array where Element: Hashable {
    fileprivate func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
