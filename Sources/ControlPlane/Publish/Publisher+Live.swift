// What people ask of the publisher: who is connected, and whether a version is live.
//
// Asked are the workers that are connected and serving at that moment, which is after the version was committed. One that
// drains or goes leaves the set; a later version of the same history counts, as it holds what the earlier one brought.

import ConfigChannel
import ConfigModel

extension Publisher {
    /// Somebody who waits for a version.
    struct Waiter {
        let version: UInt64
        var asked: Set<ConnectionID>
        let answer: CheckedContinuation<Live, Never>
    }

    /// The longest that anybody waits.
    package static let longestWait = Duration.seconds(60)

    /// Whether every serving worker serves the version now.
    package func live(_ version: UInt64) -> Live {
        judge(version, asked: servingWorkers) ?? .no
    }

    /// Waits until every worker that serves now has answered for the version.
    package func waitLive(version: UInt64, timeout: Duration) async -> Live {
        let asked = servingWorkers
        if let known = judge(version, asked: asked) { return known }
        lastID += 1
        let id = lastID
        let limit = min(max(timeout, .zero), Self.longestWait)
        let timer = Task { [weak self] in
            try? await Task.sleep(for: limit)
            await self?.answer(id, .timeout)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                if Task.isCancelled { return answer.resume(returning: .timeout) }
                waiters[id] = Waiter(version: version, asked: asked, answer: answer)
            }
        } onCancel: {
            Task { await self.answer(id, .timeout) }
        }
    }

    private var servingWorkers: Set<ConnectionID> {
        Set(workers.filter { $0.value.state.isServing }.keys)
    }

    func answer(_ id: UInt64, _ live: Live) {
        waiters.removeValue(forKey: id)?.answer.resume(returning: live)
    }

    /// Tells those whose answer is known by now.
    func settleWaiters() {
        for (id, waiter) in waiters {
            if let live = judge(waiter.version, asked: waiter.asked) { answer(id, live) }
        }
    }

    /// `nil`: somebody has not answered yet.
    private func judge(_ version: UInt64, asked: Set<ConnectionID>) -> Live? {
        let present = asked.compactMap { workers[$0]?.state }.filter(\.isServing)
        if present.isEmpty { return .noWorker }
        let progress = present.map { $0.progress(of: version) }
        if progress.contains(.rejected) { return .rejected }
        return progress.contains(.pending) ? nil : .yes
    }

    // MARK: Reports

    /// The connected workers, by id.
    package func report() -> [WorkerReport] {
        workers.values.compactMap { Self.report($0) }.sorted { ($0.id, $0.connectedSince) < ($1.id, $1.connectedSince) }
    }

    static func report(_ worker: Worker) -> WorkerReport? {
        let state = worker.state
        guard let hello = state.hello else { return nil }
        return WorkerReport(
            id: hello.workerID, pid: hello.pid, uid: worker.link.peer.uid,
            incarnation: String(hello.incarnation, radix: 16), softwareVersion: hello.softwareVersion,
            connectedSince: worker.connectedSince, state: "\(state.workerState)",
            servedVersion: state.served?.version, servedHistory: state.served?.history.hex,
            publishing: state.inFlight?.version, activeConnections: worker.status?.activeConnections ?? 0,
            activeStreams: worker.status?.activeStreams ?? 0,
            lastAck: state.lastAck.map { WorkerReport.Answer(version: $0.version, at: worker.ackedAt, reasons: []) },
            lastNack: state.lastNack.map {
                WorkerReport.Answer(
                    version: $0.version, at: worker.nackedAt, reasons: $0.reasons.map { WorkerReport.Problem($0) })
            },
            degraded: state.degraded.map { WorkerReport.Problem($0) },
            heldBack: state.heldBack.map { WorkerReport.HeldBack($0) })
    }
}
