// One connected worker as `GET /v1/workers` shows it.

import ConfigChannel
import ConfigModel

/// What is known of a connected worker. Times are Unix milliseconds.
package struct WorkerReport: Codable, Hashable, Sendable {
    package var id: String
    package var pid: UInt32
    /// User that the process runs as, by the kernel's word.
    package var uid: UInt32
    package var incarnation: String
    package var softwareVersion: String
    package var connectedSince: Int64
    /// `starting`, `warming`, `serving`, `draining`, `stopped`.
    package var state: String
    /// In events also `disconnected`: it has gone.
    static let disconnected = "disconnected"
    /// `nil`: nothing yet.
    package var servedVersion: UInt64?
    package var servedHistory: String?
    /// The version that the worker was told and has not answered yet.
    package var publishing: UInt64?
    package var activeConnections: UInt64
    package var activeStreams: UInt64
    package var lastAck: Answer?
    package var lastNack: Answer?
    /// Objects that the machine did not let the worker bring up; it tries again.
    package var degraded: [Problem]
    /// Objects that the worker refused in their newest form.
    package var heldBack: [HeldBack]

    /// Whether nothing has changed that people wait for; counts of connections change all the time.
    func says(theSameAs other: WorkerReport) -> Bool {
        state == other.state && servedVersion == other.servedVersion && servedHistory == other.servedHistory
            && degraded == other.degraded && heldBack == other.heldBack && lastNack == other.lastNack
    }

    package struct Answer: Codable, Hashable, Sendable {
        package var version: UInt64
        package var at: Int64
        package var reasons: [Problem]
    }

    package struct Problem: Codable, Hashable, Sendable {
        /// `listener`, `tlsIdentity`, `virtualHost`, `cluster`, `route`; `nil`: the version as a whole.
        package var kind: String?
        package var name: String?
        package var field: String?
        package var reason: String

        init(_ report: ProblemReport) {
            kind = report.key.map { "\($0.kind)" } ?? (report.kind == 0 ? nil : "kind \(report.kind)")
            name = report.name.isEmpty ? nil : report.name
            field = report.field.isEmpty ? nil : report.field
            reason = report.reason
        }
    }

    package struct HeldBack: Codable, Hashable, Sendable {
        package var kind: String
        package var name: String
        /// The form before is served; otherwise the object is left out.
        package var keepsLastForm: Bool
        package var reasons: [Problem]

        init(_ object: HeldBackObject) {
            kind = "\(object.key.kind)"
            name = object.key.name
            keepsLastForm = object.keepsLastForm
            reasons = object.reasons.map { Problem($0) }
        }
    }
}
