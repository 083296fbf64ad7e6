// Control plane and worker as a model: every step that either may take, connections that break with frames on the way, crashes
// of both, restored databases, refusals. After any run: nothing but what was published was ever to be served, nobody went back
// within a history, and once both are connected and at rest the worker serves the newest version.

import ConfigChannel
import ConfigModel
import Seal
import Testing

/// Both processes, their durable state, and what is on the way between them.
private struct World {
    enum Step: CaseIterable {
        case edit, down, up, warm, reconnect, crashWorker, restartControl
        // In random runs only.
        case crashBetweenSwapAndSave, crashBetweenSaveAndAnswer, restoreDatabase, refuseWhole
    }

    struct Broken: Error {
        let what: String
    }

    private struct Published: Hashable {
        let history: HistoryID
        let version: UInt64
    }

    // The control plane: what its database holds, and what it has in memory.
    private var stored: Snapshot
    private var backups: [Snapshot] = []
    private var publisher: PublisherState?
    private var memory: SubscriberMemory?
    private var recent: [Snapshot] = []

    // The worker.
    private var subscriber: SubscriberState
    private var disk: (snapshot: Snapshot, served: ServedVersion)?
    private var warming: Candidate?
    private var incarnation: UInt64 = 1

    private var down: [Message] = []
    private var up: [Message] = []

    // What must hold.
    private var published: [Published: Set<Hash256>] = [:]
    private var lastAck: ServedVersion?
    private var refusals = false
    /// A name and port that the worker does not take; `nil`: it takes everything.
    private let refuses: (name: String, port: UInt16)?

    init(refuses: (name: String, port: UInt16)? = nil) throws {
        self.refuses = refuses
        stored = try Samples.snapshot(1, history: .mint(), [Samples.cluster("a"), Samples.cluster("b")])
        subscriber = Self.worker(1, nil)
        startControl()
        try connect()
        try settle()
    }

    private static func worker(
        _ incarnation: UInt64, _ disk: (snapshot: Snapshot, served: ServedVersion)?
    ) -> SubscriberState {
        SubscriberState(
            identity: SubscriberState.Identity(
                workerID: "w1", incarnation: incarnation, softwareVersion: "1", pid: 1),
            current: disk?.snapshot, served: disk?.served)
    }

    // MARK: Steps

    mutating func take(_ step: Step, _ random: () -> UInt64) throws {
        switch step {
        case .edit: try edit(random)
        case .down: if !down.isEmpty { try deliverDown() }
        case .up: if !up.isEmpty { try deliverUp() }
        case .warm: try warm()
        case .reconnect:
            disconnect()
            try connect()
        case .crashWorker: try crashWorker()
        case .restartControl:
            disconnect()
            startControl()
            try connect()
        case .crashBetweenSwapAndSave: if warming != nil { try crashWorker() }
        case .crashBetweenSaveAndAnswer:
            if let candidate = warming, isTaken(candidate) {
                keep(candidate)
                try crashWorker()
            }
        case .restoreDatabase:
            // An old file is copied back under the process's feet: the history is that of the file.
            guard let backup = backups.randomElement(random()) else { return }
            disconnect()
            stored = backup
            startControl()
            try connect()
        case .refuseWhole:
            guard let candidate = warming else { return }
            refusals = true
            try finish(subscriber.unusable(nonce: candidate.nonce, reasons: [ProblemReport(reason: "not now")]))
        }
    }

    private mutating func edit(_ random: () -> UInt64) throws {
        backups.append(stored)
        let name = ["a", "b", "c"][Int(random() % 3)]
        let puts = [SnapshotObject(Samples.cluster(name, port: UInt16(random() % 3 + 1)))]
        let gone = ObjectKey(.cluster, ["a", "b", "c"][Int(random() % 3)])
        stored = stored.applying(
            random() % 4 == 0 ? [] : puts, random() % 3 == 0 ? [gone] : [], version: stored.version + 1)
        publish()
    }

    private mutating func startControl() {
        (publisher, memory, recent) = (nil, nil, [])
        publish()
    }

