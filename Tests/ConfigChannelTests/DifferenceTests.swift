// Publishes of what differs: when they are made, what they carry, and what happens where they do not fit.

import ConfigChannel
import ConfigModel
import Seal
import Testing

@Suite struct DifferenceTests {
    private let a = ObjectKey(.cluster, "a")
    private let b = ObjectKey(.cluster, "b")

    private func first() throws -> Snapshot {
        try Samples.snapshot(1, [Samples.cluster("a", port: 1), Samples.cluster("b", port: 1)])
    }

    private func second() throws -> Snapshot {
        try Samples.snapshot(2, [Samples.cluster("a", port: 2), Samples.cluster("c")])
    }

    /// What an offer says, once decoded.
    private func content(_ offer: Offer) throws -> (begin: PublishBegin, entries: [String: ObjectEntry.Form]) {
        var decoder = FrameDecoder()
        for frame in offer.frames() { decoder.append(frame) }
        guard case .publishBegin(let begin) = try decoder.next() else { throw CancellationError() }
        var entries: [String: ObjectEntry.Form] = [:]
        while case .objects(let more) = try decoder.next() {
            for entry in more { entries[entry.name] = entry.form }
        }
        #expect(begin.objectCount == UInt32(entries.count))
        return (begin, entries)
    }

    private func settled() throws -> PublisherState {
        var state = PublisherState()
        _ = state.setTarget(try first())
        _ = state.ack(try #require(state.hello(Samples.hello())?.offer))
        return state
    }

    // MARK: Publisher

    @Test func afterAnAckOnlyWhatDiffersIsSent() throws {
        var state = try settled()
        let offer = try #require(state.setTarget(try second()).offer)
        let (begin, entries) = try content(offer)
        #expect(try begin.base == first().root && begin.root == second().root)
        #expect(
            entries == [
                "a": .bytes(Samples.cluster("a", port: 2).canonicalBytes()),
                "c": .bytes(Samples.cluster("c").canonicalBytes()), "b": .removed,
            ])
    }

