// The worker's end of the config channel, on the main thread: connects, and connects again; performs what
// `SubscriberState` decides; keeps each snapshot on disk before it is acknowledged. Traffic never waits for it.

internal import ConfigChannel
internal import ConfigModel
internal import Glibc
internal import Logging
internal import Seal
internal import Telemetry

final class ConfigClient: Sendable {
    private let path: String
    private let state: StateFolder
    private let store: SnapshotStore
    private let mailboxes: [Mailbox]
    private let registry: MetricsRegistry
    private let status: WorkerStatus
    private let resolver: Resolver
    private let files: EndpointFiles
    private let health: HealthChecker
    private let logger: Logger
    private let wake: WakeUp
    private let inherited: InheritedSockets
    /// Counts down when what is on disk is served, or there is nothing.
    let started: Latch
    private let control = Lock<Control>(Control())

    private struct Control {
        var draining = false
        var stopped = false
        /// The thread is to stand still; counts down when it does.
        var hold: Latch?
        var hasLeft = false
        /// What is served and on disk, as of the last time that the thread stood still.
        var served: Result<String, HandoverFailure> = .success("")
    }

    /// What only the client's thread touches.
    private struct Session {
        var subscriber: SubscriberState
        var warmup: Warmup
        var degraded: [ObjectProblem] = []
        /// Clusters by the path of the file that has their endpoints, and what is wrong with such files.
        var files: [String: Set<String>] = [:]
        var fileProblems: [ObjectProblem] = []
        var socket: Int32 = -1
        var decoder = FrameDecoder()
        var toldDraining = false
        /// What a start would find on disk.
        var kept: ServedVersion?
        var disk = DiskTrouble()

        var reports: [ProblemReport] {
            (degraded + fileProblems).map { ProblemReport($0) } + disk.reports
        }
    }

    /// Milliseconds between two status messages, and between two tries of degraded objects.
    private static let statusInterval: Int32 = 5_000
    private static let degradedInterval: Int32 = 1_000
    private static let swapTimeout: Int32 = 10_000
    /// Milliseconds that a snapshot waits for files of endpoints that it is the first to name.
    private static let patienceForFiles: Int32 = 1_000

    init?(
        path: String, state: StateFolder, store: SnapshotStore, mailboxes: [Mailbox], registry: MetricsRegistry,
        status: WorkerStatus,
        resolver: Resolver, files: EndpointFiles, health: HealthChecker, inherited: InheritedSockets, logger: Logger
    ) {
        self.path = path
        self.state = state
        self.store = store
        self.mailboxes = mailboxes
        self.registry = registry
        self.status = status
        self.resolver = resolver
        self.files = files
        self.health = health
        self.logger = logger
        self.inherited = inherited
        guard let wake = WakeUp(), let started = Latch(1) else { return nil }
        self.wake = wake
        self.started = started
        files.tell(wake)
    }

    /// The worker goes away: takes no further snapshots.
    func drain() {
        control.withLock { $0.draining = true }
        wake.signal()
    }

    func stop() {
        control.withLock { $0.stopped = true }
        wake.signal()
    }

    // MARK: - Handover

    /// Takes and writes nothing until released. The latch counts down when it is so; answers to the control plane wait.
    func hold(_ latch: Latch) {
        control.withLock { $0.hold = latch }
        wake.signal()
    }

    func release() {
        control.withLock { $0.hold = nil }
        wake.signal()
    }

    /// Another process is this worker for the control plane: only the connection stays until that has taken its place, so that
    /// the worker is connected all the time.
    func leave() {
        control.withLock { $0.hasLeft = true }
        wake.signal()
    }

    /// What the worker serves, in words that another worker compares with what it finds on disk.
    var heldAt: Result<String, HandoverFailure> { control.withLock { $0.served } }

    private static func words(for served: ServedVersion?) -> String {
        guard let served else { return "" }
        return "\(served.version) \(served.history.hex) \(served.versionRoot.hex) \(served.root.hex)"
    }

    /// Stands still while it is asked to. False: for good.
    private func standStill(_ session: inout Session) -> Bool {
        guard var latch = control.withLock({ $0.hold }) else { return true }
        let served: Result<String, HandoverFailure> =
            if session.kept == session.subscriber.served {
                .success(Self.words(for: session.kept))
            } else {
                .failure(HandoverFailure(session.disk.reports.first?.reason ?? "what is served is not on disk"))
            }
        control.withLock { $0.served = served }
        latch.countDown()
        while true {
            let now = control.withLock { $0 }
            if now.stopped { return false }
            if now.hasLeft {
                waitForReplacement(session.socket)
                return false
            }
            guard let next = now.hold else { return true }
            if next !== latch {
                latch = next
                latch.countDown()
            }
            sleepUntilWoken(-1)
        }
    }

