// What of the clusters concerns threads beside the loops: host names to resolve, files of endpoints, and endpoints to check. Kept from
// change to change, so that these threads hear of a change only when it is theirs.

internal import ConfigModel

struct ClusterWatch {
    /// How many endpoints have each host name.
    private var uses: [String: Int] = [:]
    /// Names of the clusters that have their endpoints in each file, by path.
    private var files: [String: Set<String>] = [:]
    /// With health checks, by name.
    private var checked: [String: Cluster] = [:]

    /// What has become other.
    struct Changes {
        /// nil: the names are those of before.
        var names: Set<String>?
        /// Clusters by the path of their file; nil: they are those of before.
        var files: [String: Set<String>]?
        /// nil: the clusters with checks are those of before. In the order of names.
        var checked: [Cluster]?
    }

    mutating func follow(_ diff: SnapshotDiff) -> Changes {
        var namesChanged = false
        var filesChanged = false
        var checksChanged = false
        for object in diff.removed + diff.changed.map(\.old) {
            guard case .cluster(let cluster) = object.object else { continue }
            for name in cluster.endpoints.compactMap(cluster.lookupName) {
                let left = (uses[name] ?? 0) - 1
                uses[name] = left > 0 ? left : nil
                namesChanged = true
            }
            for path in cluster.endpoints.compactMap(\.file).map(String.init) {
                files[path]?.remove(cluster.name)
                if files[path]?.isEmpty == true { files[path] = nil }
                filesChanged = true
            }
            checksChanged = checked.removeValue(forKey: cluster.name) != nil || checksChanged
        }
        for object in diff.added + diff.changed.map(\.new) {
            guard case .cluster(let cluster) = object.object else { continue }
            for name in cluster.endpoints.compactMap(cluster.lookupName) {
                uses[name, default: 0] += 1
                namesChanged = true
            }
            for path in cluster.endpoints.compactMap(\.file).map(String.init) {
                files[path, default: []].insert(cluster.name)
                filesChanged = true
            }
            if cluster.healthCheck != nil {
                checked[cluster.name] = cluster
                checksChanged = true
            }
        }
        return Changes(
            names: namesChanged ? Set(uses.keys) : nil, files: filesChanged ? files : nil,
            checked: checksChanged ? checkedClusters : nil)
    }

    var checkedClusters: [Cluster] { checked.values.sorted { $0.name < $1.name } }
}