    @Test func aFirstPublishCarriesEverything() throws {
        var state = PublisherState()
        _ = state.setTarget(try first())
        let (begin, entries) = try content(try #require(state.hello(Samples.hello())?.offer))
        #expect(begin.base == nil && entries.count == 2)
    }

    @Test func aRootThatIsRememberedIsABaseAndAnotherIsNone() throws {
        let (old, new) = (try first(), try second())
        for remembered in [true, false] {
            var state = PublisherState()
            _ = state.setTarget(new)
            let hello = Samples.hello(served: ServedVersion(old))
            guard
                case .accepted(.publish(let offer)) = state.received(
                    hello, recent: { remembered && $0 == old.root ? old : nil })
            else { throw CancellationError() }
            let (begin, entries) = try content(offer)
            #expect(begin.base == (remembered ? old.root : nil))
            #expect(entries.count == (remembered ? 3 : 2))
        }
    }

    @Test func differencesThatDoNotFitBringEverythingOnce() throws {
        var state = try settled()
        let offer = try #require(state.setTarget(try second()).offer)
        let whole = try #require(state.nack(offer, nil).whole)
        let (begin, entries) = try content(whole)
        #expect(begin.base == nil && begin.version == 2 && entries.count == 2 && begin.nonce != offer.nonce)
        #expect(state.nack(whole, nil).afterRejection?.isNothing == true, "never a loop")
        let third = try Samples.snapshot(3)
        #expect(try content(try #require(state.setTarget(third).offer)).begin.base == nil, "nothing is known any more")
    }

    @Test func theNewestTargetIsWhatTheWholeBrings() throws {
        var state = try settled()
        let offer = try #require(state.setTarget(try second()).offer)
        #expect(state.setTarget(try Samples.snapshot(3)).isNothing)
        #expect(state.nack(offer, nil).whole?.version == 3)
    }

    @Test func whatIsHeldBackDoesNotTravel() throws {
        var state = try settled()
        let target = try Samples.snapshot(2, [Samples.cluster("a", port: 2), Samples.cluster("b", port: 2)])
        let offer = try #require(state.setTarget(target).offer)
        let retry = try #require(state.nack(offer, b).retry)
        let (begin, entries) = try content(retry)
        #expect(try begin.base == first().root && begin.root != target.root)
        #expect(Set(entries.keys) == ["a"])
        _ = state.ack(retry)
        let next = try Samples.snapshot(3, [Samples.cluster("a", port: 3), Samples.cluster("b", port: 2)])
        let later = try content(try #require(state.setTarget(next).offer))
        #expect(later.begin.base == retry.content.root && Set(later.entries.keys) == ["a"])
    }

    @Test func whatIsKeptInAnUnknownFormIsNoBase() throws {
        let full = try Samples.snapshot(4, [Samples.cluster("a"), Samples.cluster("b")])
        var state = PublisherState()
        _ = state.setTarget(full)
        let served = ServedVersion(
            history: Samples.history, version: 4, versionRoot: full.root, root: SHA256.hash([7]))
        let offer = try #require(state.hello(Samples.hello(served: served))?.offer)
        let retry = try #require(state.nack(offer, b).retry)
        #expect(try content(retry).entries == ["a": .bytes(Samples.cluster("a").canonicalBytes()), "b": .kept])
        _ = state.ack(retry)
        let next = try Samples.snapshot(5, [Samples.cluster("a", port: 9), Samples.cluster("b")])
        let (begin, entries) = try content(try #require(state.setTarget(next).offer))
        #expect(begin.base == nil && begin.root == nil && entries["b"] == .kept)
    }

    @Test func anotherHistoryWithTheSameObjectsIsAnEmptyDifference() throws {
        var state = try settled()
        let minted = HistoryID.mint()
        let offer = try #require(state.setTarget(try first().under(minted)).offer)
        let (begin, entries) = try content(offer)
        #expect(begin.history == minted && begin.base == begin.root && entries.isEmpty)
    }

    // MARK: Subscriber

    private func subscriber() throws -> SubscriberState {
        var state = SubscriberState(identity: Samples.identity, current: try first())
        _ = state.connected(state: .serving)
        return state
    }

    private func publish(
        base: Hash256, root: Hash256, _ entries: [ObjectEntry]
    ) -> [Message] {
        [
            .publishBegin(
                PublishBegin(
                    nonce: 1, history: Samples.history, version: 2, versionRoot: root, root: root, base: base,
                    objectCount: UInt32(entries.count))),
            .objects(entries), .publishEnd(nonce: 1),
        ]
    }

    private var changes: [ObjectEntry] {
        [
            ObjectEntry(b, .removed), ObjectEntry(a, .bytes(Samples.cluster("a", port: 2).canonicalBytes())),
            ObjectEntry(ObjectKey(.cluster, "c"), .bytes(Samples.cluster("c").canonicalBytes())),
        ]
    }

    @Test func differencesAreAppliedToWhatIsServed() throws {
        var state = try subscriber()
        let messages = publish(base: try first().root, root: try second().root, changes)
        let candidate = try #require(state.receive(messages).candidate)
        #expect(try candidate.snapshot.root == second().root && candidate.served == ServedVersion(second()))
        _ = state.warmed(nonce: 1, degraded: [])
        #expect(state.current?.version == 2)
    }

    @Test func differencesToWhatIsNotServedAreNackedAsAWhole() throws {
        var state = try subscriber()
        let elsewhere = publish(base: SHA256.hash([1]), root: try second().root, changes)
        #expect(state.receive(elsewhere).nack?.reasons.map(\.key) == [nil])
        var fresh = SubscriberState(identity: Samples.identity)
        _ = fresh.connected(state: .starting)
        #expect(fresh.receive(elsewhere).nack?.reasons.map(\.key) == [nil])
    }

    @Test func differencesThatMissTheRootAreNackedAsAWhole() throws {
        var state = try subscriber()
        let (base, root) = (try first().root, try second().root)
        for entries in [
            Array(changes.dropFirst()), changes + [changes[0]],
            changes + [ObjectEntry(ObjectKey(.cluster, "d"), .bytes(Samples.cluster("d").canonicalBytes()))],
        ] {
            let nack = try #require(state.receive(publish(base: base, root: root, entries)).nack)
            #expect(nack.reasons.map(\.key) == [nil])
        }
        #expect(state.served?.version == 1)
    }

    @Test func differencesAreJudgedByWhatTheyTouch() throws {
        let whole = try Samples.snapshot(1, [Samples.cluster("a", port: 1), Samples.route("r", order: 1, to: "a")])
        var state = SubscriberState(identity: Samples.identity, current: whole)
        _ = state.connected(state: .serving)
        let after = whole.applying([], [a], version: 2)
        let nack = state.receive(publish(base: whole.root, root: after.root, [ObjectEntry(a, .removed)])).nack
        #expect(nack?.reasons.map(\.key) == [ObjectKey(.route, "r")])
    }
}
