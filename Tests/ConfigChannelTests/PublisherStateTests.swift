// The control plane's rules for one worker, by event and returned action.

import ConfigChannel
import ConfigModel
import Seal
import Testing

extension PublisherState.NextStep {
    var offer: Offer? { if case .publish(let offer) = self { offer } else { nil } }
    var fork: PublisherState.Fork? { if case .fork(let fork) = self { fork } else { nil } }
    var isNothing: Bool { if case .nothing = self { true } else { false } }
}

extension PublisherState {
    mutating func hello(_ hello: Hello, memory: SubscriberMemory? = nil) -> NextStep? {
        if case .accepted(let step) = received(hello, memory: memory) { step } else { nil }
    }

    /// What follows the ACK of an offer; `nil`: it was taken for stale.
    mutating func ack(_ offer: Offer) -> NextStep? {
        let ack = Ack(nonce: offer.nonce, history: offer.history, version: offer.version)
        return if case .live(let step) = received(ack) { step } else { nil }
    }

    mutating func nack(_ offer: Offer, _ keys: ObjectKey?...) -> OnNack {
        let reasons = keys.map { key in
            key.map { ProblemReport(kind: $0.kind.rawValue, name: $0.name, reason: "no") }
                ?? ProblemReport(reason: "no")
        }
        return received(Nack(nonce: offer.nonce, history: offer.history, version: offer.version, reasons: reasons))
    }
}

extension PublisherState.OnNack {
    var retry: Offer? { if case .holdBack(let offer) = self { offer } else { nil } }
    var whole: Offer? { if case .whole(let offer) = self { offer } else { nil } }
    var isStale: Bool { if case .stale = self { true } else { false } }

    var afterRejection: PublisherState.NextStep? {
        if case .rejected(let step) = self { step } else { nil }
    }
}

@Suite struct PublisherStateTests {
    private let a = ObjectKey(.cluster, "a")
    private let b = ObjectKey(.cluster, "b")

    /// A worker that serves version 1 with clusters `a` and `b` at port 1, as this publisher told it.
    private func settled() throws -> (PublisherState, Snapshot) {
        let first = try Samples.snapshot(1, [Samples.cluster("a", port: 1), Samples.cluster("b", port: 1)])
        var state = PublisherState()
        _ = state.setTarget(first)
        let offer = try #require(state.hello(Samples.hello())?.offer)
        _ = state.ack(offer)
        return (state, first)
    }

    private func ports(_ offer: Offer) -> [String: UInt16] {
        var ports: [String: UInt16] = [:]
        for case .cluster(let cluster) in offer.content.objects.map(\.object) {
            ports[cluster.name] = cluster.endpoints[0].port
        }
        return ports
    }

    // MARK: Hello

    @Test func sendsNothingBeforeTheHello() throws {
        var state = PublisherState()
        #expect(state.setTarget(try Samples.snapshot(1)).isNothing)
        #expect(state.hello(Samples.hello())?.offer?.version == 1)
    }

    @Test func waitsForAFirstVersion() throws {
        var state = PublisherState()
        #expect(state.hello(Samples.hello())?.isNothing == true)
        #expect(state.setTarget(try Samples.snapshot(1)).offer?.version == 1)
    }

    @Test func aWorkerThatServesTheTargetGetsNothing() throws {
        let snapshot = try Samples.snapshot(4)
        var state = PublisherState()
        _ = state.setTarget(snapshot)
        #expect(state.hello(Samples.hello(served: ServedVersion(snapshot)))?.isNothing == true)
        #expect(state.progress(of: 4) == .live)
        #expect(state.progress(of: 5) == .pending)
    }

    @Test func aWorkerBehindOrOfAnotherHistoryGetsTheTarget() throws {
        let target = try Samples.snapshot(4)
        for served in [try Samples.snapshot(3), try Samples.snapshot(9, history: .mint())] {
            var state = PublisherState()
            _ = state.setTarget(target)
            #expect(state.hello(Samples.hello(served: ServedVersion(served)))?.offer?.version == 4)
        }
    }

    @Test func refusesAnotherProtocolAndASecondHello() {
        var state = PublisherState()
        var hello = Samples.hello()
        hello.protocolVersion = 1
        guard case .refuse(let refused) = state.received(hello) else {
            Issue.record("accepted")
            return
        }
        #expect(refused.code == .protocolVersion)
        #expect(state.hello(Samples.hello()) != nil)
        #expect(state.hello(Samples.hello()) == nil)
    }

