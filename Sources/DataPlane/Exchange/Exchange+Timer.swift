// The deadlines of an exchange. One timer, armed for the earliest; deadlines that only ever move later (idle, progress) do
// not touch it: when it fires, it looks and arms again.

internal import CNghttp2
internal import ConfigModel
internal import Glibc

extension ExchangePointer {
    /// The caller's deadline (`grpc-timeout`): enforced here, too.
    func admitCallersDeadline(_ now: UInt64) {
        let index = loop.pointee.facts.grpcTimeout
        guard pointee.isGRPC, index > 0, loop.pointee.fieldsOwner == self else { return }
        let field = loop.pointee.fields[index]
        guard let timeout = parseGRPCTimeout(UnsafeRawBufferPointer(start: field.value, count: field.valuelen)) else {
            return fail(.badRequest)
        }
        let deadline = now + timeout
        if pointee.deadline == 0 || deadline < pointee.deadline {
            pointee.deadline = deadline
            pointee.deadlineIsCallers = true
        }
        armTimer()
    }

    /// The request's head is sent, or more of its body: which timeouts run now.
    func requestProgressed() {
        if pointee.upstream.pointee.endSent || (pointee.isWebSocket && !pointee.isTunnel) {
            // A handshake is a whole request, although its side stays open for the tunnel.
            armResponseTimer()
        } else if pointee.progressCheck == 0, isWatchedBody {
            watchProgress()
        }
        // From here on every deadline only moves later: the timer looks again when it fires.
        if pointee.idleTimeout > 0, pointee.phase == .send || pointee.timer == nil { armTimer() }
    }

    func armResponseTimer() {
        guard !pointee.responseStarted, let route = pointee.route else { return }
        let quiet = route.pointee.isGRPC || pointee.isGRPC || pointee.isWebSocket
        let timeout = UInt64(route.pointee.responseHeaders ?? (quiet ? 0 : 60_000))
        guard timeout > 0 else { return }
        let deadline = loop.milliseconds + timeout
        // It does not move once it runs; that of a try may come before it.
        guard pointee.responseDeadline == 0 || deadline < pointee.responseDeadline else { return }
        pointee.responseDeadline = deadline
        armTimer()
    }

    /// Arms the timer for the earliest deadline, unless it fires before that anyway.
    func armTimer() {
        let next = pointee.isFinished ? 0 : earliestDeadline()
        guard next > 0 else { return }
        if let timer = pointee.timer {
            if pointee.timerDeadline <= next { return }
            loop.pointee.timers.cancel(timer)
        }
        pointee.timerDeadline = next
        pointee.timer = loop.pointee.timers.arm(next, .exchange, self)
    }

    func cancelTimer() {
        if let timer = pointee.timer { loop.pointee.timers.cancel(timer) }
        pointee.timer = nil
    }

    func timerFired() {
        pointee.timer = nil
        guard !pointee.isFinished else { return }
        let now = loop.milliseconds
        if isDue(pointee.deadline, now) {
            return fail(pointee.deadlineIsCallers ? .deadlineExceeded : .totalTimeout)
        }
        if isDue(pointee.connectDeadline, now) {
            connectTimedOut()
            // Another try may go on at once, without a deadline that arms the timer.
            return armTimer()
        }
        if isDue(pointee.responseDeadline, now) { return fail(.responseTimeout) }
        if isDue(pointee.progressCheck, now), let error = lateBody(now) { return fail(error) }
        if pointee.idleTimeout > 0, pointee.lastProgress + pointee.idleTimeout <= now { return end(.streamIdle) }
        if isDue(pointee.sendCheck, now), sendIsLate() { return end(.sendTimeout) }
        if isDue(pointee.stallCheck, now), isStalled() { return stalled() }
        armTimer()
    }

    /// A request body that the service has not answered yet. The streams of gRPC may be quiet, as may what is spoken both ways at once.
    private var isWatchedBody: Bool {
        !pointee.isTunnel && !pointee.responseStarted && (!pointee.isGRPC || pointee.web != nil)
    }

    /// From here on the body has to come in time, or to be taken.
    private func watchProgress() {
        guard let listener = pointee.origin?.pointee.listener, !pointee.isMirror else { return }
        pointee.progressTimeout = UInt64(listener.pointee.limits.requestProgressTimeout)
        guard pointee.progressTimeout > 0 else { return }
        pointee.progressMark = pointee.requestBytes
        pointee.progressCheck = loop.milliseconds + pointee.progressTimeout
        armTimer()
    }

