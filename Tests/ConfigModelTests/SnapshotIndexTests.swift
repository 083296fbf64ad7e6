// The verdict that is carried from version to version against the verdict on the whole, over random edits, good and bad ones.

import ConfigModel
import Seal
import Testing

@Suite struct SnapshotIndexTests {
    /// Few names and values, so that edits meet each other: references to what is not there, claims of what is taken.
    private struct Edits {
        var generator: SeededGenerator

        private mutating func pick(_ prefix: String, _ count: Int) -> String {
            "\(prefix)\(Int.random(in: 0..<count, using: &generator))"
        }

        private mutating func maybe<T>(_ make: (inout Edits) -> T) -> T? {
            Bool.random(using: &generator) ? make(&self) : nil
        }

        private mutating func some<T>(_ count: Int, _ make: (inout Edits) -> T) -> [T] {
            (0..<Int.random(in: 0...count, using: &generator)).map { _ in make(&self) }
        }

        mutating func object() -> ConfigObject {
            switch UInt8.random(in: 1...6, using: &generator) {
            case 1:
                return .listener(
                    Listener(
                        name: pick("l", 5), address: pick("10.0.0.", 2),
                        port: UInt16.random(in: 0...2, using: &generator), tls: false))
            case 2:
                let chain = maybe { _ in "PEM" } ?? ""
                return .tlsIdentity(TLSIdentity(name: pick("i", 4), certificateChain: chain, privateKey: Secret("PEM")))
            case 3:
                return .virtualHost(
                    VirtualHost(
                        name: pick("h", 6), hosts: some(3) { $0.pick("host", 8) },
                        tlsIdentity: maybe { $0.pick("i", 4) }))
            case 4:
                return .cluster(
                    Cluster(
                        name: pick("c", 5), endpoints: [], protocol: maybe { _ in .http2 } ?? .http1,
                        tls: maybe { UpstreamTLS(clientIdentity: $0.pick("i", 4)) }))
            case 5:
                return .consumer(
                    Consumer(
                        name: pick("u", 4),
                        credentials: some(3) { Credential(source: .bearer, hash: SHA256.hash($0.pick("k", 6))) }))
            default:
                return .route(route())
            }
        }

        private mutating func route() -> Route {
            var filters = RouteFilters()
            filters.mirror = maybe { Mirror(cluster: $0.pick("c", 5)) }
            filters.authentication = maybe { edits in
                RouteAuthentication(kinds: [.key], consumers: edits.some(2) { $0.pick("u", 4) })
            }
            return Route(
                name: pick("r", 8), virtualHosts: some(3) { $0.pick("h", 6) },
                order: UInt64.random(in: 0...7, using: &generator), path: PathPredicate(kind: .prefix, value: "/"),
                destinations: some(2) { Destination(cluster: $0.pick("c", 5)) },
                kind: maybe { _ in .grpc } ?? .http, filters: filters)
        }
    }

    @Test func theCarriedVerdictIsThatOnTheWhole() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var edits = Edits(generator: SeededGenerator(seed: seed))
        var valid = 0
        for _ in 0..<60 {
            var snapshot = try Snapshot(historyID: .mint(), version: 0, objects: [ConfigObject]())
            var index = SnapshotIndex()
            for version in 1...40 as ClosedRange<UInt64> {
                var puts: [SnapshotObject] = []
                var removals: [ObjectKey] = []
                for _ in 0..<Int.random(in: 1...3, using: &edits.generator) {
                    let object = SnapshotObject(edits.object())
                    if UInt8.random(in: 0...2, using: &edits.generator) == 0 {
                        removals.append(object.key)
                    } else {
                        puts.append(object)
                    }
                }
                let next = snapshot.applying(puts, removals, version: version)
                let carried = index.following(SnapshotDiff(from: snapshot, to: next), to: next)
                #expect(carried.problems == next.validate(), "seed \(seed)")
                #expect(carried.isValid == next.validate().isEmpty, "seed \(seed)")
                if carried.isValid { valid += 1 }
                (snapshot, index) = (next, carried)
            }
        }
        #expect(valid > 20, "both verdicts occur; seed \(seed)")
    }

    @Test func theIndexBeforeIsLeftAsItIs() throws {
        let host = ConfigObject.virtualHost(VirtualHost(name: "a", hosts: ["x"]))
        let first = try Snapshot(historyID: .mint(), version: 1, objects: [host])
        let index = SnapshotIndex(first)
        let second = first.applying(
            [SnapshotObject(.virtualHost(VirtualHost(name: "b", hosts: ["x"])))], [], version: 2)
        let diff = SnapshotDiff(from: first, to: second)
        #expect(
            index.following(diff, to: second).problems.map(\.description) == [
                "virtualHost b: hosts[0]: stands in virtual host a already"
            ])
        #expect(index.isValid)
        let third = second.applying([], [ObjectKey(.virtualHost, "a")], version: 3)
        let mended = index.following(diff, to: second).following(SnapshotDiff(from: second, to: third), to: third)
        #expect(mended.isValid)
    }
}