    /// Until the control plane ends the connection, because the other process has one.
    private func waitForReplacement(_ socket: Int32) {
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while socket >= 0, !control.withLock({ $0.stopped }) {
            var entries = [
                pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
                wake.entry,
            ]
            poll(&entries, 2, -1)
            wake.take()
            if entries[0].revents != 0, recv(socket, &chunk, chunk.count, 0) <= 0, errno != EINTR { return }
        }
    }

    /// Takes the place of the worker before, or ends the process, which has served nobody yet.
    private func takeOver(_ predecessor: Predecessor, _ session: inout Session, _ identity: SubscriberState.Identity) {
        waitForNames()
        do {
            let turn = try predecessor.waitForTurn()
            session.warmup.inherit(turn.sockets)
            let before = session.subscriber.served
            let stored = store.load()
            if stored?.served != before { serveStored(&session, identity, stored) }
            let found = Self.words(for: session.subscriber.served)
            if let served = turn.served, !served.isEmpty, served != found {
                throw HandoverFailure("the snapshot on disk is not the one that is served")
            }
            if turn.served == nil { logger.error("the worker before has died while it handed over") }
        } catch {
            logger.error("this worker cannot take over", metadata: ["reason": "\(error)"])
            predecessor.refuse("\(error)")
            _exit(1)
        }
        guard let accepting = Latch(mailboxes.count) else {
            predecessor.refuse("out of descriptors")
            _exit(1)
        }
        for mailbox in mailboxes { mailbox.post(.accept(done: accepting)) }
        while !accepting.wait(milliseconds: 1_000), !control.withLock({ $0.stopped }) {}
        predecessor.serves()
        session.warmup.closeLeftOver()
        logger.notice("took over from the worker before")
    }

    /// Requests for a service whose name has no address yet would fail here, while the worker before knows it.
    private func waitForNames() {
        let end = Clock.monotonicNanoseconds() + Self.patienceForNames
        while !resolver.isSettled, Clock.monotonicNanoseconds() < end { poll(nil, 0, 5) }
    }

    private static let patienceForNames: UInt64 = 5_000_000_000

    /// Serves what is on disk, then follows the control plane until stopped. `predecessor`: the worker whose place it takes.
    func run(identity: SubscriberState.Identity, predecessor: Predecessor? = nil) {
        var session = Session(
            subscriber: SubscriberState(identity: identity),
            warmup: Warmup(registry: registry, loopCount: mailboxes.count, inherited: inherited))
        if let problem = state.problem { note(problem, &session) }
        serveStored(&session, identity, store.load(readOnly: predecessor != nil))
        if let predecessor { takeOver(predecessor, &session, identity) }
        started.countDown()
        var delay: Int32 = 100
        while !control.withLock({ $0.stopped }), standStill(&session) {
            if connect(&session) {
                delay = 100
                follow(&session)
                session.subscriber.disconnected()
                close(session.socket)
                session.socket = -1
            }
            if control.withLock({ $0.stopped || $0.hasLeft }) { break }
            sleepUntilWoken(delay)
            retryDegraded(&session)
            retryKeeping(&session)
            delay = min(delay * 2, 2_000)
        }
    }

    // MARK: - Snapshots

    private func serveStored(
        _ session: inout Session, _ identity: SubscriberState.Identity,
        _ stored: (snapshot: Snapshot, served: ServedVersion)?
    ) {
        guard let stored else {
            logger.notice("no snapshot on disk: waiting for the control plane", metadata: ["channel": "\(path)"])
            return
        }
        switch apply(stored.snapshot, &session, wasServed: true) {
        case .success:
            logger.notice("serving the snapshot on disk", metadata: ["version": "\(stored.snapshot.version)"])
            // It was judged before it came to disk. The verdict is for the next one to start from, and holds up nobody here.
            let index = SnapshotIndex(stored.snapshot)
            for problem in index.problems.prefix(20) {
                logger.warning("the snapshot on disk has a problem", metadata: ["problem": "\(problem)"])
            }
            session.subscriber = SubscriberState(
                identity: identity, current: stored.snapshot, index: index, served: stored.served)
            session.kept = stored.served
        case .failure(let refusal):
            logger.error(
                "the snapshot on disk cannot be served", metadata: ["reason": "\(refusal.reports.first?.reason ?? "")"])
        }
    }

    private struct Refusal: Error {
        let reports: [ProblemReport]
    }

