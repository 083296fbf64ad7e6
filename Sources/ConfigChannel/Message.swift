// What the two processes say to each other. The worker opens with `hello`; the control plane publishes; every publish is
// answered by `ack` or `nack` with its nonce. At least every five seconds the worker sends `status`: a silent worker is
// taken for gone after a minute.

package import ConfigModel
package import Seal

/// One message, in either direction.
package enum Message: Hashable, Sendable {
    // From the worker.
    case hello(Hello)
    case ack(Ack)
    case nack(Nack)
    case status(Status)
    /// Format of `Telemetry`; opaque here.
    case statistics([UInt8])

    // From the control plane.
    case refused(Refused)
    case publishBegin(PublishBegin)
    case objects([ObjectEntry])
    case publishEnd(nonce: UInt64)
}

/// Raw values travel and never change.
package enum MessageType: UInt8, CaseIterable, Sendable {
    case hello = 1
    case refused = 2
    case publishBegin = 3
    case objects = 4
    case publishEnd = 5
    case ack = 6
    case nack = 7
    case status = 8
    case statistics = 9
}

/// Where a worker is in its life.
package enum WorkerState: UInt8, Hashable, Sendable, CaseIterable {
    case starting = 1
    case warming = 2
    case serving = 3
    /// Accepts nothing new; gets no further publishes.
    case draining = 4
    case stopped = 5
}

/// Which configuration a worker serves.
package struct ServedVersion: Hashable, Sendable {
    package var history: HistoryID
    package var version: UInt64
    /// Of the version as published: what tells one version from another.
    package var versionRoot: Hash256
    /// Of what is really served; another one exactly where objects are held back.
    package var root: Hash256

    package init(history: HistoryID, version: UInt64, versionRoot: Hash256, root: Hash256) {
        self.history = history
        self.version = version
        self.versionRoot = versionRoot
        self.root = root
    }

    package init(_ snapshot: Snapshot) {
        self.init(
            history: snapshot.historyID, version: snapshot.version, versionRoot: snapshot.root, root: snapshot.root)
    }
}

/// The first message of a connection: who the worker is and what it serves.
package struct Hello: Hashable, Sendable {
    package var protocolVersion: UInt16
    /// Stays over restarts of the worker (kept in its state folder).
    package var workerID: String
    /// Chosen anew at every start of the process.
    package var incarnation: UInt64
    package var softwareVersion: String
    package var pid: UInt32
    package var state: WorkerState
    /// `nil`: nothing yet.
    package var served: ServedVersion?

    package init(
        protocolVersion: UInt16 = ChannelLimits.protocolVersion, workerID: String, incarnation: UInt64,
        softwareVersion: String, pid: UInt32, state: WorkerState, served: ServedVersion?
    ) {
        self.protocolVersion = protocolVersion
        self.workerID = workerID
        self.incarnation = incarnation
        self.softwareVersion = softwareVersion
        self.pid = pid
        self.state = state
        self.served = served
    }
}

/// The control plane ends the connection, and says why.
package struct Refused: Hashable, Sendable, Error {
    package enum Code: UInt8, Hashable, Sendable, CaseIterable {
        case protocolVersion = 1
        case notAllowed = 2
        /// Another connection of the same worker has taken over.
        case replaced = 3
        case tooManyWorkers = 4
        case malformed = 5
        case shuttingDown = 6
    }

    package var code: Code
    package var reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

/// Announces a snapshot. Its objects follow, or what differs from one that the worker serves; then `publishEnd`.
package struct PublishBegin: Hashable, Sendable {
    package var nonce: UInt64
    package var history: HistoryID
    package var version: UInt64
    /// Of the complete version.
    package var versionRoot: Hash256
    /// Of what is offered; `nil` where the worker is asked to keep objects in a form that the control plane does not know.
    package var root: Hash256?
    /// Root of what the worker serves, where only what differs from that follows; `nil`: everything follows.
    package var base: Hash256?
    /// Entries that follow.
    package var objectCount: UInt32

    package init(
        nonce: UInt64, history: HistoryID, version: UInt64, versionRoot: Hash256, root: Hash256?,
        base: Hash256? = nil, objectCount: UInt32
    ) {
        self.nonce = nonce
        self.history = history
        self.version = version
        self.versionRoot = versionRoot
        self.root = root
        self.base = base
        self.objectCount = objectCount
    }
}

/// One object on the wire. The kind is a bare number: an unknown one is the worker's to NACK, not a broken frame.
package struct ObjectEntry: Hashable, Sendable {
    package var kind: UInt8
    package var name: String
    package var form: Form

    package enum Form: Hashable, Sendable {
        /// The form that the worker serves now, or nothing if it has none.
        case kept
        /// Canonical bytes.
        case bytes([UInt8])
        /// No more: only where what differs is sent.
        case removed
    }

    package init(kind: UInt8, name: String, form: Form) {
        self.kind = kind
        self.name = name
        self.form = form
    }

    package init(_ key: ObjectKey, _ form: Form) {
        self.init(kind: key.kind.rawValue, name: key.name, form: form)
    }
}

/// What is wrong with one object, or (`kind` 0) with the publish as a whole.
package struct ProblemReport: Hashable, Sendable {
    package var kind: UInt8
    package var name: String
    package var field: String
    package var reason: String

    package init(kind: UInt8, name: String, field: String = "", reason: String) {
        self.kind = kind
        self.name = name
        self.field = field
        self.reason = reason
    }

    package init(_ problem: ObjectProblem) {
        self.init(
            kind: problem.key.kind.rawValue, name: problem.key.name, field: problem.field, reason: problem.reason)
    }

    /// About the publish as a whole.
    package init(reason: String) {
        self.init(kind: 0, name: "", reason: reason)
    }

    /// `nil`: about the whole, or of a kind that this build does not know.
    package var key: ObjectKey? {
        ObjectKind(rawValue: kind).map { ObjectKey($0, name) }
    }
}

/// Every loop of the worker serves the version now.
package struct Ack: Hashable, Sendable {
    package var nonce: UInt64
    package var history: HistoryID
    package var version: UInt64
    /// Objects that the machine did not let the worker bring up (port in use, file missing); tried again by the worker.
    package var degraded: [ProblemReport]

    package init(nonce: UInt64, history: HistoryID, version: UInt64, degraded: [ProblemReport] = []) {
        self.nonce = nonce
        self.history = history
        self.version = version
        self.degraded = degraded
    }
}

/// The worker cannot use the version; what it served before serves on.
package struct Nack: Hashable, Sendable {
    package var nonce: UInt64
    package var history: HistoryID
    package var version: UInt64
    package var reasons: [ProblemReport]

    package init(nonce: UInt64, history: HistoryID, version: UInt64, reasons: [ProblemReport]) {
        self.nonce = nonce
        self.history = history
        self.version = version
        self.reasons = reasons
    }
}

/// How the worker is, sent at every change of state and every few seconds.
package struct Status: Hashable, Sendable {
    package var state: WorkerState
    package var servedVersion: UInt64
    package var activeConnections: UInt64
    package var activeStreams: UInt64
    /// What is degraded now: in place of what the ACK said.
    package var degraded: [ProblemReport]

    package init(
        state: WorkerState, servedVersion: UInt64, activeConnections: UInt64, activeStreams: UInt64,
        degraded: [ProblemReport] = []
    ) {
        self.degraded = degraded
        self.state = state
        self.servedVersion = servedVersion
        self.activeConnections = activeConnections
        self.activeStreams = activeStreams
    }
}
