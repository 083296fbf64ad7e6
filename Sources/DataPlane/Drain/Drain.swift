// Going away without harm: no new connections, GOAWAY in two steps (RFC 9113 §6.8), `Connection: close` for HTTP/1.1, and
// at the deadline an end to what is left.

internal import Glibc

extension LoopPointer {
    /// Milliseconds from the second step's time on, in which a client may still answer the PING behind the first GOAWAY.
    private static let answerTime: UInt64 = 1_500

    /// Once a second: what the drain needs, lines of the access log that have waited, memory of retired clusters and of bursts.
    func housekeeping() {
        if let log = pointee.accessLog { pointee.statistics.accessLogDropped.add(log.handOver()) }
        dropOutdatedRoutes()
        startPendingEnds()
        pointee.retiredClusters.removeAll { $0.sweep() }
        for cluster in pointee.clusters.values where !cluster.pointee.retiredEndpoints.isEmpty { _ = cluster.sweep() }
        giveBackMemory()
        partFromListeners()
        freeClosedListeners()
        if pointee.isDraining { drainTick() }
        armHousekeeping()
    }

    func armHousekeeping() {
        let delay: UInt64 = pointee.isDraining ? 100 : 1_000
        _ = pointee.timers.arm(milliseconds + delay, .housekeeping, UnsafeMutableRawPointer(self))
    }

    func beginDrain(_ timeout: UInt64, handedOver: Bool) {
        guard !pointee.isDraining else { return }
        var listener = pointee.listeners
        while let current = listener {
            listener = current.pointee.next
            closeListener(current, handedOver: handedOver)
        }
        pointee.isDraining = true
        pointee.drainDeadline = milliseconds + timeout
        pointee.drainSecondStep = milliseconds + 500
        forEachDownstream { self.takeFirstStep($0) }
        _ = pointee.timers.arm(milliseconds + 50, .housekeeping, UnsafeMutableRawPointer(self))
    }

    /// HTTP/1.1 has until the second step: a request that comes meanwhile gets an answer with `Connection: close`, where an end now
    /// would cross it.
    private func takeFirstStep(_ connection: ConnectionPointer) {
        connection.pointee.isDraining = true
        guard let state = connection.pointee.http2 else { return }
        // No new streams please, but those on their way are still taken: the answer to the PING comes behind them.
        guard !state.pointee.goAwaySent else { return }
        writeGoAway(connection, lastStream: Int32.max, .noError)
        ping(connection, state)
    }

    /// False: the client has not answered yet, and it is not `late`; streams that it began before it knew may be on their way.
    @discardableResult
    private func takeSecondStep(_ connection: ConnectionPointer, late: Bool) -> Bool {
        guard let state = connection.pointee.http2, !connection.pointee.closesAfterFlush else {
            endIfIdle(connection)
            return true
        }
        if state.pointee.goAwayPromised == Int32.max {
            if state.pointee.pingsUnanswered > 0, !late { return false }
            state.pointee.goAwayPromised = state.pointee.lastPeerStream
            writeGoAway(connection, lastStream: state.pointee.lastPeerStream, .noError)
        }
        if state.pointee.streams.count == 0 { endAfterFlush(connection) }
        return true
    }

    // MARK: - Listeners

    /// The listener is gone, or its connections begin otherwise from now on: those that it has end with what runs on them, whenever
    /// that is.
    func partFromConnections(of listener: ListenerPointer) {
        guard !pointee.isDraining else { return }
        listener.pointee.generation &+= 1
        listener.pointee.partsAt = milliseconds + 500
        forEachDownstream { connection in
            // One that has not begun to speak has until the second step, too: its first request is on its way.
            guard connection.pointee.listener == listener,
                connection.pointee.http1 != nil || connection.pointee.http2 != nil
            else { return }
            self.takeFirstStep(connection)
        }
    }

    /// Once a second: connections of listeners that have changed or gone, a while after they were told.
    private func partFromListeners() {
        var next = pointee.listeners
        while let listener = next {
            next = listener.pointee.next
            guard listener.pointee.partsAt > 0, listener.pointee.partsAt <= milliseconds else { continue }
            let late = milliseconds >= listener.pointee.partsAt + Self.answerTime
            var isOver = true
            forEachDownstream { connection in
                guard connection.pointee.listener == listener,
                    connection.pointee.generation != listener.pointee.generation
                else { return }
                self.takeFirstStep(connection)
                if !self.takeSecondStep(connection, late: late) { isOver = false }
            }
            if isOver { listener.pointee.partsAt = 0 }
        }
    }

    private func drainTick() {
        let now = milliseconds
        if now >= pointee.drainSecondStep {
            let late = now >= min(pointee.drainSecondStep + Self.answerTime, pointee.drainDeadline)
            forEachDownstream { self.takeSecondStep($0, late: late) }
        }
        if now >= pointee.drainDeadline {
            forEachDownstream { connection in
                if self.endExchanges(connection) { return }
                // What ends already gets a moment more: its last bytes are on their way.
                let ends = connection.pointee.closesAfterFlush || connection.pointee.stage == .lingering
                if !ends || now >= self.pointee.drainDeadline + 1_000 { self.close(connection, because: .drained) }
            }
        }
        if pointee.downstreamCount == 0, now >= pointee.drainSecondStep || pointee.connections == nil {
            if let log = pointee.accessLog { _ = log.handOver() }
            pointee.isStopped = true
        }
    }

    /// An HTTP/1.1 connection without a request ends once its last answer is out: that may have been put together in this
    /// very tick.
    private func endIfIdle(_ connection: ConnectionPointer) {
        if connection.pointee.stage == .idle { endAfterFlush(connection) }
    }

    /// Ends what runs on a connection, each in its own terms, and the connection behind it. False: nothing runs there, or it
    /// ends already.
    private func endExchanges(_ connection: ConnectionPointer) -> Bool {
        guard !connection.pointee.closesAfterFlush, connection.pointee.stage != .lingering else { return false }
        if let half = connection.pointee.http1?.pointee.half {
            half.pointee.exchange.end(.draining)
            endAfterFlush(connection)
            return true
        }
        guard let state = connection.pointee.http2, state.pointee.streams.count > 0 else { return false }
        var exchanges: [ExchangePointer] = []
        state.pointee.streams.forEach { exchanges.append($0.pointee.exchange) }
        for exchange in exchanges { exchange.end(.draining) }
        fail(connection, .noError)
        return true
    }

    private func forEachDownstream(_ body: (ConnectionPointer) -> Void) {
        var next = pointee.connections
        while let connection = next {
            // Closing one may close others: start again where the next has gone.
            next = connection.pointee.next
            if connection.pointee.role == .downstream, !connection.pointee.isClosed { body(connection) }
            if let after = next, after.pointee.isClosed { next = pointee.connections }
        }
    }
}
