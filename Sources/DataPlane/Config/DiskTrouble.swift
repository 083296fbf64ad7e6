// When the disk does not take snapshots: what is told about it, and when the next try is due.

internal import ConfigChannel

struct DiskTrouble {
    private var failure: String?
    private var report: ProblemReport?
    private var delay: UInt64 = 0
    private var dueAt = UInt64.max

    private static let firstDelay: UInt64 = 1_000_000_000
    /// A try on a full disk may cost the size of a whole snapshot.
    private static let lastDelay: UInt64 = 16_000_000_000

    /// For the control plane; empty: all is well.
    var reports: [ProblemReport] { report.map { [$0] } ?? [] }

    func isDue(_ now: UInt64) -> Bool { now >= dueAt }

    /// True: it is another reason than before.
    mutating func failed(_ next: StoreFailure, in folder: String, now: UInt64) -> Bool {
        delay = min(max(delay * 2, Self.firstDelay), Self.lastDelay)
        dueAt = now + delay
        defer { failure = next.description }
        report = ProblemReport(
            reason:
                "snapshots cannot be kept on disk: \(next). Changes are served from memory, and writing is tried again. "
                + "State folder \(folder): \(next.advice)")
        return failure != next.description
    }

    /// True: something was wrong.
    mutating func ended() -> Bool {
        defer { self = DiskTrouble() }
        return report != nil
    }
}
