// The worker's end of the channel, as rules without socket or clock. The worker performs, this decides:
//
// 1. opens every connection with a hello that tells what is served;
// 2. puts a publish together, object by object, on what it serves where only differences come, and checks count, root and validity
//    before anything is warmed;
// 3. never goes back: within its history it takes only higher versions, or the same version with other objects held back;
//    any version of a new history is taken;
// 4. warms one candidate at a time; a newer one that arrives meanwhile waits, and replaces one that waited before it;
// 5. answers each publish once, on the connection that it came by; an answer without its connection is not sent;
// 6. what is served changes only when the worker says that every loop has swapped;
// 7. where that makes the hello of the connection untrue (the candidate came by the connection before), the worker says hello
//    again: the control plane must not believe that an older version is served, least of all one that has lost versions.

package import ConfigModel
import Seal

/// A complete, valid snapshot that the worker shall warm and serve.
package struct Candidate: Sendable {
    package let nonce: UInt64
    let judged: JudgedSnapshot
    package var snapshot: Snapshot { judged.snapshot }
    /// What it is called in a hello, once it is served. To be kept on disk with the snapshot.
    package let served: ServedVersion
}

/// The worker's side of one channel, over all its connections.
package struct SubscriberState: Sendable {
    /// Who the worker is; told in each hello.
    package struct Identity: Sendable {
        package var workerID: String
        package var incarnation: UInt64
        package var softwareVersion: String
        package var pid: UInt32

        package init(workerID: String, incarnation: UInt64, softwareVersion: String, pid: UInt32) {
            self.workerID = workerID
            self.incarnation = incarnation
            self.softwareVersion = softwareVersion
            self.pid = pid
        }
    }

    /// What to do with a message.
    package enum OnMessage: Sendable {
        case nothing
        case answer(Message)
        /// Warm it, then report `warmed` or `unusable` with its nonce.
        case warm(Candidate)
        /// The control plane does not want this worker: close, and wait before the next try.
        case refused(Refused)
        /// The peer does not keep to the protocol: close, and say so in the log.
        case violation(String)
    }

    /// What to do after a candidate was warmed.
    package struct OnWarmed: Sendable {
        /// To be sent in this order.
        package var answers: [Message] = []
        /// To be warmed now.
        package var next: Candidate?
        /// Close the connection and open another.
        package var saysHelloAgain = false
    }

    private let identity: Identity
    /// What every loop serves.
    package var current: Snapshot? { judged?.snapshot }
    private var judged: JudgedSnapshot?
    package private(set) var served: ServedVersion?

    private var isConnected = false
    private var assembly: Assembly?
    private var warming: Candidate?
    /// The publish that is being warmed came by the connection that is still there.
    private var warmingIsAwaited = false
    private var waiting: Candidate?

    /// `served` is what the worker loaded from disk, with the snapshot that belongs to it and the verdict on that.
    package init(
        identity: Identity, current: Snapshot? = nil, index: SnapshotIndex? = nil, served: ServedVersion? = nil
    ) {
        self.identity = identity
        judged = current.map { JudgedSnapshot(snapshot: $0, index: index ?? SnapshotIndex($0)) }
        self.served = current.map { served ?? ServedVersion($0) }
    }

    // MARK: Connection

    /// The message that opens the connection.
    package mutating func connected(state: WorkerState) -> Message {
        disconnected()
        isConnected = true
        return .hello(
            Hello(
                workerID: identity.workerID, incarnation: identity.incarnation,
                softwareVersion: identity.softwareVersion, pid: identity.pid, state: state, served: served))
    }

    /// A candidate that is being warmed goes on; one that waits is forgotten, as the next hello brings it again.
    package mutating func disconnected() {
        isConnected = false
        warmingIsAwaited = false
        assembly = nil
        waiting = nil
    }

    package mutating func received(_ message: Message) -> OnMessage {
        guard isConnected else { return .violation("message without connection") }
        switch message {
        case .refused(let refused): return .refused(refused)
        case .publishBegin(let begin):
            // One that is not complete yet is given up: the control plane has something newer.
            assembly = Assembly(begin, current: judged)
            return .nothing
        case .objects(let entries):
            guard assembly != nil else { return .violation("objects without publish") }
            return assembly?.add(entries) == true ? .nothing : .violation("more objects than announced, or too large")
        case .publishEnd(let nonce):
            guard let finished = assembly.take() else { return .violation("end without publish") }
            guard finished.begin.nonce == nonce else { return .violation("end of another publish") }
            return completed(finished)
        case .hello, .ack, .nack, .status, .statistics: return .violation("message of the wrong direction")
        }
    }

    private mutating func completed(_ assembly: Assembly) -> OnMessage {
        let begin = assembly.begin
        var version = ServedVersion(
            history: begin.history, version: begin.version, versionRoot: begin.versionRoot, root: begin.versionRoot)
        if let reason = backwards(version) {
            return .answer(Self.nack(begin.nonce, version, [ProblemReport(reason: reason)]))
        }
        let judged: JudgedSnapshot
        switch assembly.finish() {
        case .success(let made): judged = made
        case .failure(let failure): return .answer(Self.nack(begin.nonce, version, failure.reports))
        }
        version.root = judged.snapshot.root
        let candidate = Candidate(nonce: begin.nonce, judged: judged, served: version)
        if warming != nil {
            waiting = candidate
            return .nothing
        }
        if version == served { return .answer(ack(candidate, [])) }
        start(candidate)
        return .warm(candidate)
    }

    private func backwards(_ offered: ServedVersion) -> String? {
        guard let served, served.history == offered.history else { return nil }
        if offered.version < served.version {
            return "version \(offered.version) is older than \(served.version), which is served"
        }
        if offered.version == served.version, offered.versionRoot != served.versionRoot {
            return "version \(offered.version) is served already, with other contents"
        }
        return nil
    }

    // MARK: Warming

    /// Every loop serves the candidate now.
    package mutating func warmed(nonce: UInt64, degraded: [ObjectProblem]) -> OnWarmed {
        warmed(nonce: nonce, reports: degraded.map { ProblemReport($0) })
    }

    /// The same, with reports that may be about the worker as a whole (its disk, say).
    package mutating func warmed(nonce: UInt64, reports: [ProblemReport]) -> OnWarmed {
        guard let done = warming, done.nonce == nonce else { return OnWarmed() }
        judged = done.judged
        served = done.served
        if isConnected, !warmingIsAwaited, waiting?.served != served {
            warming = nil
            waiting = nil
            return OnWarmed(saysHelloAgain: true)
        }
        return proceed(answer: ack(done, reports))
    }

    /// The candidate cannot be served; what was served before serves on.
    package mutating func unusable(nonce: UInt64, reasons: [ProblemReport]) -> OnWarmed {
        guard let done = warming, done.nonce == nonce else { return OnWarmed() }
        return proceed(answer: Self.nack(done.nonce, done.served, reasons))
    }

    private mutating func start(_ candidate: Candidate) {
        warming = candidate
        warmingIsAwaited = isConnected
    }

    private mutating func proceed(answer: Message) -> OnWarmed {
        var result = OnWarmed(answers: warmingIsAwaited ? [answer] : [])
        warming = nil
        guard let next = waiting.take() else { return result }
        // What was right when it came may have been overtaken by what was warmed meanwhile.
        if let reason = backwards(next.served) {
            result.answers.append(Self.nack(next.nonce, next.served, [ProblemReport(reason: reason)]))
        } else if next.served == served {
            result.answers.append(ack(next, []))
        } else {
            start(next)
            result.next = next
        }
        return result
    }

    // MARK: Answers

    private func ack(_ candidate: Candidate, _ degraded: [ProblemReport]) -> Message {
        .ack(
            Ack(
                nonce: candidate.nonce, history: candidate.served.history, version: candidate.served.version,
                degraded: degraded))
    }

    private static func nack(_ nonce: UInt64, _ version: ServedVersion, _ reasons: [ProblemReport]) -> Message {
        .nack(Nack(nonce: nonce, history: version.history, version: version.version, reasons: reasons))
    }
}
