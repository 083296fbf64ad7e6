// The publisher with links that only record what it wants to send.

import ConfigChannel
import ConfigModel
import ControlPlane
import Logging
import Seal
import Synchronization
import Testing

/// A connection that leads nowhere: offers and refusals are kept for the test.
final class RecordingLink: Sendable {
    let offers: AsyncStream<Offer>
    private let queue: AsyncStream<Offer>.Continuation
    private let refusals = Mutex<[Refused]>([])

    init() {
        (offers, queue) = AsyncStream.makeStream(of: Offer.self)
    }

    var link: WorkerLink {
        WorkerLink(
            peer: PeerCredentials(pid: 1, uid: 1000, gid: 1000), send: { self.queue.yield($0) },
            refuse: { refused in self.refusals.withLock { $0.append(refused) } })
    }

    var refused: [Refused] { refusals.withLock { $0 } }

    func nextOffer() async -> Offer? {
        var iterator = offers.makeAsyncIterator()
        return await iterator.next()
    }
}

enum PublishSamples {
    static let history = HistoryID.mint()

    static func cluster(_ name: String, port: UInt16 = 80) -> ConfigObject {
        .cluster(Cluster(name: name, endpoints: [Endpoint(host: "127.0.0.1", port: port)], protocol: .http1))
    }

    static func snapshot(
        _ version: UInt64, history: HistoryID = history, _ objects: [ConfigObject] = [cluster("a")]
    ) throws -> Snapshot {
        try Snapshot(historyID: history, version: version, objects: objects)
    }

    static func hello(
        _ workerID: String = "w1", state: WorkerState = .serving, served: ServedVersion? = nil, incarnation: UInt64 = 1
    ) -> Message {
        .hello(
            Hello(
                workerID: workerID, incarnation: incarnation, softwareVersion: "1.0", pid: 42, state: state,
                served: served))
    }
}

extension Offer {
    var ack: Message { .ack(Ack(nonce: nonce, history: history, version: version)) }

    func nack(_ keys: ObjectKey...) -> Message {
        let reasons = keys.map { ProblemReport(kind: $0.kind.rawValue, name: $0.name, field: "f", reason: "no") }
        return .nack(
            Nack(
                nonce: nonce, history: history, version: version,
                reasons: reasons.isEmpty ? [ProblemReport(reason: "all of it")] : reasons))
    }
}

