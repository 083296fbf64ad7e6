// Reads the workers' metrics again and again, on threads that may wait, and keeps the last hour. A page that takes long to
// read is read less often, so that reading never costs more than a twentieth of a core.

import Logging
import NIOPosix
import Persistence
import ServiceLifecycle

/// The traffic of the last hour as far as the workers tell it.
package actor TrafficSampler: Service {
    private static let interval = Duration.seconds(5)
    private static let share = 20

    private let inspection: WorkerInspection
    private var history = TrafficHistory()
    private var silent: [String] = []
    /// Of the steady clock.
    private var sampledAt: Int64?

    package init(inspection: WorkerInspection) {
        self.inspection = inspection
    }

    /// Samples until it is cancelled.
    package func run() async throws {
        if inspection.paths.isEmpty {
            try await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let start = ContinuousClock.now
                await self.sample()
                let pause = max(Self.interval, start.duration(to: .now) * Self.share)
                try? await Task.sleep(until: start + pause)
            }
        }
    }

    private func sample() async {
        let (answers, silent) = await inspection.ask("GET", "/metrics")
        let pages = answers.filter { $0.status == 200 }
        let readings = try? await NIOThreadPool.singleton.runIfActive {
            Dictionary(pages.map { ($0.process, WorkerReading(page: $0.body)) }, uniquingKeysWith: { $1 })
        }
        self.silent = silent
        let now = SteadyClock.milliseconds()
        history.take(readings ?? [:], at: now, wallOffset: Self.wallOffset)
        sampledAt = now
    }

    /// Unix milliseconds when the steady clock was at 0: another one after the wall clock was set.
    private static var wallOffset: Int64 { WallClock.milliseconds() - SteadyClock.milliseconds() }

    /// By route, as far as they are kept.
    func requestsOfLastMinute() -> [String: UInt64] {
        TrafficReport.LastMinute(history.recent)?.routes.mapValues(\.requests) ?? [:]
    }

    /// What `GET /v1/stats` tells, of everything or of one route.
    func report(route: String?) -> TrafficReport {
        let offset = Self.wallOffset
        var report = TrafficReport(history, route: route, wallOffset: offset)
        report.sampledAt = sampledAt.map { Timestamp.text($0 + offset) }
        if inspection.paths.isEmpty {
            report.reason =
                "No worker's inspection socket is known: start the control plane with --inspect-socket PATH."
        } else if sampledAt == nil {
            report.reason = "The workers are being asked for the first time."
        } else if history.readings.isEmpty {
            report.reason = "No worker answers at \(inspection.paths.joined(separator: ", "))."
        } else {
            report.available = true
            report.warnings += silent.map { "The worker at \($0) does not answer: its traffic is missing." }
        }
        return report
    }
}
