// Another try. What the upstream provably has not processed is tried again elsewhere (design 3.4); the rest only where the
// route asks for it, for idempotent methods unless it says otherwise, within the cluster's budget, and never once anything
// of a response has gone to the client.

internal import CNghttp2
internal import ConfigModel
internal import Glibc
internal import Telemetry

extension ExchangePointer {
    /// True: it is on its way again (or has ended on the way).
    func triesAgain(after error: ProxyError) -> Bool {
        let unprocessed = error.isRetryable || (error == .upstreamClosed && isReusedConnectionRace)
        return mayTryAgain(unprocessed: unprocessed, allows(error)) && tryAgain(blames: !unprocessed)
    }

    /// The head of a response has come, and nothing of it has gone to the client. True: it is dropped for another try.
    @inline(__always)
    func triesAgain(afterStatus status: Int, endsStream: Bool) -> Bool {
        guard let retries = pointee.route?.pointee.retries, retries.conditions.rawValue > 15, !pointee.isMirror,
            !retries.conditions.isDisjoint(with: .status(status)),
            mayTryAgain(unprocessed: false, mayRepeat(retries))
        else { return false }
        // A stream that is over must not be reset. An HTTP/1.1 connection ends here: what stands behind this answer in the
        // bytes at hand is no answer to anybody.
        pointee.upstream.pointee.endReceived =
            endsStream && pointee.upstream.pointee.connection?.pointee.wire == .http2
        return tryAgain(blames: true)
    }

    /// Starts the clock of a try, where the route bounds it.
    @inline(__always)
    func beginTry() {
        guard let timeout = pointee.route?.pointee.retries?.tryTimeout, timeout > 0 else { return }
        pointee.responseDeadline = loop.milliseconds + UInt64(timeout)
        armTimer()
    }

    /// The exchange is over: the budget has room again.
    @inline(__always)
    func giveBackRetry() {
        guard let cluster = pointee.retryBudget else { return }
        cluster.pointee.budget.giveBack()
        pointee.retryBudget = nil
    }

    private func allows(_ error: ProxyError) -> Bool {
        guard let retries = pointee.route?.pointee.retries else { return false }
        let condition: RetryConditions
        switch error {
        case .upstreamClosed, .upstreamReset: condition = .error
        case .responseTimeout: condition = .timeout
        case .upstreamProtocol, .responseHeadersTooLarge: condition = .invalidHeader
        default: return false
        }
        return retries.conditions.contains(condition) && mayRepeat(retries)
    }

    private func mayRepeat(_ retries: RetryPolicy) -> Bool {
        pointee.isIdempotent || retries.conditions.contains(.nonIdempotent)
    }

    /// A pooled HTTP/1.1 connection that the upstream closed before any response byte: once, for idempotent methods.
    private var isReusedConnectionRace: Bool {
        pointee.isIdempotent && pointee.tries == 0 && pointee.mayHaveMissedConnection
    }

    private func mayTryAgain(unprocessed: Bool, _ allowed: Bool) -> Bool {
        guard unprocessed || allowed, !pointee.responseStarted, let cluster = pointee.cluster,
            UInt32(pointee.tries) < pointee.route?.pointee.retries?.attempts ?? Exchange.maxTries
        else { return false }
        guard pointee.isReplayable else {
            pointee.retryRefusal = .notKept
            return false
        }
        // The first try after something that put no load on the upstream is free: the streams above a GOAWAY, or all that
        // waited for one connection, must not be cut to a fifth. What comes after that shares the budget.
        if unprocessed, pointee.tries == 0 { return true }
        guard pointee.retryBudget == nil else { return true }
        guard cluster.pointee.budget.take(ofActive: cluster.activeExchanges) else {
            loop.pointee.statistics.retriesRefused.increment()
            pointee.retryRefusal = .budget
            return false
        }
        pointee.retryBudget = cluster
        return true
    }

    /// `blames`: an answer, or its lack, counts against the endpoint as it would if it were delivered.
    private func tryAgain(blames: Bool) -> Bool {
        pointee.tries += 1
        pointee.failedEndpoint = pointee.endpoint
        loop.pointee.statistics.retries.increment()
        pointee.endpoint?.pointee.counters.failures.increment()
        leaveUpstream()
        if blames, let endpoint = pointee.lastEndpoint, endpoint.pointee.countsResponses {
            endpoint.failed(now: loop.milliseconds)
        }
        beginAnew(endQueued: pointee.downstream.pointee.endReceived)
        return true
    }

    /// Whatever stands between the exchange and an upstream is over.
    func leaveUpstream() {
        if pointee.isWaiting { loop.stopWaiting(self) }
        releaseUpstream(.cancel)
    }

    /// Looks for an endpoint as if there had been none.
    func beginAnew(endQueued: Bool) {
        let half = pointee.upstream
        half.pointee.headSent = false
        half.pointee.endSent = false
        half.pointee.headReceived = false
        half.pointee.endReceived = false
        half.pointee.endQueued = endQueued
        pointee.responseDeadline = 0
        pointee.connectDeadline = 0
        pointee.sendCheck = 0
        pointee.status = 0
        pointee.fellBack = false
        pointee.phase = .pickEndpoint
        advance()
    }
}

extension Exchange {
    static let maxTries: UInt32 = 3
}