    /// What is wrong with a body that has not ended, if anything; else the next look is armed.
    private func lateBody(_ now: UInt64) -> ProxyError? {
        pointee.progressCheck = 0
        guard isWatchedBody, !pointee.upstream.pointee.endSent else { return nil }
        if isHeldUp || pointee.downstream.pointee.endReceived {
            // The service takes nothing of what has come: the client is not to blame, it is not even read.
            if pointee.lastProgress + pointee.progressTimeout <= now { return .sendTimeout }
        } else if pointee.requestBytes - pointee.progressMark < Exchange.leastMoved {
            loop.pointee.statistics.abuse(.slowBody).increment()
            return .requestProgress
        }
        watchProgress()
        return nil
    }

    /// Something waits for the client: from here on it has to take some of it, or the stream ends. Not by `lastProgress`: a
    /// window that is opened a byte at a time is no progress.
    func watchStall() {
        guard let listener = pointee.origin?.pointee.listener, !pointee.isMirror else { return }
        let timeout = UInt64(listener.pointee.limits.streamStallTimeout)
        guard timeout > 0 else { return }
        pointee.stallCheck = loop.milliseconds + timeout
        pointee.stallMark = taken
        armTimer()
    }

    /// Body bytes that the client's connection has taken.
    private var taken: Int { pointee.responseBytes - pointee.downstream.pointee.pending.count }

    private func isStalled() -> Bool {
        let half = pointee.downstream
        pointee.stallCheck = 0
        // A client of HTTP/1.1 stalls as a connection does.
        guard !half.pointee.pending.isEmpty, half.pointee.connection?.pointee.wire == .http2 else { return false }
        if taken - pointee.stallMark < Exchange.leastMoved { return true }
        watchStall()
        return false
    }

    private func stalled() {
        loop.pointee.statistics.abuse(.stalledStream).increment()
        if pointee.isTunnel { return closeTunnel(.clientStalled) }
        loop.pointee.statistics.failures(.clientStalled).increment()
        pointee.error = .clientStalled
        complete()
    }

    /// Something of the request's body goes upstream: from here on some of it has to be taken in time while more waits. Looked at from
    /// time to time, so that what is late is seen between once and twice its time.
    func watchSending() {
        guard pointee.sendCheck == 0 else { return }
        pointee.sendMark = takenUpstream
        pointee.sendCheck = loop.milliseconds + pointee.sendTimeout
        armTimer()
    }

    /// Body bytes that the upstream's connection has passed to the kernel.
    private var takenUpstream: Int {
        let half = pointee.upstream
        var waiting = half.pointee.pending.count
        if let connection = half.pointee.connection, connection.pointee.wire == .http1 {
            waiting += connection.pointee.output.count + connection.pointee.unsent.count
        }
        return pointee.requestBytes - waiting
    }

    /// Something of the request's body waits for the upstream.
    private var isHeldUp: Bool {
        let half = pointee.upstream
        return !half.pointee.pending.isEmpty || half.pointee.connection?.pointee.isBlocked ?? false
    }

    private func sendIsLate() -> Bool {
        let half = pointee.upstream
        pointee.sendCheck = 0
        // Before a connection is there, its own time runs.
        guard let connection = half.pointee.connection else {
            if pointee.isWaiting || !half.pointee.pending.isEmpty { watchSending() }
            return false
        }
        guard !half.pointee.pending.isEmpty || connection.pointee.isBlocked else { return false }
        if takenUpstream <= pointee.sendMark { return true }
        watchSending()
        return false
    }

    private func isDue(_ deadline: UInt64, _ now: UInt64) -> Bool { deadline > 0 && deadline <= now }

    private func earliestDeadline() -> UInt64 {
        var next = UInt64.max
        if pointee.deadline > 0 { next = pointee.deadline }
        if pointee.connectDeadline > 0 { next = min(next, pointee.connectDeadline) }
        if pointee.responseDeadline > 0 { next = min(next, pointee.responseDeadline) }
        if pointee.progressCheck > 0 { next = min(next, pointee.progressCheck) }
        if pointee.idleTimeout > 0 { next = min(next, pointee.lastProgress + pointee.idleTimeout) }
        if pointee.sendCheck > 0 { next = min(next, pointee.sendCheck) }
        if pointee.stallCheck > 0 { next = min(next, pointee.stallCheck) }
        return next == .max ? 0 : next
    }
}

extension Exchange {
    /// Bytes that a client takes at least within `stream-stall-timeout` while more waits, and brings of a request's body within
    /// `request-progress-timeout`.
    static let leastMoved = 1_024
}
