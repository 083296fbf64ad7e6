// What is an alert: certificates in use that near their end, and workers that are absent or do not serve what was saved.

import ConsoleModel
package import Persistence

/// Looks at the state as it is now.
package struct AlertRules {
    /// Reasons of one worker that are told; the others are counted.
    private static let mostReasons = 5
    /// Days before its end from which on a certificate's end is critical.
    private static let criticalDays = 7

    private let configuration: StoredConfiguration
    private let workers: [WorkerReport]
    /// Seconds since 1970.
    private let now: Int64
    /// The stored certificate of the admin listener, where it is one.
    private let adminCertificate: String?
    /// The end of the admin listener's certificate where that comes from files, in seconds since 1970.
    private let adminExpiry: Int64?

    package init(
        configuration: StoredConfiguration, workers: [WorkerReport], now: Int64, adminCertificate: String? = nil,
        adminExpiry: Int64? = nil
    ) {
        self.configuration = configuration
        self.workers = workers
        self.now = now
        self.adminCertificate = adminCertificate
        self.adminExpiry = adminExpiry
    }

    package var alerts: [Alert] {
        // One that hands over to another, or ends, is not asked for more.
        let serving = workers.filter { !["draining", "stopped"].contains($0.state) }
        return certificates + (serving.isEmpty ? [Self.absence] : [])
            + serving.flatMap { Self.alerts(of: $0, saved: configuration.version) }
    }

    // MARK: certificates

    /// Those that a handshake may meet; others end unnoticed.
    private var certificates: [Alert] {
        var alerts: [Alert] = []
        for certificate in configuration.certificates.values.map(\.value) {
            let end = certificate.facts.wholeExpiry
            guard EventSource.daysLeft(until: end, now: now) <= EventSource.certificateDays[0] else { continue }
            var users = configuration.users(ofCertificate: certificate.name).map { "\($0.noun) \($0.name)" }
            if certificate.name == adminCertificate { users.append("the admin API") }
            guard !users.isEmpty else { continue }
            alerts.append(
                ending(
                    certificate.name, at: end, usedBy: users,
                    "Replace it: PUT /v1/tls-certificates/\(certificate.name)."))
        }
        if let adminExpiry, EventSource.daysLeft(until: adminExpiry, now: now) <= EventSource.certificateDays[0] {
            alerts.append(
                ending("admin", at: adminExpiry, usedBy: ["the admin API"], "Replace the files of --admin-certificate.")
            )
        }
        return alerts
    }

    private func ending(_ name: String, at end: Int64, usedBy users: [String], _ remedy: String) -> Alert {
        let days = EventSource.daysLeft(until: end, now: now)
        let date = Console.Certificate.text(ofTime: end)
        let used = users.prefix(3).joined(separator: ", ") + (users.count > 3 ? " and \(users.count - 3) more" : "")
        var alert =
            if now >= end {
                Alert(
                    "CertificateExpired", of: ["certificate": name], .critical,
                    "The certificate \(name) of \(used) ended at \(date): clients refuse it. \(remedy)")
            } else {
                Alert(
                    "CertificateExpiring", of: ["certificate": name],
                    days <= Self.criticalDays ? .critical : .warning,
                    "The certificate \(name) of \(used) ends at \(date), in \(days) \(days == 1 ? "day" : "days"). \(remedy)"
                )
            }
        alert.stage = EventSource.certificateDays.last { days <= $0 } ?? 0
        alert.mayPass = false
        return alert
    }

    // MARK: workers

    private static let absence = Alert(
        "WorkerMissing", .critical,
        "No worker is connected: what is saved is served by nobody, or by a worker that hears of no change. Look whether"
            + " causeway-worker runs, and at its log.")

    private static func alerts(of worker: WorkerReport, saved: UInt64) -> [Alert] {
        let subject = ["worker": worker.id]
        var alerts: [Alert] = []
        if worker.servedVersion != saved {
            let served = worker.servedVersion.map { "serves version \($0)" } ?? "serves nothing yet"
            var reasons = ""
            if let nack = worker.lastNack, nack.version > worker.servedVersion ?? 0 {
                reasons = " It refused version \(nack.version): \(text(nack.reasons))."
            }
            var behind = Alert(
                "WorkerBehind", of: subject, .critical,
                "The worker \(worker.id) \(served), version \(saved) is saved.\(reasons)")
            behind.progress = worker.servedVersion ?? 0
            alerts.append(behind)
        }
        if !worker.heldBack.isEmpty {
            let objects = worker.heldBack.map { object in
                let reason = object.reasons.first.map { ": \($0.reason)" } ?? ""
                return "\(object.kind) \(object.name) (\(object.keepsLastForm ? "former form" : "left out"))\(reason)"
            }
            alerts.append(
                Alert(
                    "WorkerHoldsBack", of: subject, .warning,
                    "The worker \(worker.id) does not serve the newest form of \(list(objects))."))
        }
        if !worker.degraded.isEmpty {
            alerts.append(
                Alert(
                    "WorkerDegraded", of: subject, .critical,
                    "The machine does not let the worker \(worker.id) bring up \(text(worker.degraded)). It tries again each second."
                ))
        }
        return alerts
    }

    private static func text(_ problems: [WorkerReport.Problem]) -> String {
        list(
            problems.map { problem in
                let object = [problem.kind, problem.name].compactMap { $0 }.joined(separator: " ")
                let field = problem.field.map { ", \($0)" } ?? ""
                return object.isEmpty ? problem.reason : "\(object)\(field): \(problem.reason)"
            })
    }

    private static func list(_ texts: [String]) -> String {
        let rest = texts.count - mostReasons
        return texts.prefix(mostReasons).joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : "")
    }
}
