// Small configurations for the state machines' tests.

import ConfigChannel
import ConfigModel

enum Samples {
    static let history = HistoryID.mint()
    static let identity = SubscriberState.Identity(workerID: "w1", incarnation: 77, softwareVersion: "1.0", pid: 42)

    static func cluster(_ name: String, port: UInt16 = 80) -> ConfigObject {
        .cluster(Cluster(name: name, endpoints: [Endpoint(host: "127.0.0.1", port: port)], protocol: .http1))
    }

    static func route(_ name: String, order: UInt64, to cluster: String, path: String = "/") -> ConfigObject {
        .route(
            Route(
                name: name, order: order, path: PathPredicate(kind: .prefix, value: path),
                destinations: [Destination(cluster: cluster)]))
    }

    static func snapshot(
        _ version: UInt64, history: HistoryID = Samples.history, _ objects: [ConfigObject] = [cluster("a")]
    ) throws -> Snapshot {
        try Snapshot(historyID: history, version: version, objects: objects)
    }

    static func hello(
        state: WorkerState = .serving, served: ServedVersion? = nil, incarnation: UInt64 = 77
    ) -> Hello {
        Hello(
            workerID: "w1", incarnation: incarnation, softwareVersion: "1.0", pid: 42, state: state, served: served)
    }

    /// The messages of a publish, as the control plane sends them.
    static func publish(_ snapshot: Snapshot, nonce: UInt64, versionRoot: Snapshot? = nil) -> [Message] {
        [
            .publishBegin(
                PublishBegin(
                    nonce: nonce, history: snapshot.historyID, version: snapshot.version,
                    versionRoot: (versionRoot ?? snapshot).root, root: snapshot.root,
                    objectCount: UInt32(snapshot.objects.count))),
            .objects(
                snapshot.objects.map {
                    ObjectEntry($0.key, .bytes($0.object.canonicalBytes()))
                }),
            .publishEnd(nonce: nonce),
        ]
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