    // MARK: Histories

    @Test func aWorkerAheadOrWithAnotherRootShowsAFork() throws {
        let target = try Samples.snapshot(4)
        for served in [try Samples.snapshot(5), try Samples.snapshot(4, [Samples.cluster("b")])] {
            var state = PublisherState()
            _ = state.setTarget(target)
            let fork = try #require(state.hello(Samples.hello(served: ServedVersion(served)))?.fork)
            #expect(fork.served == ServedVersion(served))
            #expect(fork.ourVersion == 4)
            #expect(
                state.progress(of: 4) == .live, "the worker has that number; what it means is what the fork is about")
            let minted = try Samples.snapshot(4, history: .mint())
            #expect(state.setTarget(minted).offer?.history == minted.historyID)
            #expect(state.progress(of: 4) == .pending)
        }
    }

    @Test func aForkIsToldOnceAndAgainWithTheNextTargetIfNothingWasMinted() throws {
        var state = PublisherState()
        _ = state.setTarget(try Samples.snapshot(4))
        _ = state.hello(Samples.hello(served: ServedVersion(try Samples.snapshot(9))))
        let status = Status(state: .serving, servedVersion: 9, activeConnections: 0, activeStreams: 0)
        #expect(state.received(status).isNothing)
        #expect(state.setTarget(try Samples.snapshot(5)).fork?.ourVersion == 5)
    }

    @Test func aVersionServedWithObjectsHeldBackIsNoFork() throws {
        let full = try Samples.snapshot(4, [Samples.cluster("a"), Samples.cluster("b")])
        let reduced = try Samples.snapshot(4, [Samples.cluster("a")])
        var state = PublisherState()
        _ = state.setTarget(full)
        let served = ServedVersion(
            history: Samples.history, version: 4, versionRoot: full.root, root: reduced.root)
        let offer = try #require(state.hello(Samples.hello(served: served))?.offer, "offered whole once more")
        #expect(offer.content.root == full.root)
        // What the worker has instead of `b` is not known here, so it is told to keep it.
        let retry = try #require(state.nack(offer, b).retry)
        #expect(retry.retained == [b])
        #expect(state.ack(retry)?.isNothing == true)
        #expect(state.heldBack.map(\.key) == [b])
        let next = try Samples.snapshot(5, [Samples.cluster("a", port: 9), Samples.cluster("b")])
        #expect(state.setTarget(next).offer?.retained == [b])
    }

    // MARK: One at a time

    @Test func supersededVersionsAreSkipped() throws {
        var (state, _) = try settled()
        let second = try #require(state.setTarget(try Samples.snapshot(2)).offer)
        #expect(state.setTarget(try Samples.snapshot(3)).isNothing)
        #expect(state.setTarget(try Samples.snapshot(4)).isNothing)
        #expect(state.progress(of: 3) == .pending)
        #expect(state.ack(second)?.offer?.version == 4)
        #expect(state.progress(of: 2) == .live)
        #expect(state.progress(of: 3) == .pending)
    }

    @Test func anOlderTargetOfTheSameHistoryIsIgnored() throws {
        var (state, _) = try settled()
        let third = try #require(state.setTarget(try Samples.snapshot(3)).offer)
        #expect(state.setTarget(try Samples.snapshot(2)).isNothing)
        #expect(state.ack(third)?.isNothing == true)
        #expect(state.progress(of: 2) == .live, "a higher version counts")
    }

    @Test func staleAnswersAreIgnored() throws {
        var (state, _) = try settled()
        let offer = try #require(state.setTarget(try Samples.snapshot(2)).offer)
        func ack(_ nonce: UInt64, _ history: HistoryID, _ version: UInt64) -> Bool {
            if case .stale = state.received(Ack(nonce: nonce, history: history, version: version)) {
                true
            } else {
                false
            }
        }
        #expect(ack(offer.nonce - 1, offer.history, 2))
        #expect(ack(offer.nonce, .mint(), 2))
        #expect(ack(offer.nonce, offer.history, 3))
        #expect(state.progress(of: 2) == .pending)
        #expect(state.ack(offer) != nil)
        #expect(state.ack(offer) == nil, "answered already")
        #expect(state.nack(offer, a).isStale)
    }

    @Test func aDrainingWorkerGetsNothingMore() throws {
        var (state, _) = try settled()
        _ = state.received(Status(state: .draining, servedVersion: 1, activeConnections: 1, activeStreams: 1))
        #expect(state.setTarget(try Samples.snapshot(2)).isNothing)
        #expect(!state.isServing)
    }

    @Test func theFirstAckMakesAStartingWorkerServe() throws {
        var state = PublisherState()
        _ = state.setTarget(try Samples.snapshot(1))
        let offer = try #require(state.hello(Samples.hello(state: .starting))?.offer)
        #expect(!state.isServing)
        _ = state.ack(offer)
        #expect(state.isServing)
    }

    // MARK: Held back

    @Test func aRefusedObjectStaysAtItsLastForm() throws {
        var (state, _) = try settled()
        let target = try Samples.snapshot(2, [Samples.cluster("a", port: 2), Samples.cluster("b", port: 2)])
        let offer = try #require(state.setTarget(target).offer)
        let retry = try #require(state.nack(offer, b).retry)
        #expect(ports(retry) == ["a": 2, "b": 1])
        #expect(retry.version == 2 && retry.versionRoot == target.root && retry.nonce != offer.nonce)
        #expect(retry.heldBack.map(\.keepsLastForm) == [true])
        #expect(state.ack(retry)?.isNothing == true)
        #expect(state.heldBack.map(\.key) == [b])
        #expect(state.heldBack[0].reasons[0].reason == "no")
        #expect(state.progress(of: 2) == .rejected)
    }

    @Test func aLaterChangeOfAnotherObjectGoesLive() throws {
        var (state, _) = try settled()
        let bad = Samples.cluster("b", port: 2)
        let offer = try #require(state.setTarget(try Samples.snapshot(2, [Samples.cluster("a", port: 1), bad])).offer)
        _ = state.ack(try #require(state.nack(offer, b).retry))
        let next = try #require(state.setTarget(try Samples.snapshot(3, [Samples.cluster("a", port: 3), bad])).offer)
        #expect(ports(next) == ["a": 3, "b": 1], "without asking about the refused form again")
        _ = state.ack(next)
        #expect(state.progress(of: 2) == .rejected)
        #expect(state.progress(of: 3) == .live)
        let mended = try #require(
            state.setTarget(try Samples.snapshot(4, [Samples.cluster("a", port: 3), Samples.cluster("b", port: 4)]))
                .offer)
        #expect(ports(mended) == ["a": 3, "b": 4] && mended.heldBack.isEmpty)
        _ = state.ack(mended)
        #expect(state.heldBack.isEmpty)
        #expect(state.progress(of: 4) == .live)
    }

    /// The refused form of the route has left its cluster, and the version dropped that: the last form still needs it.
    @Test func aLastFormKeepsTheClusterThatTheVersionDropped() throws {
        let first = try Samples.snapshot(1, [Samples.cluster("a"), Samples.route("r", order: 1, to: "a")])
        var state = PublisherState()
        _ = state.setTarget(first)
        _ = state.ack(try #require(state.hello(Samples.hello())?.offer))
        let target = try Samples.snapshot(2, [Samples.cluster("c"), Samples.route("r", order: 1, to: "c")])
        let offer = try #require(state.setTarget(target).offer)
        let retry = try #require(state.nack(offer, ObjectKey(.route, "r")).retry)
        #expect(
            retry.content.objects.inOrderOfKeys().map(\.key) == [a, ObjectKey(.cluster, "c"), ObjectKey(.route, "r")])
        #expect(retry.heldBack.map(\.keepsLastForm) == [true])
    }

    /// What the worker has is not sent again: it could be damaged again on its way.
    @Test func aLastFormTravelsWithoutItsBytes() throws {
        var (state, _) = try settled()
        let target = try Samples.snapshot(2, [Samples.cluster("a", port: 2), Samples.cluster("b", port: 2)])
        let offer = try #require(state.setTarget(target).offer)
        let retry = try #require(state.nack(offer, b).retry)
        var decoder = FrameDecoder()
        for frame in retry.frames() { decoder.append(frame) }
        var bytes: [String: Bool] = [:]
        while let message = try decoder.next() {
            if case .objects(let entries) = message {
                for entry in entries { bytes[entry.name] = entry.form != .kept }
            }
        }
        #expect(bytes == ["a": true])
    }

    @Test func anObjectWithoutFormBeforeIsLeftOutWithWhatNeedsIt() throws {
        var (state, first) = try settled()
        let new = [
            Samples.cluster("c"), Samples.route("r", order: 1, to: "c"),
            Samples.route("s", order: 2, to: "a", path: "/s"),
        ]
        let offer = try #require(
            state.setTarget(try Samples.snapshot(2, first.objects.map(\.object) + new)).offer)
        let retry = try #require(state.nack(offer, ObjectKey(.cluster, "c")).retry)
        #expect(retry.content.objects.inOrderOfKeys().map(\.key) == [a, b, ObjectKey(.route, "s")])
        #expect(retry.heldBack.map(\.key) == [ObjectKey(.cluster, "c"), ObjectKey(.route, "r")])
        #expect(retry.heldBack.map(\.keepsLastForm) == [false, false])
        #expect(retry.heldBack[1].reasons[0].reason == "needs an object that is held back")
        #expect(retry.content.validate().isEmpty)
    }

    /// The fastest of some changes of one cluster among `count`, while a route and a cluster are held back.
    private func timeOfAChange(among count: Int) throws -> Duration {
        var target = try Samples.snapshot(
            1,
            (0..<count).map { Samples.cluster("c\($0)") } + [Samples.route("r", order: 1, to: "c0")])
        var state = PublisherState()
        _ = state.setTarget(target)
        let first = try #require(state.hello(Samples.hello())?.offer)
        _ = state.ack(first)
        let refused = SnapshotObject(Samples.route("r", order: 2, to: "c0"))
        target = target.applying([refused, SnapshotObject(Samples.cluster("new"))], [], version: 2)
        let offer = try #require(state.setTarget(target).offer)
        let retry = try #require(state.nack(offer, refused.key, ObjectKey(.cluster, "new")).retry)
        _ = state.ack(retry)
        var fastest = Duration.seconds(60)
        for version in 3..<23 as Range<UInt64> {
            target = target.applying(
                [SnapshotObject(Samples.cluster("c1", port: UInt16(version)))], [], version: version)
            let start = ContinuousClock.now
            let next = try #require(state.setTarget(target).offer)
            let frames = next.frames().reduce(0) { $0 + $1.count }
            fastest = min(fastest, start.duration(to: .now))
            #expect(next.heldBack.map(\.keepsLastForm) == [false, true] && frames < 1_000)
            #expect(next.content[refused.key] != refused && next.content.objects.count == count + 1)
            _ = state.ack(next)
        }
        return fastest
    }

    @Test func aChangeCostsWhatItChangesWhileObjectsAreHeldBack() throws {
        let few = try timeOfAChange(among: 100)
        let many = try timeOfAChange(among: 10_000)
        print("one change while objects are held back: \(few) among 100, \(many) among 10,000")
        #expect(many < few * 10)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func whatIsHeldBackFromChangeToChangeIsWhatTheWholeWouldBe(seed: UInt64) throws {
        var chance = SeededGenerator(seed)
        var target = try Samples.snapshot(1, (0..<8).map { Samples.cluster("c\($0)") })
        var state = PublisherState()
        _ = state.setTarget(target)
        var offer = try #require(state.hello(Samples.hello())?.offer)
        for version in 2..<60 as Range<UInt64> {
            // Refused now and then, whatever it is; or taken.
            let put = target.objects.map(\.key).sorted().randomElement(using: &chance)
            if let put, chance.next() % 4 == 0, let retry = state.nack(offer, put).retry { offer = retry }
            _ = state.ack(offer)
            let number = Int(chance.next() % 8)
            let objects: [SnapshotObject] =
                switch chance.next() % 3 {
                case 0: [SnapshotObject(Samples.cluster("c\(number)", port: UInt16(version)))]
                case 1:
                    target.objects.of(.cluster).map(\.key.name).sorted().randomElement(using: &chance).map {
                        [SnapshotObject(Samples.route("r\(number)", order: UInt64(number), to: $0))]
                    } ?? []
                default: []
                }
            // A cluster that no route of the version uses may go; a form that is held back may use it.
            let used = target.objects.flatMap(\.object.references)
            let gone = [ObjectKey(.route, "r\(number)"), ObjectKey(.cluster, "c\(number)")].filter {
                !used.contains($0)
            }
            let removals = objects.isEmpty ? gone : []
            target = target.applying(objects, removals, version: version)
            // The same worker on another connection: nothing is judged yet.
            var other = PublisherState()
            _ = other.setTarget(target)
            let whole = other.hello(Samples.hello(served: state.served), memory: state.memory)?.offer
            offer = try #require(state.setTarget(target).offer)
            #expect(
                whole?.content.root == offer.content.root && whole?.heldBack == offer.heldBack, "version \(version)")
        }
    }

    @Test func anObjectRefusedInItsLastFormTooIsLeftOut() throws {
        var (state, _) = try settled()
        let offer = try #require(
            state.setTarget(try Samples.snapshot(2, [Samples.cluster("a", port: 1), Samples.cluster("b", port: 2)]))
                .offer)
        let second = try #require(state.nack(offer, b).retry)
        let third = try #require(state.nack(second, b).retry)
        #expect(ports(third) == ["a": 1])
        guard case .rejected = state.nack(third, b) else {
            Issue.record("there is nothing left to hold back")
            return
        }
        #expect(state.progress(of: 2) == .rejected)
    }

    @Test func aNackWithoutObjectsLeavesTheVersionAndTheNextOneIsTried() throws {
        var (state, _) = try settled()
        let offer = try #require(state.setTarget(try Samples.snapshot(2)).offer)
        let whole = try #require(state.nack(offer, nil).whole, "the differences may have been the mistake")
        #expect(state.nack(whole, nil).afterRejection?.isNothing == true)
        #expect(state.progress(of: 2) == .rejected)
        #expect(state.progress(of: 1) == .live)
        let status = Status(state: .serving, servedVersion: 1, activeConnections: 0, activeStreams: 0)
        #expect(state.received(status).isNothing, "not offered again")
        let next = try #require(state.setTarget(try Samples.snapshot(3)).offer)
        _ = state.ack(next)
        #expect(state.progress(of: 2) == .live, "a higher version holds what it brought")
    }

    @Test func aNackThatCrossesANewTargetHoldsBackInThatOne() throws {
        var (state, _) = try settled()
        let bad = Samples.cluster("b", port: 2)
        let offer = try #require(state.setTarget(try Samples.snapshot(2, [Samples.cluster("a", port: 1), bad])).offer)
        #expect(state.setTarget(try Samples.snapshot(3, [Samples.cluster("a", port: 3), bad])).isNothing)
        let retry = try #require(state.nack(offer, b).retry)
        #expect(retry.version == 3)
        #expect(ports(retry) == ["a": 3, "b": 1])
        _ = state.ack(retry)
        #expect(state.progress(of: 2) == .rejected)
        #expect(state.progress(of: 3) == .live)
    }

    // MARK: Reconnects

    @Test func theSameProcessIsRememberedOverConnections() throws {
        var (state, _) = try settled()
        let bad = Samples.cluster("b", port: 2)
        let offer = try #require(state.setTarget(try Samples.snapshot(2, [Samples.cluster("a", port: 1), bad])).offer)
        _ = state.ack(try #require(state.nack(offer, b).retry))
        let third = try Samples.snapshot(3, [Samples.cluster("a", port: 3), bad])

        var again = PublisherState()
        _ = again.setTarget(third)
        let known = try #require(again.hello(Samples.hello(served: state.served), memory: state.memory)?.offer)
        #expect(ports(known) == ["a": 3, "b": 1])

        var restarted = PublisherState()
        _ = restarted.setTarget(third)
        let fresh = try #require(
            restarted.hello(Samples.hello(served: state.served, incarnation: 78), memory: state.memory)?.offer)
        #expect(ports(fresh) == ["a": 3, "b": 2], "a new process may take what the old one did not")
    }

    @Test func aVersionWithObjectsHeldBackIsNotOfferedAgainToTheSameProcess() throws {
        var (state, _) = try settled()
        let second = try Samples.snapshot(2, [Samples.cluster("a", port: 1), Samples.cluster("b", port: 2)])
        let offer = try #require(state.setTarget(second).offer)
        _ = state.ack(try #require(state.nack(offer, b).retry))
        var again = PublisherState()
        _ = again.setTarget(second)
        #expect(again.hello(Samples.hello(served: state.served), memory: state.memory)?.isNothing == true)
        #expect(again.heldBack.map(\.key) == [b])
    }
}