    /// Warms a snapshot and gives it to every loop.
    private func apply(
        _ snapshot: Snapshot, _ session: inout Session, wasServed: Bool = false
    ) -> Result<Void, Refusal> {
        switch session.warmup.warm(snapshot, wasServed: wasServed) {
        case .refused(let problems):
            return .failure(Refusal(reports: problems.map { ProblemReport($0) }))
        case .ready(let warm):
            // Before the swap, so that loops know the endpoints of a cluster when they make it.
            if let watched = warm.watch.files {
                session.files = watched
                files.watch(Set(watched.keys), milliseconds: Self.patienceForFiles)
                _ = takeFileProblems(&session)
            }
            guard let done = Latch(mailboxes.count) else {
                return .failure(Refusal(reports: [ProblemReport(reason: "the worker is out of descriptors")]))
            }
            for (index, mailbox) in mailboxes.enumerated() {
                mailbox.post(.swap(warm.active, warm.changes, listeners: warm.listeners[index], done: done))
            }
            guard everyLoopTook(snapshot.version, done) else {
                return .failure(Refusal(reports: [ProblemReport(reason: "the worker is shutting down")]))
            }
            for problem in warm.degraded where !session.degraded.contains(problem) {
                logger.error(
                    "an object could not be brought up; tried again every second",
                    metadata: ["object": "\(problem.key)", "reason": "\(problem.reason)"])
            }
            session.degraded = warm.degraded
            let bound = session.warmup.bound
            status.update { values in
                values.isServing = !values.isDraining
                values.snapshot = snapshot
                values.bound = bound
                values.sockets = warm.listeners
            }
            if let names = warm.watch.names { resolver.resolve(names) }
            if let checked = warm.watch.checked { health.watch(checked, warm.active.material) }
            registry.forget(warm.diff.removed.map(\.key))
            return .success(())
        }
    }

    /// Waits until every loop serves the version: an answer before that would not be true. False: the loops have ended, and
    /// one that has drained takes nothing any more.
    private func everyLoopTook(_ version: UInt64, _ done: Latch) -> Bool {
        var waited: Int32 = 0
        while !done.wait(milliseconds: 100) {
            if control.withLock({ $0.stopped }) { return false }
            waited += 100
            if waited == Self.swapTimeout {
                logger.error("a loop is slow to take the snapshot", metadata: ["version": "\(version)"])
            }
        }
        return true
    }

    /// Listeners whose address was taken may be free by now.
    private func retryDegraded(_ session: inout Session) {
        guard !session.degraded.isEmpty, let current = session.subscriber.current,
            !control.withLock({ $0.draining })
        else { return }
        let before = session.degraded
        guard case .success = apply(current, &session), session.degraded != before else { return }
        logger.notice("degraded objects changed", metadata: ["degraded": "\(session.degraded.count)"])
        if session.socket >= 0 { _ = sendStatus(session) }
    }

    /// True: they are others than before.
    private func takeFileProblems(_ session: inout Session) -> Bool {
        let problems = files.problems
        let before = session.fileProblems
        session.fileProblems = session.files.sorted { $0.key < $1.key }.flatMap { path, clusters in
            guard let reason = problems[path] else { return [ObjectProblem]() }
            return clusters.sorted().map {
                ObjectProblem(key: ObjectKey(.cluster, $0), field: "endpoints", reason: reason)
            }
        }
        return session.fileProblems != before
    }

    private func warm(_ first: Candidate, _ session: inout Session) -> Bool {
        var candidate: Candidate? = first
        while let current = candidate {
            let result: SubscriberState.OnWarmed
            switch apply(current.snapshot, &session) {
            case .success:
                // It is served all the same: after a restart the control plane brings it again.
                keep(current.snapshot, current.served, &session)
                result = session.subscriber.warmed(nonce: current.nonce, reports: session.reports)
                logger.info("serving", metadata: ["version": "\(current.snapshot.version)"])
            case .failure(let refusal):
                for report in refusal.reports.prefix(20) {
                    logger.error(
                        "refusing a snapshot",
                        metadata: [
                            "version": "\(current.snapshot.version)", "object": "\(report.name)",
                            "field": "\(report.field)", "reason": "\(report.reason)",
                        ])
                }
                result = session.subscriber.unusable(nonce: current.nonce, reasons: refusal.reports)
            }
            for answer in result.answers {
                guard send(answer, session.socket) else { return false }
            }
            if result.saysHelloAgain { return false }
            candidate = result.next
        }
        return true
    }

    // MARK: - Disk

    private func keep(_ snapshot: Snapshot, _ served: ServedVersion, _ session: inout Session) {
        do throws(StoreFailure) {
            if state.problem != nil { try state.mend() }
            if session.kept != served { try store.save(snapshot, served: served) }
            session.kept = served
            recovered(&session)
        } catch {
            note(error, &session)
        }
    }

    /// The disk may take by now what it did not take before.
    private func retryKeeping(_ session: inout Session) {
        guard session.disk.isDue(Clock.monotonicNanoseconds()) else { return }
        if let current = session.subscriber.current, let served = session.subscriber.served {
            keep(current, served, &session)
        } else {
            do throws(StoreFailure) {
                try state.mend()
                recovered(&session)
            } catch {
                note(error, &session)
            }
        }
        if session.disk.reports.isEmpty, session.socket >= 0 { _ = sendStatus(session) }
    }

