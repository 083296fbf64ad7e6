// The worker's rules, by event and returned action.

import ConfigChannel
import ConfigModel
import Seal
import Testing

extension SubscriberState {
    /// Feeds a whole publish and returns what its last message asks for.
    mutating func receive(_ messages: [Message]) -> OnMessage {
        var last = OnMessage.nothing
        for message in messages { last = received(message) }
        return last
    }
}

extension SubscriberState.OnMessage {
    var candidate: Candidate? { if case .warm(let candidate) = self { candidate } else { nil } }
    var violation: String? { if case .violation(let reason) = self { reason } else { nil } }
    var isNothing: Bool { if case .nothing = self { true } else { false } }

    var ack: Ack? {
        if case .answer(.ack(let ack)) = self { ack } else { nil }
    }

    var nack: Nack? {
        if case .answer(.nack(let nack)) = self { nack } else { nil }
    }
}

@Suite struct SubscriberStateTests {
    private func connected(_ served: Snapshot? = nil) -> SubscriberState {
        var state = SubscriberState(identity: Samples.identity, current: served)
        _ = state.connected(state: .serving)
        return state
    }

    @Test func opensWithAHelloThatTellsWhatIsServed() throws {
        let snapshot = try Samples.snapshot(3)
        var state = SubscriberState(identity: Samples.identity, current: snapshot)
        #expect(
            state.connected(state: .warming)
                == .hello(Samples.hello(state: .warming, served: ServedVersion(snapshot))))
        var fresh = SubscriberState(identity: Samples.identity)
        #expect(fresh.connected(state: .starting) == .hello(Samples.hello(state: .starting)))
    }

    @Test func warmsACompletePublishAndAcksItOnceServed() throws {
        let snapshot = try Samples.snapshot(4)
        var state = connected()
        let candidate = try #require(state.receive(Samples.publish(snapshot, nonce: 9)).candidate)
        #expect(candidate.snapshot.root == snapshot.root)
        #expect(state.served == nil)
        let degraded = ObjectProblem(key: ObjectKey(.listener, "http"), field: "port", reason: "in use")
        let done = state.warmed(nonce: 9, degraded: [degraded])
        #expect(
            done.answers == [
                .ack(Ack(nonce: 9, history: Samples.history, version: 4, degraded: [ProblemReport(degraded)]))
            ])
        #expect(done.next == nil)
        #expect(state.served == ServedVersion(snapshot))
        #expect(state.current?.root == snapshot.root)
    }

    @Test func nacksWhatTheWorkerCannotUseAndServesOn() throws {
        let old = try Samples.snapshot(3)
        var state = connected(old)
        _ = state.receive(Samples.publish(try Samples.snapshot(4, [Samples.cluster("b")]), nonce: 9))
        let reason = ProblemReport(kind: 4, name: "b", reason: "no")
        let done = state.unusable(nonce: 9, reasons: [reason])
        #expect(done.answers == [.nack(Nack(nonce: 9, history: Samples.history, version: 4, reasons: [reason]))])
        #expect(state.served == ServedVersion(old))
    }

    @Test func nacksByNameWhatIsDamagedUnknownOrInvalid() throws {
        let snapshot = try Samples.snapshot(4, [Samples.cluster("a"), Samples.cluster("b")])
        func answer(_ change: (inout [ObjectEntry]) -> Void) throws -> Nack {
            var messages = Samples.publish(snapshot, nonce: 9)
            guard case .objects(var entries) = messages[1] else { throw CancellationError() }
            change(&entries)
            messages[1] = .objects(entries)
            var state = connected()
            return try #require(state.receive(messages).nack)
        }
        let damaged = try answer { $0[1].form = .bytes(Samples.cluster("b").canonicalBytes().dropLast()) }
        #expect(damaged.reasons.map(\.key) == [ObjectKey(.cluster, "b")])
        #expect(damaged.reasons[0].reason.contains("damaged"))
        let renamed = try answer { $0[1].name = "c" }
        #expect(renamed.reasons.map(\.key) == [ObjectKey(.cluster, "c")])
        let unknown = try answer { $0[1].kind = 99 }
        #expect(unknown.reasons == [ProblemReport(kind: 99, name: "b", reason: "kind 99 is not known to this worker")])
        let invalid = try answer {
            $0[1].form = .bytes(
                ConfigObject.cluster(
                    Cluster(name: "b", endpoints: [Endpoint(host: "127.0.0.1", port: 0)], protocol: .http1)
                ).canonicalBytes())
        }
        #expect(invalid.reasons.map(\.name) == [""], "another object than the root tells")
        let twice = try answer { $0[1] = $0[0] }
        #expect(twice.reasons.map(\.kind) == [0])
        #expect(twice.version == 4 && twice.nonce == 9)
    }

    @Test func checksTheSnapshotAsTheControlPlaneDoes() throws {
        let invalid = try Samples.snapshot(4, [Samples.route("r", order: 1, to: "missing")])
        var state = connected()
        let nack = try #require(state.receive(Samples.publish(invalid, nonce: 9)).nack)
        #expect(nack.reasons.map(\.key) == [ObjectKey(.route, "r")])
        #expect(nack.reasons[0].field == "destinations[0].cluster")
    }

    @Test func nacksAWrongRootAndAWrongCount() throws {
        let snapshot = try Samples.snapshot(4)
        var messages = Samples.publish(snapshot, nonce: 9)
        messages[0] = .publishBegin(
            PublishBegin(
                nonce: 9, history: Samples.history, version: 4, versionRoot: snapshot.root, root: SHA256.hash([]),
                objectCount: 1))
        var state = connected()
        #expect(state.receive(messages).nack?.reasons.map(\.kind) == [0])
        messages[0] = .publishBegin(
            PublishBegin(
                nonce: 9, history: Samples.history, version: 4, versionRoot: snapshot.root, root: snapshot.root,
                objectCount: 2))
        state = connected()
        #expect(state.receive(messages).nack?.reasons[0].reason == "1 objects came, 2 were announced")
    }

    @Test func neverGoesBackWithinAHistory() throws {
        var state = connected(try Samples.snapshot(5))
        let older = state.receive(Samples.publish(try Samples.snapshot(4), nonce: 1))
        #expect(older.nack?.reasons[0].reason.contains("older") == true)
        let other = state.receive(Samples.publish(try Samples.snapshot(5, [Samples.cluster("b")]), nonce: 2))
        #expect(other.nack?.reasons[0].reason.contains("other contents") == true)
        let newHistory = state.receive(Samples.publish(try Samples.snapshot(1, history: .mint()), nonce: 3))
        #expect(newHistory.candidate != nil)
    }

    @Test func takesTheSameVersionWithOtherObjectsHeldBack() throws {
        let full = try Samples.snapshot(5, [Samples.cluster("a"), Samples.cluster("b")])
        let reduced = try Samples.snapshot(5, [Samples.cluster("a")])
        var state = SubscriberState(
            identity: Samples.identity, current: reduced,
            served: ServedVersion(
                history: Samples.history, version: 5, versionRoot: full.root, root: reduced.root))
        _ = state.connected(state: .serving)
        #expect(state.receive(Samples.publish(full, nonce: 1)).candidate?.served == ServedVersion(full))
    }

    @Test func acksAtOnceWhatIsServedAlready() throws {
        let snapshot = try Samples.snapshot(5)
        var state = connected(snapshot)
        #expect(state.receive(Samples.publish(snapshot, nonce: 6)).ack?.nonce == 6)
    }

    @Test func keepsTheServedFormOfAnObjectThatComesWithoutBytes() throws {
        let old = try Samples.snapshot(3, [Samples.cluster("a", port: 1), Samples.cluster("b", port: 1)])
        var state = connected(old)
        let candidate = state.receive([
            .publishBegin(
                PublishBegin(
                    nonce: 1, history: Samples.history, version: 4, versionRoot: SHA256.hash([]), root: nil,
                    objectCount: 3)),
            .objects([
                ObjectEntry(kind: 4, name: "a", form: .bytes(Samples.cluster("a", port: 2).canonicalBytes())),
                ObjectEntry(kind: 4, name: "b", form: .kept),
                ObjectEntry(kind: 4, name: "never seen", form: .kept),
            ]), .publishEnd(nonce: 1),
        ]).candidate
        let wanted = try Samples.snapshot(4, [Samples.cluster("a", port: 2), Samples.cluster("b", port: 1)])
        #expect(candidate?.snapshot.root == wanted.root)
        #expect(candidate?.served.root == wanted.root)
    }

    @Test func aPublishThatComesWhileOneIsWarmedWaitsAndTheNewestWins() throws {
        var state = connected()
        let versions = try (4...6).map { try Samples.snapshot($0) }
        #expect(state.receive(Samples.publish(versions[0], nonce: 1)).candidate?.nonce == 1)
        #expect(state.receive(Samples.publish(versions[1], nonce: 2)).isNothing)
        #expect(state.receive(Samples.publish(versions[2], nonce: 3)).isNothing)
        let first = state.warmed(nonce: 1, degraded: [])
        #expect(first.answers == [.ack(Ack(nonce: 1, history: Samples.history, version: 4))])
        #expect(first.next?.nonce == 3)
        let second = state.warmed(nonce: 3, degraded: [])
        #expect(second.answers == [.ack(Ack(nonce: 3, history: Samples.history, version: 6))])
        #expect(state.served?.version == 6)
    }

    @Test func anAnswerWithoutItsConnectionIsNotSent() throws {
        var state = connected()
        let snapshot = try Samples.snapshot(4)
        _ = state.receive(Samples.publish(snapshot, nonce: 1))
        state.disconnected()
        _ = state.connected(state: .serving)
        #expect(
            state.receive(Samples.publish(snapshot, nonce: 1)).isNothing,
            "the same version again, as the hello asked for it")
        let done = state.warmed(nonce: 1, degraded: [])
        #expect(
            done.answers == [.ack(Ack(nonce: 1, history: Samples.history, version: 4))],
            "that of the new connection only")
        #expect(done.next == nil)
        #expect(state.served == ServedVersion(snapshot))
    }

    @Test func whatWaitedIsForgottenWithItsConnection() throws {
        var state = connected()
        _ = state.receive(Samples.publish(try Samples.snapshot(4), nonce: 1))
        _ = state.receive(Samples.publish(try Samples.snapshot(5), nonce: 2))
        state.disconnected()
        let done = state.warmed(nonce: 1, degraded: [])
        #expect(done.answers.isEmpty && done.next == nil)
        #expect(state.served?.version == 4)
    }

    @Test func resultsOfUnknownCandidatesAreIgnored() throws {
        var state = connected()
        _ = state.receive(Samples.publish(try Samples.snapshot(4), nonce: 1))
        #expect(state.warmed(nonce: 2, degraded: []).answers.isEmpty)
        #expect(state.unusable(nonce: 2, reasons: []).answers.isEmpty)
        #expect(state.served == nil)
        #expect(state.warmed(nonce: 1, degraded: []).answers.count == 1)
        #expect(state.warmed(nonce: 1, degraded: []).answers.isEmpty)
    }

    @Test func aNewPublishReplacesOneThatIsNotComplete() throws {
        var state = connected()
        let messages = Samples.publish(try Samples.snapshot(4), nonce: 1)
        _ = state.receive(Array(messages[..<2]))
        #expect(state.receive(Samples.publish(try Samples.snapshot(5), nonce: 2)).candidate?.snapshot.version == 5)
    }

    @Test func whatIsOutOfOrderEndsTheConnection() throws {
        var state = connected()
        #expect(state.received(.objects([])).violation != nil)
        #expect(state.received(.publishEnd(nonce: 1)).violation != nil)
        #expect(state.received(.hello(Samples.hello())).violation != nil)
        #expect(state.received(.ack(Ack(nonce: 1, history: .mint(), version: 1))).violation != nil)
        let messages = Samples.publish(try Samples.snapshot(4), nonce: 1)
        _ = state.receive(Array(messages[..<2]))
        #expect(state.received(.publishEnd(nonce: 2)).violation != nil)
        _ = state.receive(Array(messages[..<2]))
        #expect(state.received(messages[1]).violation != nil, "more objects than announced")
        state.disconnected()
        #expect(state.received(messages[0]).violation != nil)
    }

    @Test func aRefusalIsPassedOn() {
        var state = connected()
        guard case .refused(let refused) = state.received(.refused(Refused(.replaced, "x"))) else {
            Issue.record("not passed on")
            return
        }
        #expect(refused == Refused(.replaced, "x"))
    }
}