@Suite(.timeLimit(.minutes(1))) struct PublisherTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func publisher(minting history: HistoryID = .mint()) -> Publisher {
        Publisher(mintHistory: { _, _ in history }, logger: logger)
    }

    /// A worker that serves what was published last.
    private func worker(_ id: String, of publisher: Publisher) async throws -> (RecordingLink, Publisher.ConnectionID) {
        let link = RecordingLink()
        let connection = await publisher.connected(link.link)
        #expect(await publisher.received(PublishSamples.hello(id), from: connection) == nil)
        if await publisher.current != nil {
            let offer = try #require(await link.nextOffer())
            #expect(await publisher.received(offer.ack, from: connection) == nil)
        }
        return (link, connection)
    }

    @Test func everyConnectedWorkerGetsWhatIsPublishedAndLaterOnesToo() async throws {
        let publisher = publisher()
        let (first, _) = try await worker("w1", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(1))
        #expect(await first.nextOffer()?.version == 1)
        let late = RecordingLink()
        let connection = await publisher.connected(late.link)
        _ = await publisher.received(PublishSamples.hello("w2"), from: connection)
        #expect(await late.nextOffer()?.version == 1)
    }

    @Test func aWorkerThatDoesNotAnswerHoldsUpNobody() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (stuck, stuckID) = try await worker("stuck", of: publisher)
        let (quick, quickID) = try await worker("quick", of: publisher)
        for version in 2...50 {
            await publisher.publish(try PublishSamples.snapshot(UInt64(version)))
            let offer = try #require(await quick.nextOffer())
            #expect(offer.version == UInt64(version))
            _ = await publisher.received(offer.ack, from: quickID)
        }
        let old = try #require(await stuck.nextOffer())
        #expect(old.version == 2)
        _ = await publisher.received(old.ack, from: stuckID)
        #expect(await stuck.nextOffer()?.version == 50, "what came between is skipped")
    }

    @Test func anOlderVersionIsNotPublished() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(3))
        await publisher.publish(try PublishSamples.snapshot(2))
        #expect(await publisher.current?.version == 3)
    }

    // MARK: Waiting

    @Test func withoutAServingWorkerNobodyWaits() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        #expect(await publisher.live(1) == .noWorker)
        #expect(await publisher.waitLive(version: 1, timeout: .seconds(30)) == .noWorker)
        let connection = await publisher.connected(RecordingLink().link)
        _ = await publisher.received(PublishSamples.hello(state: .warming), from: connection)
        #expect(await publisher.waitLive(version: 1, timeout: .seconds(30)) == .noWorker)
    }

    @Test func aVersionIsLiveOnceEveryServingWorkerHasIt() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (first, firstID) = try await worker("w1", of: publisher)
        let (second, secondID) = try await worker("w2", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(2))
        #expect(await publisher.live(2) == .no)
        #expect(await publisher.live(1) == .yes)
        async let waited = publisher.waitLive(version: 2, timeout: .seconds(30))
        _ = await publisher.received(try #require(await first.nextOffer()).ack, from: firstID)
        #expect(await publisher.live(2) == .no)
        _ = await publisher.received(try #require(await second.nextOffer()).ack, from: secondID)
        #expect(await waited == .yes)
        #expect(await publisher.live(2) == .yes)
    }

    @Test func aLaterVersionCounts() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (link, id) = try await worker("w1", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(2))
        let second = try #require(await link.nextOffer())
        await publisher.publish(try PublishSamples.snapshot(3))
        await publisher.publish(try PublishSamples.snapshot(4))
        async let third = publisher.waitLive(version: 3, timeout: .seconds(30))
        _ = await publisher.received(second.ack, from: id)
        _ = await publisher.received(try #require(await link.nextOffer()).ack, from: id)
        #expect(await third == .yes)
    }

    @Test func aRefusalIsToldToThoseWhoWait() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (link, id) = try await worker("w1", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(2))
        async let waited = publisher.waitLive(version: 2, timeout: .seconds(30))
        _ = await publisher.received(try #require(await link.nextOffer()).nack(), from: id)
        // The differences may have been the mistake: now comes everything.
        _ = await publisher.received(try #require(await link.nextOffer()).nack(), from: id)
        #expect(await waited == .rejected)
        let report = try #require(await publisher.report().first)
        #expect(report.servedVersion == 1)
        #expect(report.lastNack?.version == 2)
        #expect(report.lastNack?.reasons.map(\.reason) == ["all of it"])
    }

    @Test func oneBadObjectRejectsItsOwnVersionAndNoLaterOne() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (link, id) = try await worker("w1", of: publisher)
        let bad = PublishSamples.cluster("bad")
        await publisher.publish(try PublishSamples.snapshot(2, [PublishSamples.cluster("a"), bad]))
        async let waited = publisher.waitLive(version: 2, timeout: .seconds(30))
        _ = await publisher.received(try #require(await link.nextOffer()).nack(ObjectKey(.cluster, "bad")), from: id)
        _ = await publisher.received(try #require(await link.nextOffer()).ack, from: id)
        #expect(await waited == .rejected)
        let held = try #require(await publisher.report().first?.heldBack.first)
        #expect(held.kind == "cluster" && held.name == "bad" && !held.keepsLastForm)
        #expect(held.reasons.map(\.reason) == ["no"])
        await publisher.publish(try PublishSamples.snapshot(3, [PublishSamples.cluster("a", port: 81), bad]))
        async let later = publisher.waitLive(version: 3, timeout: .seconds(30))
        _ = await publisher.received(try #require(await link.nextOffer()).ack, from: id)
        #expect(await later == .yes)
    }

    @Test func aWorkerThatGoesOrDrainsIsNoLongerAsked() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (first, firstID) = try await worker("w1", of: publisher)
        let (_, secondID) = try await worker("w2", of: publisher)
        let (_, thirdID) = try await worker("w3", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(2))
        async let waited = publisher.waitLive(version: 2, timeout: .seconds(30))
        _ = await publisher.received(try #require(await first.nextOffer()).ack, from: firstID)
        await publisher.disconnected(secondID)
        let draining = Status(state: .draining, servedVersion: 1, activeConnections: 0, activeStreams: 0)
        _ = await publisher.received(.status(draining), from: thirdID)
        #expect(await waited == .yes)
    }

    @Test func waitingEndsAtItsTimeoutOrWithTheTask() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        _ = try await worker("w1", of: publisher)
        #expect(await publisher.waitLive(version: 9, timeout: .milliseconds(1)) == .timeout)
        #expect(await publisher.waitLive(version: 9, timeout: .seconds(-1)) == .timeout)
        let task = Task { await publisher.waitLive(version: 9, timeout: .seconds(50)) }
        task.cancel()
        #expect(await task.value == .timeout)
    }

    // MARK: Histories

    @Test func aForkMintsAHistoryAndPublishesEverythingUnderIt() async throws {
        let minted = HistoryID.mint()
        let publisher = publisher(minting: minted)
        await publisher.publish(try PublishSamples.snapshot(4))
        let (other, otherID) = try await worker("w1", of: publisher)
        let ahead = RecordingLink()
        let aheadID = await publisher.connected(ahead.link)
        let served = ServedVersion(try PublishSamples.snapshot(9))
        _ = await publisher.received(PublishSamples.hello("w2", served: served), from: aheadID)
        for (link, id) in [(other, otherID), (ahead, aheadID)] {
            let offer = try #require(await link.nextOffer())
            #expect(offer.history == minted && offer.version == 4)
            _ = await publisher.received(offer.ack, from: id)
        }
        #expect(await publisher.live(4) == .yes)
        // Compiled before the new history was stored.
        await publisher.publish(try PublishSamples.snapshot(5))
        let offer = try #require(await other.nextOffer())
        #expect(offer.history == minted && offer.version == 5)
    }

    @Test func twoForkedWorkersMintOneHistory() async throws {
        let minted = Mutex(0)
        let publisher = Publisher(
            mintHistory: { _, _ in
                minted.withLock { $0 += 1 }
                return .mint()
            }, logger: logger)
        await publisher.publish(try PublishSamples.snapshot(4))
        var links: [RecordingLink] = []
        for id in ["w1", "w2"] {
            let link = RecordingLink()
            let connection = await publisher.connected(link.link)
            let served = ServedVersion(try PublishSamples.snapshot(9))
            _ = await publisher.received(PublishSamples.hello(id, served: served), from: connection)
            links.append(link)
        }
        let histories = [await links[0].nextOffer()?.history, await links[1].nextOffer()?.history]
        #expect(histories[0] != nil && histories[0] == histories[1])
        #expect(minted.withLock { $0 } == 1)
    }

    @Test func aRestoredSnapshotIsTheTargetWhateverItsVersion() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(7))
        let (link, id) = try await worker("w1", of: publisher)
        await publisher.publish(try PublishSamples.snapshot(8, [PublishSamples.cluster("b")]))
        let before = try #require(await link.nextOffer())
        let restored = try PublishSamples.snapshot(3, history: .mint(), [PublishSamples.cluster("c")])
        await publisher.restored(restored, ending: PublishSamples.history)
        // Stored before, and late.
        await publisher.publish(try PublishSamples.snapshot(9, [PublishSamples.cluster("d")]))
        #expect(await publisher.current?.root == restored.root)
        _ = await publisher.received(before.ack, from: id)
        let offer = try #require(await link.nextOffer())
        #expect(offer.history == restored.historyID && offer.version == 3)
        _ = await publisher.received(offer.ack, from: id)
        #expect(await publisher.live(3) == .yes)
        await publisher.publish(try PublishSamples.snapshot(4, history: restored.historyID))
        #expect(await link.nextOffer()?.version == 4)
    }

    @Test func aHistoryMintedForWhatWasReplacedIsDropped() async throws {
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let (answered, answer) = AsyncStream.makeStream(of: HistoryID.self)
        let publisher = Publisher(
            mintHistory: { _, _ in
                ask.yield()
                return await answered.first { _ in true }
            }, logger: logger)
        await publisher.publish(try PublishSamples.snapshot(4))
        let link = RecordingLink()
        let connection = await publisher.connected(link.link)
        let served = ServedVersion(try PublishSamples.snapshot(9))
        _ = await publisher.received(PublishSamples.hello(served: served), from: connection)
        _ = await asked.first { _ in true }
        // The history was stored, and the database replaced before the publisher heard of it.
        let minted = HistoryID.mint()
        let restored = try PublishSamples.snapshot(2, history: .mint(), [PublishSamples.cluster("c")])
        await publisher.restored(restored, ending: minted)
        answer.yield(minted)
        let offer = try #require(await link.nextOffer())
        #expect(offer.history == restored.historyID && offer.version == 2)
        #expect(await publisher.current?.historyID == restored.historyID)
    }

    // MARK: Connections

    @Test func aSecondConnectionOfAWorkerReplacesTheFirst() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let (old, oldID) = try await worker("w1", of: publisher)
        let (_, newID) = try await worker("w1", of: publisher)
        #expect(old.refused.map(\.code) == [.replaced])
        #expect(await publisher.report().count == 1)
        let status = Status(state: .serving, servedVersion: 1, activeConnections: 7, activeStreams: 8)
        #expect(await publisher.received(.status(status), from: oldID)?.code == .replaced)
        #expect(await publisher.received(.status(status), from: newID) == nil)
        #expect(await publisher.report().map(\.activeStreams) == [8])
        await publisher.disconnected(oldID)
        #expect(await publisher.report().count == 1)
    }

    @Test func whatIsOutOfOrderIsRefused() async throws {
        let publisher = publisher()
        let connection = await publisher.connected(RecordingLink().link)
        #expect(await publisher.received(.publishEnd(nonce: 1), from: connection)?.code == .malformed)
        _ = await publisher.received(PublishSamples.hello(), from: connection)
        #expect(await publisher.received(PublishSamples.hello(), from: connection)?.code == .malformed)
        #expect(await publisher.received(.objects([]), from: connection)?.code == .malformed)
        #expect(await publisher.received(.statistics([]), from: connection) == nil)
    }

    @Test func degradedObjectsAreReported() async throws {
        let publisher = publisher()
        await publisher.publish(try PublishSamples.snapshot(1))
        let link = RecordingLink()
        let connection = await publisher.connected(link.link)
        _ = await publisher.received(PublishSamples.hello(state: .starting), from: connection)
        let offer = try #require(await link.nextOffer())
        let problem = ObjectProblem(key: ObjectKey(.listener, "http"), field: "port", reason: "in use")
        let ack = Ack(nonce: offer.nonce, history: offer.history, version: 1, degraded: [ProblemReport(problem)])
        _ = await publisher.received(.ack(ack), from: connection)
        let report = try #require(await publisher.report().first)
        #expect(report.state == "serving" && report.servedVersion == 1 && report.uid == 1000 && report.pid == 42)
        #expect(report.degraded.map(\.name) == ["http"])
        #expect(report.degraded.map(\.kind) == ["listener"])
        #expect(report.lastAck?.version == 1 && report.publishing == nil)
    }
}