    private func note(_ failure: StoreFailure, _ session: inout Session) {
        let isNew = session.disk.failed(failure, in: state.path, now: Clock.monotonicNanoseconds())
        status.update { $0.storeFails = true }
        guard isNew else { return }
        logger.error(
            "snapshots cannot be kept on disk; changes are served from memory",
            metadata: ["state": "\(state.path)", "reason": "\(failure)", "advice": "\(failure.advice)"])
    }

    private func recovered(_ session: inout Session) {
        guard session.disk.ended() else { return }
        status.update { $0.storeFails = false }
        logger.notice("snapshots are kept on disk again", metadata: ["state": "\(state.path)"])
    }

    // MARK: - Connection

    private func connect(_ session: inout Session) -> Bool {
        guard let address = SocketAddress(literal: "unix:" + path, port: 0) else {
            logger.error("--channel: the path is too long for a Unix socket", metadata: ["path": "\(path)"])
            return false
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        guard address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            return false
        }
        session.socket = descriptor
        session.decoder = FrameDecoder()
        session.toldDraining = false
        let state = status.read()
        let hello = session.subscriber.connected(
            state: state.isDraining ? .draining : state.isServing ? .serving : .starting)
        logger.info("connected to the control plane", metadata: ["channel": "\(path)"])
        return send(hello, descriptor)
    }

    /// Reads and answers until the connection ends.
    private func follow(_ session: inout Session) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var nextStatus = Clock.monotonicNanoseconds()
        while true {
            let (draining, stopped) = control.withLock { ($0.draining, $0.stopped) }
            if stopped || !standStill(&session) { return }
            let now = Clock.monotonicNanoseconds()
            if takeFileProblems(&session) { nextStatus = now }
            if now >= nextStatus || (draining && !session.toldDraining) {
                session.toldDraining = draining
                nextStatus = now + UInt64(Self.statusInterval) * 1_000_000
                guard sendStatus(session) else { return }
            }
            if !session.degraded.isEmpty { retryDegraded(&session) }
            retryKeeping(&session)
            let wait = session.reports.isEmpty ? Self.statusInterval : Self.degradedInterval
            var entries = [
                pollfd(fd: session.socket, events: Int16(POLLIN), revents: 0),
                wake.entry,
            ]
            guard poll(&entries, 2, wait) >= 0 || errno == EINTR else { return }
            wake.take()
            guard entries[0].revents != 0 else { continue }
            let count = recv(session.socket, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                logger.notice("the control plane has gone; serving on", metadata: ["channel": "\(path)"])
                return
            }
            session.decoder.append(chunk[..<count])
            guard handleMessages(&session) else { return }
        }
    }

    private func handleMessages(_ session: inout Session) -> Bool {
        do {
            while let message = try session.decoder.next() {
                if control.withLock({ $0.draining }) { continue }
                switch session.subscriber.received(message) {
                case .nothing: break
                case .answer(let answer):
                    guard send(answer, session.socket) else { return false }
                case .warm(let candidate):
                    guard warm(candidate, &session) else { return false }
                case .refused(let refused):
                    logger.error("the control plane refuses this worker", metadata: ["reason": "\(refused.reason)"])
                    return false
                case .violation(let reason):
                    logger.error("the control plane broke the protocol", metadata: ["reason": "\(reason)"])
                    return false
                }
            }
            return true
        } catch {
            logger.error("the control plane sent what cannot be read", metadata: ["reason": "\(error)"])
            return false
        }
    }

    private func sendStatus(_ session: Session) -> Bool {
        let values = status.read()
        return send(
            .status(
                Status(
                    state: values.isDraining ? .draining : values.isServing ? .serving : .starting,
                    servedVersion: values.version,
                    activeConnections: sum(.connectionsOpened) &- sum(.connectionsClosed),
                    activeStreams: sum(.requests) &- sum(.exchangesEnded), degraded: session.reports)),
            session.socket)
    }

    private func sum(_ metric: LoopMetric) -> UInt64 {
        registry.loops.reduce(0) { $0 &+ $1.value(metric.rawValue) }
    }

    private func send(_ message: Message, _ descriptor: Int32) -> Bool {
        guard descriptor >= 0 else { return false }
        let bytes = encode(message)
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor, buffer.baseAddress.unsafelyUnwrapped + offset, buffer.count - offset,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            offset += count
        }
        return true
    }

    private func sleepUntilWoken(_ milliseconds: Int32) {
        wake.wait(milliseconds: milliseconds)
        wake.take()
    }
}
