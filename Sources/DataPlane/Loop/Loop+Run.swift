// The tick: wait, read what is readable, run timers and messages, then flush every connection that has something to
// write, once. What was closed or finished on the way is freed at the end, so that no pointer dies inside a callback.

internal import COpenSSL
internal import Glibc

extension LoopPointer {
    /// Runs until the loop is told to stop, or a drain is over.
    func run() {
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.eventsPerTick)
        defer { events.deallocate() }
        while !pointee.isStopped { _ = tick(events, wait: waitTime()) }
    }

    static var eventsPerTick: Int { 256 }

    /// One turn, which waits for events at most `wait` milliseconds (-1: for ever). Returns how many events came.
    @inline(__always)
    func tick(_ events: UnsafeMutablePointer<epoll_event>, wait: Int32) -> Int32 {
        let count = epoll_wait(pointee.epoll, events, Int32(Self.eventsPerTick), wait)
        pointee.now = Clock.monotonicNanoseconds()
        pointee.events &+= Int(count)
        pointee.handshakeTime = Loop.handshakeTimePerTick
        var i: Int32 = 0
        while i < count {
            handle(causeway_event_bits(events, i), on: causeway_event_pointer(events, i))
            flushBulky()
            i &+= 1
        }
        readOn()
        while let timer = pointee.timers.popExpired(now: pointee.milliseconds) { fire(timer) }
        if !pointee.walks.isEmpty { walkOn() }
        if !pointee.endpointWalks.waiting.isEmpty { lookAtEndpoints() }
        flushDirty()
        bury()
        publishHeld()
        return count
    }

    private func waitTime() -> Int32 {
        if pointee.ready != nil || !pointee.walks.isEmpty || !pointee.endpointWalks.waiting.isEmpty { return 0 }
        return pointee.timers.delay(now: Clock.monotonicNanoseconds() / 1_000_000) ?? -1
    }

    @inline(__always)
    private func handle(_ bits: UInt32, on pointer: UnsafeMutableRawPointer?) {
        guard let connection = pointer?.assumingMemoryBound(to: Connection.self), !connection.pointee.isClosed else {
            return
        }
        switch connection.pointee.role {
        case .downstream, .upstream:
            if connection.pointee.isConnecting {
                if bits & (Event.output | Event.error | Event.hangup) != 0 { finishConnect(connection) }
                return
            }
            if bits & Event.output != 0, connection.pointee.isBlocked { writeUnsent(connection) }
            if bits & (Event.readHangup | Event.hangup | Event.error) != 0 { connection.pointee.sawHangup = true }
            if bits & Event.error != 0, connection.pointee.isReadPaused, connection.pointee.role == .downstream {
                // A client's reset: nobody waits for an answer, and no other event will tell.
                close(connection, because: .transport)
            }
            if bits & ~Event.output != 0, !connection.pointee.isClosed { readable(connection) }
        case .listener:
            accept(on: connection)
        case .mailbox:
            for message in pointee.mailbox.takeUnretainedValue().take() { receive(message) }
        }
    }

    /// Connections that had more to read than a tick's share.
    private func readOn() {
        var next = pointee.ready
        pointee.ready = nil
        while let connection = next {
            next = connection.pointee.nextReady
            connection.pointee.isReady = false
            if connection.pointee.isClosed { continue }
            if connection.pointee.role == .listener { accept(on: connection) } else { readable(connection) }
            flushBulky()
        }
    }

    private func fire(_ timer: Timer) {
        switch timer.kind {
        case .connection: connectionTimer(timer.owner.assumingMemoryBound(to: Connection.self))
        case .exchange: timer.owner.assumingMemoryBound(to: Exchange.self).timerFired()
        case .accept: acceptAgain(timer.owner.assumingMemoryBound(to: ListenerState.self))
        case .housekeeping: housekeeping()
        }
    }

    /// One flush per dirty connection; flushing may make others dirty (credit given, streams resumed).
    private func flushDirty() {
        while let connection = pointee.dirty {
            pointee.dirty = connection.pointee.nextDirty
            connection.pointee.isDirty = false
            if !connection.pointee.isClosed { flush(connection) }
        }
        // The bulky ones are flushed with the others.
        while takeBulky() != nil {}
    }

    /// Flushes the connections that hold much output, between two reads: their bytes are still in the processor's cache, and their
    /// memory serves the next one.
    @inline(__always)
    func flushBulky() {
        while let connection = takeBulky() {
            if !connection.pointee.isClosed { flush(connection) }
        }
    }

    @inline(__always)
    private func takeBulky() -> ConnectionPointer? {
        guard let connection = pointee.bulky else { return nil }
        pointee.bulky = connection.pointee.nextBulky
        connection.pointee.isBulky = false
        return connection
    }

    /// Frees what was closed and finished in this tick.
    private func bury() {
        while let exchange = pointee.deadExchanges {
            pointee.deadExchanges = exchange.pointee.next
            exchange.recycle()
        }
        var kept: ConnectionPointer?
        while let connection = pointee.deadConnections {
            pointee.deadConnections = connection.pointee.nextDead
            // The ready list still points at it: next tick.
            if connection.pointee.isReady {
                connection.pointee.nextDead = kept
                kept = connection
            } else {
                free(connection)
            }
        }
        pointee.deadConnections = kept
    }
}
