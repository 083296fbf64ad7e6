// Brings the newest snapshot to every connected worker. The rules for one worker are `PublisherState`'s; here they meet:
// one target for all, one entry a connection, the minting of histories, and those who wait for a version to be live.
//
// Nothing here waits for a worker: an event changes a state, and what follows from it is handed to a link.

package import ConfigChannel
package import ConfigModel
package import Logging
import Persistence

/// The publishing half of the control plane.
package actor Publisher {
    /// Starts a new history in the place of one, durably and audited, before it returns. The text says why. `nil`: the one in use is
    /// another by now, whose snapshot is on its way here.
    package typealias MintHistory = @Sendable (_ old: HistoryID, _ reason: String) async throws -> HistoryID?
    package typealias ConnectionID = UInt64

    /// One connection. Seen by the actor only.
    final class Worker {
        let link: WorkerLink
        let connectedSince = WallClock.milliseconds()
        var state = PublisherState()
        var status: Status?
        /// What the observer was last told.
        var told: WorkerReport?
        var ackedAt: Int64 = 0
        var nackedAt: Int64 = 0

        init(link: WorkerLink) {
            self.link = link
        }
    }

    /// Workers that went, remembered by id.
    private static let memories = 64
    /// Snapshots remembered by root, for workers that come with one of them. They share what they have in common.
    private static let recentSnapshots = 64
    private static let mintRetry = Duration.seconds(5)

    private let mintHistory: MintHistory
    private let logger: Logger
    var workers: [ConnectionID: Worker] = [:]
    var waiters: [UInt64: Waiter] = [:]
    var lastID: UInt64 = 0
    private var memory: [(workerID: String, memory: SubscriberMemory)] = []
    /// Histories that forks have ended; a snapshot that was compiled before is published under the new one.
    private var endedHistories: Set<HistoryID> = []
    /// Histories that a restore has ended; nothing of them is published any more.
    private var replacedHistories: Set<HistoryID> = []
    private var isMinting = false
    /// Oldest first.
    private var recent: [Snapshot] = []
    package private(set) var current: Snapshot?
    private var publishedAt: ContinuousClock.Instant?
    /// From the publish of a version to each worker's word that it is live.
    package let latency = Latencies()
    private var observer: (@Sendable (WorkerReport) -> Void)?

    package init(mintHistory: @escaping MintHistory, logger: Logger) {
        self.mintHistory = mintHistory
        self.logger = logger
    }

    // MARK: Publishing

    /// Makes the snapshot the target of every worker, now and to come. A target that is newer stays.
    package func publish(_ snapshot: Snapshot) {
        guard !replacedHistories.contains(snapshot.historyID), let snapshot = rebased(snapshot) else { return }
        if let current, current.historyID == snapshot.historyID, snapshot.version < current.version { return }
        current = snapshot
        publishedAt = .now
        remember(snapshot)
        for worker in workers.values {
            perform(worker.state.setTarget(snapshot), for: worker)
            tell(worker)
        }
        settleWaiters()
    }

    /// Makes a snapshot of another database the target, whatever its version. What was compiled from the one before, and comes late, is
    /// dropped; nobody waits for its versions any more.
    package func restored(_ snapshot: Snapshot, ending history: HistoryID) {
        replacedHistories.formUnion(endedHistories)
        replacedHistories.insert(history)
        endedHistories = []
        for waiter in waiters.keys { answer(waiter, .no) }
        publish(snapshot)
    }

    private func remember(_ snapshot: Snapshot) {
        recent.removeAll { $0.root == snapshot.root }
        recent.append(snapshot)
        if recent.count > Self.recentSnapshots { recent.removeFirst() }
    }

    private func rebased(_ snapshot: Snapshot) -> Snapshot? {
        guard let current, endedHistories.contains(snapshot.historyID) else { return snapshot }
        return snapshot.under(current.historyID)
    }

    private func perform(_ step: PublisherState.NextStep, for worker: Worker) {
        switch step {
        case .nothing: break
        case .publish(let offer): worker.link.send(offer)
        case .fork(let fork): begin(fork)
        }
    }

    // MARK: Histories

    private func begin(_ fork: PublisherState.Fork) {
        guard !isMinting, let old = current?.historyID else { return }
        isMinting = true
        let reason =
            "worker \(fork.workerID) serves version \(fork.served.version) of this history, which the database "
            + (fork.served.version > fork.ourVersion ? "does not have" : "has with other contents")
        logger.warning(
            "the database is a fork of what a worker serves: starting a new history",
            metadata: [
                "worker": "\(fork.workerID)", "served": "\(fork.served.version)", "version": "\(fork.ourVersion)",
            ])
        Task { await mint(replacing: old, reason) }
    }

    private func mint(replacing history: HistoryID, _ reason: String) async {
        do {
            let minted = try await mintHistory(history, reason)
            isMinting = false
            guard let minted, let old = current, !replacedHistories.contains(minted) else { return }
            // Somebody may have published under the new history already, compiled after it was stored.
            if old.historyID != minted {
                endedHistories.insert(old.historyID)
                publish(old.under(minted))
            }
        } catch {
            logger.error("no new history could be stored, trying again", metadata: ["error": "\(error)"])
            try? await Task.sleep(for: Self.mintRetry)
            isMinting = false
            // Setting the target anew asks the rules again; the fork may be gone by now.
            if let current { publish(current) }
        }
    }

    // MARK: Observation

    /// From now on `observer` is told each worker whose state, version, degraded or held back objects change, and each that goes.
    package func observe(_ observer: @escaping @Sendable (WorkerReport) -> Void) {
        self.observer = observer
        for worker in workers.values { tell(worker) }
    }

    private func tell(_ worker: Worker, hasGone: Bool = false) {
        guard let observer, var report = Self.report(worker) else { return }
        if hasGone { report.state = WorkerReport.disconnected }
        if let told = worker.told, told.says(theSameAs: report) { return }
        worker.told = report
        observer(report)
    }

    // MARK: Connections

    package func connected(_ link: WorkerLink) -> ConnectionID {
        lastID += 1
        let worker = Worker(link: link)
        if let current { _ = worker.state.setTarget(current) }
        workers[lastID] = worker
        return lastID
    }

    package func disconnected(_ id: ConnectionID) {
        guard let worker = workers.removeValue(forKey: id) else { return }
        if let hello = worker.state.hello {
            logger.info("worker disconnected", metadata: ["worker": "\(hello.workerID)", "pid": "\(hello.pid)"])
            remember(worker)
            tell(worker, hasGone: true)
        }
        settleWaiters()
    }

    package func hasSaidHello(_ id: ConnectionID) -> Bool { workers[id]?.state.hello != nil }

    /// Takes a message. What it returns is to be told to the worker, and the connection closed.
    package func received(_ message: Message, from id: ConnectionID) -> Refused? {
        guard let worker = workers[id] else { return Refused(.replaced, "this connection has been given up") }
        defer {
            tell(worker)
            settleWaiters()
        }
        if case .hello(let hello) = message { return received(hello, from: id, worker) }
        guard worker.state.hello != nil else { return Refused(.malformed, "the first message must be a hello") }
        switch message {
        case .ack(let ack): received(ack, from: worker)
        case .nack(let nack): received(nack, from: worker)
        case .status(let status):
            worker.status = status
            perform(worker.state.received(status), for: worker)
        case .statistics: break
        case .hello, .refused, .publishBegin, .objects, .publishEnd:
            return Refused(.malformed, "message of the wrong direction")
        }
        return nil
    }

    private func received(_ hello: Hello, from id: ConnectionID, _ worker: Worker) -> Refused? {
        replaceOthers(than: id, workerID: hello.workerID)
        let known = memory.first { $0.workerID == hello.workerID }?.memory
        switch worker.state.received(hello, memory: known, recent: { root in recent.last { $0.root == root } }) {
        case .refuse(let refused): return refused
        case .accepted(let step):
            logger.info(
                "worker connected",
                metadata: [
                    "worker": "\(hello.workerID)", "pid": "\(hello.pid)", "software": "\(hello.softwareVersion)",
                    "served": "\(hello.served.map { String($0.version) } ?? "nothing")",
                ])
            perform(step, for: worker)
            return nil
        }
    }

    /// One connection a worker: the one that came last is the one that lives.
    private func replaceOthers(than id: ConnectionID, workerID: String) {
        for (other, worker) in workers where other != id && worker.state.hello?.workerID == workerID {
            remember(worker)
            workers[other] = nil
            // Who waits for the worker waits for its new connection: after an upgrade it serves on.
            for waiter in waiters.keys where waiters[waiter]?.asked.remove(other) != nil {
                waiters[waiter]?.asked.insert(id)
            }
            worker.link.refuse(Refused(.replaced, "another connection of this worker has taken over"))
        }
    }

    private func remember(_ worker: Worker) {
        guard let hello = worker.state.hello, let left = worker.state.memory else { return }
        memory.removeAll { $0.workerID == hello.workerID }
        memory.append((hello.workerID, left))
        if memory.count > Self.memories { memory.removeFirst() }
    }

    private func received(_ ack: Ack, from worker: Worker) {
        guard case .live(let step) = worker.state.received(ack) else { return }
        worker.ackedAt = WallClock.milliseconds()
        if let publishedAt, ack.version == current?.version {
            latency.record(publishedAt.duration(to: .now))
        }
        perform(step, for: worker)
    }

    private func received(_ nack: Nack, from worker: Worker) {
        let outcome = worker.state.received(nack)
        let name = worker.state.hello?.workerID ?? ""
        if case .stale = outcome { return }
        worker.nackedAt = WallClock.milliseconds()
        switch outcome {
        case .stale: break
        case .holdBack(let offer):
            report(nack, worker: name, "a worker refused objects: they are held back")
            perform(.publish(offer), for: worker)
        case .whole(let offer):
            report(nack, worker: name, "a worker could not apply differences: it gets everything")
            perform(.publish(offer), for: worker)
        case .rejected(let step):
            report(nack, worker: name, "a worker refused a version")
            perform(step, for: worker)
        }
    }

    private func report(_ nack: Nack, worker: String, _ message: Logger.Message) {
        let reasons = nack.reasons.prefix(8).map { report in
            "\(report.key.map { "\($0.kind) \($0.name) " } ?? "")\(report.field): \(report.reason)"
        }
        logger.warning(
            message,
            metadata: [
                "worker": "\(worker)", "version": "\(nack.version)", "reasons": "\(reasons.joined(separator: "; "))",
            ])
    }
}
