// Both state machines speak to each other through frames: whatever happens, they end up agreed.

import ConfigChannel
import ConfigModel
import Testing

/// A worker and the control plane's side of it, with the bytes between them.
private struct Pair {
    var publisher = PublisherState()
    var subscriber = SubscriberState(identity: Samples.identity)
    var downlink = FrameDecoder()
    var uplink = FrameDecoder()
    /// Names of clusters that the worker does not take at port 666.
    var refuses: Set<String> = []
    var publishes = 0

    mutating func connect() throws {
        let memory = publisher.memory
        let target = lastTarget
        publisher = PublisherState()
        if let target { _ = publisher.setTarget(target) }
        (downlink, uplink) = (FrameDecoder(), FrameDecoder())
        uplink.append(encode(subscriber.connected(state: .serving)))
        guard case .hello(let hello)? = try uplink.next(),
            case .accepted(let step) = publisher.received(hello, memory: memory)
        else { throw CancellationError() }
        send(step)
    }

    var lastTarget: Snapshot?

    mutating func publish(_ snapshot: Snapshot) {
        lastTarget = snapshot
        send(publisher.setTarget(snapshot))
    }

    mutating func send(_ step: PublisherState.NextStep) {
        if case .publish(let offer) = step { send(offer) }
    }

    mutating func send(_ offer: Offer) {
        publishes += 1
        for frame in offer.frames() { downlink.append(frame) }
    }

    /// Lets everything on the way arrive.
    mutating func settle() throws {
        while let message = try downlink.next() {
            switch subscriber.received(message) {
            case .nothing: break
            case .answer(let answer): uplink.append(encode(answer))
            case .warm(let candidate): warm(candidate)
            case .refused, .violation: throw CancellationError()
            }
            while let answer = try uplink.next() {
                switch answer {
                case .ack(let ack): if case .live(let step) = publisher.received(ack) { send(step) }
                case .nack(let nack):
                    switch publisher.received(nack) {
                    case .holdBack(let offer), .whole(let offer): send(offer)
                    case .rejected(let step): send(step)
                    case .stale: break
                    }
                default: throw CancellationError()
                }
            }
        }
    }

    mutating func warm(_ candidate: Candidate) {
        var reasons: [ProblemReport] = []
        for case .cluster(let cluster) in candidate.snapshot.objects.map(\.object)
        where refuses.contains(cluster.name) && cluster.endpoints[0].port == 666 {
            reasons.append(ProblemReport(kind: ObjectKind.cluster.rawValue, name: cluster.name, reason: "666"))
        }
        let done =
            reasons.isEmpty
            ? subscriber.warmed(nonce: candidate.nonce, degraded: [])
            : subscriber.unusable(nonce: candidate.nonce, reasons: reasons)
        for answer in done.answers { uplink.append(encode(answer)) }
        if let next = done.next { warm(next) }
    }
}

@Suite struct ChannelPairTests {
    @Test func aWorkerGetsToServeWhatIsPublished() throws {
        var pair = Pair()
        try pair.connect()
        let objects = (0..<5_000).map { Samples.cluster("cluster-\($0)", port: UInt16($0 + 1)) }
        let snapshot = try Samples.snapshot(1, objects)
        pair.publish(snapshot)
        try pair.settle()
        #expect(pair.subscriber.served == ServedVersion(snapshot))
        #expect(pair.subscriber.current?.root == snapshot.root)
        #expect(pair.publisher.progress(of: 1) == .live)
    }

    @Test func anEmptySnapshotIsOneToo() throws {
        var pair = Pair()
        try pair.connect()
        let snapshot = try Samples.snapshot(1, [])
        pair.publish(snapshot)
        try pair.settle()
        #expect(pair.subscriber.served == ServedVersion(snapshot))
    }

    @Test func chunksStayWithinTheirBound() throws {
        let objects = (0..<300).map { number in
            Samples.route(
                "route-\(number)", order: UInt64(number), to: "a", path: "/" + String(repeating: "x", count: 4_000))
        }
        var publisher = PublisherState()
        _ = publisher.setTarget(try Samples.snapshot(1, objects + [Samples.cluster("a")]))
        let offer = try #require(publisher.hello(Samples.hello())?.offer)
        let sizes = offer.frames().map(\.count)
        #expect(sizes.count > 3)
        #expect(sizes.allSatisfy { $0 < ChannelLimits.chunkBytes + 8_192 })
    }

    @Test func bothSidesAgreeAfterAnyRunOfEvents() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let names = ["a", "b", "c", "d"]
        for round in 0..<200 {
            var pair = Pair()
            pair.refuses = ["b", "d"]
            try pair.connect()
            var last: [ConfigObject] = []
            for version in 1...12 {
                let chosen = names.filter { _ in random.next() % 4 != 0 }
                last = chosen.map {
                    Samples.cluster($0, port: random.next() % 3 == 0 ? 666 : UInt16(random.next() % 9 + 1))
                }
                if let target = chosen.first, random.next() % 2 == 0 {
                    last.append(Samples.route("r", order: 1, to: target))
                }
                pair.publish(try Samples.snapshot(UInt64(version), last))
                if random.next() % 3 == 0 { try pair.settle() }
                if random.next() % 6 == 0 {
                    pair.subscriber.disconnected()
                    try pair.connect()
                }
            }
            try pair.settle()
            let served = try #require(pair.subscriber.current, "seed \(seed) round \(round)")
            #expect(pair.publisher.served == pair.subscriber.served, "seed \(seed) round \(round)")
            #expect(served.version == 12, "seed \(seed) round \(round)")
            #expect(served.validate().isEmpty, "seed \(seed) round \(round)")
            let held = Set(pair.publisher.heldBack.map(\.key))
            for object in last where !held.contains(object.key) {
                #expect(
                    served[object.key]?.object == object,
                    "seed \(seed) round \(round): \(object.key) is not in its newest form")
            }
            let refused = last.contains { object in
                if case .cluster(let cluster) = object {
                    pair.refuses.contains(cluster.name) && cluster.endpoints[0].port == 666
                } else {
                    false
                }
            }
            #expect(refused != held.isEmpty, "seed \(seed) round \(round)")
        }
    }
}