    private mutating func publish() {
        published[Published(history: stored.historyID, version: stored.version), default: []].insert(stored.root)
        recent.append(stored)
        if recent.count > 3 { recent.removeFirst() }
        if let step = publisher?.setTarget(stored) { perform(step) }
    }

    private mutating func perform(_ step: PublisherState.NextStep) {
        switch step {
        case .nothing: break
        case .publish(let offer): send(offer)
        case .fork:
            stored = stored.under(.mint())
            publish()
        }
    }

    private mutating func send(_ offer: Offer) {
        var decoder = FrameDecoder()
        for frame in offer.frames() { decoder.append(frame) }
        while let message = try? decoder.next() { down.append(message) }
    }

    private mutating func disconnect() {
        memory = publisher?.memory ?? memory
        publisher = nil
        subscriber.disconnected()
        (down, up) = ([], [])
    }

    private mutating func connect() throws {
        var state = PublisherState()
        _ = state.setTarget(stored)
        guard case .hello(let hello) = subscriber.connected(state: .serving) else { throw Broken(what: "no hello") }
        guard
            case .accepted(let step) = state.received(
                hello, memory: memory, recent: { [recent] root in recent.last { $0.root == root } })
        else { throw Broken(what: "the hello is refused") }
        publisher = state
        perform(step)
    }

    private mutating func crashWorker() throws {
        disconnect()
        warming = nil
        incarnation += 1
        subscriber = Self.worker(incarnation, disk)
        if let lastAck, let served = disk?.served, served.history == lastAck.history {
            guard served.version >= lastAck.version else { throw Broken(what: "what was ACKed is lost") }
        } else if lastAck != nil, disk == nil {
            throw Broken(what: "what was ACKed is lost")
        }
        try connect()
    }

    // MARK: Messages

    private mutating func deliverDown() throws {
        switch subscriber.received(down.removeFirst()) {
        case .nothing: break
        case .answer(let answer): up.append(answer)
        case .warm(let candidate): try begin(candidate)
        case .refused, .violation: throw Broken(what: "the protocol is broken")
        }
    }

    private mutating func deliverUp() throws {
        guard publisher != nil else { return }
        switch up.removeFirst() {
        case .ack(let ack):
            if case .live(let step)? = publisher?.received(ack) {
                lastAck = publisher?.served
                perform(step)
            }
        case .nack(let nack):
            switch publisher?.received(nack) {
            case .holdBack(let offer), .whole(let offer): send(offer)
            case .rejected(let step): perform(step)
            case .stale, nil: break
            }
        default: throw Broken(what: "another answer")
        }
    }

    // MARK: The worker

    private mutating func begin(_ candidate: Candidate) throws {
        try check(candidate)
        guard warming == nil else { throw Broken(what: "two candidates are warmed at once") }
        warming = candidate
    }

    private func check(_ candidate: Candidate) throws {
        let name = Published(history: candidate.served.history, version: candidate.served.version)
        guard published[name]?.contains(candidate.served.versionRoot) == true else {
            throw Broken(what: "a version that was never published")
        }
        guard candidate.snapshot.validate().isEmpty else { throw Broken(what: "an invalid candidate") }
        if refuses == nil, candidate.snapshot.root != candidate.served.versionRoot {
            throw Broken(what: "a mixture of versions")
        }
        if let served = subscriber.served, served.history == candidate.served.history {
            guard candidate.served.version >= served.version else { throw Broken(what: "it goes back") }
        }
    }

    private func isTaken(_ candidate: Candidate) -> Bool {
        guard let refuses, case .cluster(let cluster) = candidate.snapshot[ObjectKey(.cluster, refuses.name)]?.object
        else { return true }
        return cluster.endpoints[0].port != refuses.port
    }

    private mutating func warm() throws {
        guard let candidate = warming else { return }
        guard isTaken(candidate) else {
            let reason = ProblemReport(kind: ObjectKind.cluster.rawValue, name: refuses?.name ?? "", reason: "no")
            return try finish(subscriber.unusable(nonce: candidate.nonce, reasons: [reason]))
        }
        keep(candidate)
        try finish(subscriber.warmed(nonce: candidate.nonce, degraded: []))
    }

