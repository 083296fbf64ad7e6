// The control plane's end of the channel for one subscriber, as rules without socket or clock:
//
// 1. nothing is sent before a hello that is understood;
// 2. one publish is under way at a time; a newer target replaces the one that waits, so superseded ones are skipped;
// 3. only the answer with the nonce of that publish counts;
// 4. a subscriber that reports our history at a higher version, or at ours with another root, shows that the database is
//    a fork: nothing is sent until the target has a new history;
// 5. a NACK that names objects brings the same version again with those held back; they stay so in later versions until
//    they change. Any other NACK leaves the subscriber where it is until the next target;
// 6. a draining subscriber gets nothing more;
// 7. where it is known what the subscriber serves (its last ACK, or a root in its hello that is remembered) only what differs is
//    sent. What is known may be wrong: a NACK of differences that names no object brings everything, and a NACK of that is rule 5's.

package import ConfigModel
package import Seal

/// What outlives a connection: when the same process of a worker comes back, its refusals and what it serves are known.
package struct SubscriberMemory: Sendable {
    let incarnation: UInt64
    let served: ServedVersion?
    let known: KnownContent
    let heldBack: [HeldBackObject]
    let refusals: [ObjectKey: PublisherState.Refusal]
}

/// The control plane's side of one connection.
package struct PublisherState: Sendable {
    /// What to do next.
    package enum NextStep: Sendable {
        case nothing
        case publish(Offer)
        /// Mint a new history, then set a target that has it.
        case fork(Fork)
    }

    /// A subscriber that has more than the database.
    package struct Fork: Hashable, Sendable {
        package let workerID: String
        package let served: ServedVersion
        package let ourVersion: UInt64
        package let ourRoot: Hash256
    }

    package enum OnHello: Sendable {
        case accepted(NextStep)
        case refuse(Refused)
    }

    package enum OnAck: Sendable {
        case stale
        case live(NextStep)
    }

    package enum OnNack: Sendable {
        case stale
        /// The same version without the objects that were refused.
        case holdBack(Offer)
        /// The differences could not be applied: the same version, with everything.
        case whole(Offer)
        /// The version as a whole is refused.
        case rejected(NextStep)
    }

    /// How far a subscriber is with a version.
    package enum Progress: Hashable, Sendable {
        case pending
        case live
        case rejected
    }

    /// An object form that the subscriber does not take.
    struct Refusal: Sendable {
        /// Of the newest form at that time: another one is tried anew.
        let hash: Hash256
        var restraint: Restraint
        var reasons: [ProblemReport]
    }

    /// The versions that brought a form which is held back: above the first, up to the second.
    private struct Window {
        let hash: Hash256
        let after: UInt64
        let upTo: UInt64
    }

    package private(set) var hello: Hello?
    package private(set) var workerState: WorkerState = .starting
    /// What the subscriber serves, by its hello and its ACKs.
    package private(set) var served: ServedVersion?
    /// Of the version that is served.
    package private(set) var heldBack: [HeldBackObject] = []
    package private(set) var lastAck: Ack?
    /// What the machine does not let the worker bring up, by its last word.
    package private(set) var degraded: [ProblemReport] = []
    package private(set) var lastNack: Nack?
    package private(set) var inFlight: Offer?

    private var target: Snapshot?
    private var known = KnownContent.unknown
    private var refusals: [ObjectKey: Refusal] = [:]
    private var windows: [ObjectKey: Window] = [:]
    /// While something is held back: the last composition with the verdict on it.
    private var judged: JudgedSnapshot?
    /// The version refused as a whole, which is not offered again.
    private var rejected: (history: HistoryID, version: UInt64)?
    private var reportedFork: HistoryID?
    private var lastNonce: UInt64 = 0

    package init() {}

    /// Whether `?wait=live` asks this subscriber.
    package var isServing: Bool { hello != nil && workerState == .serving }

    // MARK: Events

    /// `recent` finds a snapshot by its root, if it is remembered.
    package mutating func received(
        _ hello: Hello, memory: SubscriberMemory? = nil, recent: (Hash256) -> Snapshot? = { _ in nil }
    ) -> OnHello {
        guard self.hello == nil else { return .refuse(Refused(.malformed, "a second hello")) }
        guard hello.protocolVersion == ChannelLimits.protocolVersion else {
            let error = ChannelError.unsupportedProtocol(hello.protocolVersion)
            return .refuse(Refused(.protocolVersion, error.description))
        }
        self.hello = hello
        workerState = hello.state
        served = hello.served
        if let memory, memory.incarnation == hello.incarnation {
            refusals = memory.refusals
            if memory.served == hello.served { (known, heldBack) = (memory.known, memory.heldBack) }
        }
        if hello.served == nil { known = .nothing }
        if known.snapshot == nil, let served, let snapshot = recent(served.root) {
            known = KnownContent(snapshot: snapshot)
        }
        recognise()
        return .accepted(nextStep())
    }

    /// A new version to be published. Older ones than the last of the same history are ignored.
    package mutating func setTarget(_ snapshot: Snapshot) -> NextStep {
        if let target, target.historyID == snapshot.historyID, snapshot.version < target.version { return .nothing }
        target = snapshot
        reportedFork = nil
        recognise()
        return nextStep()
    }

    package mutating func received(_ ack: Ack) -> OnAck {
        guard let offer = answered(ack.nonce, ack.history, ack.version) else { return .stale }
        inFlight = nil
        lastAck = ack
        degraded = ack.degraded
        served = ServedVersion(
            history: offer.history, version: offer.version, versionRoot: offer.versionRoot, root: offer.content.root)
        known = KnownContent(snapshot: offer.content, retained: Set(offer.retained))
        heldBack = offer.heldBack
        // A form that comes back after it was gone is brought by a new version.
        let keys = Set(heldBack.map(\.key))
        windows = windows.filter { keys.contains($0.key) }
        if workerState == .starting || workerState == .warming { workerState = .serving }
        return .live(nextStep())
    }

    package mutating func received(_ nack: Nack) -> OnNack {
        guard let offer = answered(nack.nonce, nack.history, nack.version) else { return .stale }
        inFlight = nil
        lastNack = nack
        if holdBack(nack.reasons, of: offer), let target {
            // A newer target may have come meanwhile; it brings what this version did.
            return .holdBack(publish(target))
        }
        if offer.base != nil, nack.reasons.allSatisfy({ $0.kind == 0 }), let target {
            known = .unknown
            return .whole(publish(target))
        }
        rejected = (offer.history, offer.version)
        return .rejected(nextStep())
    }

    package mutating func received(_ status: Status) -> NextStep {
        workerState = status.state
        degraded = status.degraded
        return nextStep()
    }

    /// To be handed to the state of the worker's next connection.
    package var memory: SubscriberMemory? {
        hello.map {
            SubscriberMemory(
                incarnation: $0.incarnation, served: served, known: known, heldBack: heldBack, refusals: refusals)
        }
    }

    // MARK: Questions

    /// How far the subscriber is with a version of the target's history.
    package func progress(of version: UInt64) -> Progress {
        guard let target else { return .pending }
        if let served, served.history == target.historyID, served.version >= version {
            let refused = heldBack.contains { object in
                windows[object.key].map { $0.after < version && version <= $0.upTo } ?? false
            }
            return refused ? .rejected : .live
        }
        if let rejected, rejected.history == target.historyID, rejected.version >= version { return .rejected }
        return .pending
    }

    // MARK: Rules

    /// A subscriber that reports the target's contents serves what is known.
    private mutating func recognise() {
        guard let target, known.snapshot == nil, served?.root == target.root else { return }
        known = KnownContent(snapshot: target)
    }

    /// What differences may be sent to.
    private func base(for composition: Composition) -> Snapshot? {
        guard let base = known.snapshot, known.retained.isEmpty, composition.retained.isEmpty,
            served?.root == base.root
        else { return nil }
        return base
    }

    private mutating func nextStep() -> NextStep {
        guard let target, hello != nil, inFlight == nil, workerState != .draining, workerState != .stopped else {
            return .nothing
        }
        if let served, served.history == target.historyID {
            if served.version > target.version
                || served.version == target.version && served.versionRoot != target.root
            {
                guard reportedFork != target.historyID, let hello else { return .nothing }
                reportedFork = target.historyID
                return .fork(
                    Fork(
                        workerID: hello.workerID, served: served, ourVersion: target.version, ourRoot: target.root))
            }
            if served.version == target.version, isSettled(served) { return .nothing }
        }
        if let rejected, rejected == (target.historyID, target.version) { return .nothing }
        return .publish(publish(target))
    }

    /// Whether there is no more to gain from the version that is served: it is complete, or the rest was refused here.
    private func isSettled(_ served: ServedVersion) -> Bool {
        served.root == served.versionRoot || !heldBack.isEmpty
    }

    private mutating func publish(_ target: Snapshot) -> Offer {
        let wanted = refusals.filter { target[$0.key]?.hash == $0.value.hash }.mapValues(\.restraint)
        let composition = Composition(target, holding: wanted, known: known, after: judged)
        judged = composition.judged
        let held = composition.restraints.keys.sorted().map { key in
            HeldBackObject(
                key: key, reasons: wanted[key].flatMap { _ in refusals[key]?.reasons } ?? [Self.impliedReason(key)],
                keepsLastForm: composition.restraints[key] == .lastForm)
        }
        lastNonce += 1
        let offer = Offer(
            nonce: lastNonce, content: composition.content, base: base(for: composition), target: target,
            retained: composition.retained, heldBack: held)
        for object in held { note(object.key, in: offer) }
        inFlight = offer
        return offer
    }

    private static func impliedReason(_ key: ObjectKey) -> ProblemReport {
        ProblemReport(kind: key.kind.rawValue, name: key.name, reason: "needs an object that is held back")
    }

    /// Remembers which versions brought the form that is held back, unless that is known already.
    private mutating func note(_ key: ObjectKey, in offer: Offer) {
        guard let hash = offer.target[key]?.hash, windows[key]?.hash != hash else { return }
        let base = served?.history == offer.history ? served?.version : nil
        windows[key] = Window(hash: hash, after: base ?? 0, upTo: offer.version)
    }

    /// Notes what was refused. `false`: nothing is named that could be held back (further).
    private mutating func holdBack(_ reasons: [ProblemReport], of offer: Offer) -> Bool {
        var progressed = false
        for (key, reports) in Dictionary(grouping: reasons, by: \.key) {
            guard let key, let newest = offer.target[key] else { continue }
            let sent = offer.heldBack.first { $0.key == key }.map { $0.keepsLastForm ? Restraint.lastForm : .omitted }
            guard let next = Composition.next(sent, key, offer.target, known) else { continue }
            refusals[key] = Refusal(hash: newest.hash, restraint: next, reasons: reports)
            note(key, in: offer)
            progressed = true
        }
        return progressed
    }

    private func answered(_ nonce: UInt64, _ history: HistoryID, _ version: UInt64) -> Offer? {
        guard let offer = inFlight, offer.nonce == nonce, offer.history == history, offer.version == version else {
            return nil
        }
        return offer
    }
}
