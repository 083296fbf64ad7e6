// Where events come from: versions that were saved, workers that change, the audit, certificates that near their end.

import ConsoleModel
package import Persistence
import ServiceLifecycle

/// Turns what happens in the control plane into events.
package actor EventSource: Service {
    private static let certificateInterval = Duration.seconds(3_600)
    /// Days before its end at which a certificate is told of; the last: it is over.
    static let certificateDays = [30, 14, 7, 3, 1, 0]
    /// More are not told one by one: the feed would not keep them for those who come back.
    private static let mostAtOnce = EventFeed.remembered

    private let feed: EventFeed
    private let store: Store
    private let publisher: Publisher
    /// Counts restores: what was read before one is not told after it.
    private var era = 0
    private var versions: Backlog<UInt64>
    private var audit = Backlog<Int64>(last: .max)
    private var toldCertificates: [String: Int] = [:]
    /// As they were when they were last looked through.
    private var seenCertificates = ResourceTable<StoredCertificate>()

    package init(feed: EventFeed, store: Store, publisher: Publisher) {
        self.feed = feed
        self.store = store
        self.publisher = publisher
        versions = Backlog(last: store.configuration.version)
    }

    /// Tells until it is cancelled.
    package func run() async throws {
        await publisher.observe { [feed] report in feed.tell("worker", WorkerItem(report: report)) }
        audit = Backlog(last: try await store.auditRecords(limit: 1).first?.id ?? 0)
        let (audited, queue) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let observation = store.observeAudit { queue.yield() }
        defer { observation.cancel() }
        try await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup { group in
                group.addTask {
                    for await _ in audited { await self.tellAudit() }
                }
                group.addTask {
                    while true {
                        await self.tellCertificates()
                        try await Task.sleep(for: Self.certificateInterval)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    private struct SavedVersion: Encodable {
        var version: String
        var author: String
        var summary: String
        var time: String
    }

    /// To be called once a version is stored and published: tells it, and those before it that were not told yet.
    func versionSaved() async {
        let era = era
        // What cannot be read now is told with the next.
        let records = (try? await store.versions(after: versions.last, limit: Self.mostAtOnce)) ?? []
        guard era == self.era else { return }
        switch versions.read(records, \.number) {
        case .gap: feed.tellReset()
        case .rows(let records):
            for record in records {
                feed.tell(
                    "version",
                    SavedVersion(
                        version: String(record.number), author: record.author, summary: record.summary,
                        time: Timestamp.text(record.createdAt)))
            }
        }
        // Thousands of them are not gone through because of a route.
        if store.configuration.certificates != seenCertificates { tellCertificates() }
    }

    /// Everything is another than it was, and numbers may have gone back: those who listen read anew, if they still may.
    func restored(version: UInt64, audit last: Int64) {
        era += 1
        versions = Backlog(last: version)
        audit = Backlog(last: last)
        feed.tellReset()
        tellCertificates()
        feed.checkListeners()
    }

    private struct Audited: Encodable {
        var id: String
        var time: String
        var actor: String
        var action: String
        @JSONField var kind: String?
        @JSONField var name: String?
        @JSONField var version: String?
    }

    private func tellAudit() async {
        // Sessions and accounts end by what is audited.
        feed.checkListeners()
        let era = era
        var filter = AuditFilter()
        filter.above = audit.last
        let records = (try? await store.auditRecords(filter, limit: Self.mostAtOnce)) ?? []
        guard era == self.era else { return }
        switch audit.read(records, \.id) {
        case .gap: feed.tellReset(to: .admin)
        case .rows(let records):
            for record in records {
                feed.tell(
                    "audit",
                    Audited(
                        id: String(record.id), time: Timestamp.text(record.at), actor: record.actor,
                        action: record.action, kind: record.kind, name: record.name,
                        version: record.version.map { String($0) }), to: .admin)
            }
        }
    }

    private struct Ending: Encodable {
        var name: String
        var validityEnd: String
        var daysLeft: Int
        var expired: Bool
    }

    /// Each at most once for each of the marks.
    private func tellCertificates() {
        let certificates = store.configuration.certificates
        seenCertificates = certificates
        let now = WallClock.milliseconds() / 1_000
        var told: [String: Int] = [:]
        for stored in certificates.values {
            let certificate = stored.value
            let end = certificate.facts.wholeExpiry
            let days = Self.daysLeft(until: end, now: now)
            guard let mark = Self.certificateDays.last(where: { days <= $0 }) else { continue }
            let key = "\(certificate.name) \(certificate.facts.fingerprint)"
            told[key] = mark
            if toldCertificates[key] == mark { continue }
            feed.tell(
                "certificate",
                Ending(
                    name: certificate.name, validityEnd: Console.Certificate.text(ofTime: end),
                    daysLeft: max(days, 0), expired: now >= end))
        }
        toldCertificates = told
    }

    /// Whole days, the one that has begun among them; 0 or less: it is over.
    static func daysLeft(until end: Int64, now: Int64) -> Int {
        // A certificate may be of any time.
        let left = end.subtractingReportingOverflow(now).overflow ? 0 : end - now
        return Int(clamping: left > 0 ? (left + 86_399) / 86_400 : left / 86_400)
    }
}