    private mutating func keep(_ candidate: Candidate) {
        disk = (candidate.snapshot, candidate.served)
        // A database of an older history may come back later, and its versions are then new ones.
        if lastAck?.history != candidate.served.history { lastAck = nil }
    }

    private mutating func finish(_ done: SubscriberState.OnWarmed) throws {
        warming = nil
        // Without a connection there is nobody to answer; the rules have seen to it that there is no answer.
        up += done.answers
        if done.saysHelloAgain {
            disconnect()
            try connect()
        }
        if let next = done.next { try begin(next) }
    }

    // MARK: The end

    /// Lets everything happen that is due, with no further edits.
    mutating func settle() throws {
        for _ in 0..<200 {
            if !down.isEmpty {
                try deliverDown()
            } else if warming != nil {
                try warm()
            } else if !up.isEmpty {
                try deliverUp()
            } else {
                return
            }
        }
        throw Broken(what: "a loop")
    }

    mutating func end(_ random: () -> UInt64) throws {
        // A version that was refused as a whole is not offered again: the next one is.
        if refusals { try edit(random) }
        try settle()
        guard let served = subscriber.served, served.history == stored.historyID, served.version == stored.version,
            served.versionRoot == stored.root
        else { throw Broken(what: "it did not end at the newest version") }
        // The root of what a worker kept in a form of its own is not known to the publisher.
        var believed = publisher?.served
        if refuses != nil { believed?.root = served.root }
        guard believed == served, publisher?.progress(of: stored.version) != .pending else {
            throw Broken(what: "the publisher believes something else")
        }
        guard let refuses else {
            guard subscriber.current?.root == stored.root else { throw Broken(what: "other objects are served") }
            return
        }
        for object in stored.objects where object.key != ObjectKey(.cluster, refuses.name) {
            guard subscriber.current?[object.key] == object else {
                throw Broken(what: "\(object.key) is not the newest")
            }
        }
    }
}

extension Array {
    fileprivate func randomElement(_ random: UInt64) -> Element? {
        isEmpty ? nil : self[Int(random % UInt64(count))]
    }
}

@Suite struct ChannelModelTests {
    private static let exhaustive: [World.Step] = [
        .edit, .down, .up, .warm, .reconnect, .crashWorker, .restartControl,
    ]

    /// Every run of so many steps from a worker that serves version 1.
    @Test func everyShortRunEndsAtTheNewestVersion() throws {
        var runs = 0
        func explore(_ world: World, _ taken: [World.Step], _ depth: Int) throws {
            var number: UInt64 = 0
            let count = { () -> UInt64 in
                number += 1
                return number &* 0x9e37_79b9_7f4a_7c15 >> 33
            }
            var finished = world
            do {
                try finished.end(count)
            } catch {
                Issue.record("\(error) after \(taken)")
                throw error
            }
            runs += 1
            guard depth > 0 else { return }
            for step in Self.exhaustive {
                var next = world
                do {
                    try next.take(step, count)
                } catch {
                    Issue.record("\(error) after \(taken + [step])")
                    throw error
                }
                try explore(next, taken + [step], depth - 1)
            }
        }
        var begun = try World()
        try begun.take(.edit) { 1 }
        try explore(begun, [.edit], 5)
        #expect(runs == 19_608, "1 + 7 + … + 7^5")
    }

    @Test(arguments: [false, true])
    func longRunsEndAtTheNewestVersion(refusing: Bool) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededRandom(seed: seed)
        for run in 0..<400 {
            var world = try World(refuses: refusing ? ("b", 2) : nil)
            var taken: [World.Step] = []
            do {
                for _ in 0..<Int(generator.next() % 80) {
                    // Deliveries are what runs are mostly made of.
                    let step: World.Step =
                        generator.next() % 2 == 0
                        ? [.down, .up, .warm].randomElement(using: &generator) ?? .down
                        : World.Step.allCases.randomElement(using: &generator) ?? .down
                    taken.append(step)
                    try world.take(step) { generator.next() }
                }
                try world.end { generator.next() }
            } catch {
                Issue.record("seed \(seed), run \(run): \(error) after \(taken)")
                return
            }
        }
    }
}
