// How bytes of a body move from one half to the other, and how the sender is held back: what the receiving connection
// cannot take waits in `pending`; the sender gets credit when the other side's kernel has taken its bytes.

internal import Glibc

extension LoopPointer {
    /// Sends body bytes that came from the peer of `half`. Keeps what the connection cannot take.
    @inline(__always)
    func relay(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, end: Bool) {
        var sent = 0
        let canSend = half.pointee.connection != nil && half.pointee.headSent && half.pointee.pending.isEmpty
        if canSend { sent = writeBody(half, bytes, count, end: end) }
        if sent < count {
            half.pointee.pending.append(bytes + sent, count &- sent)
            pointee.statistics.bytesHeld.add(count &- sent)
            half.pointee.exchange.hold(count &- sent)
            if !half.pointee.isUpstream, half.pointee.exchange.pointee.stallCheck == 0 {
                half.pointee.exchange.watchStall()
            }
        }
        if half.pointee.isUpstream, half.pointee.exchange.pointee.sendTimeout > 0 {
            half.pointee.exchange.watchSending()
        }
        if end, !half.pointee.endSent { half.pointee.endQueued = true }
        if half.pointee.hasQueued, canSend, let connection = half.pointee.connection {
            enqueueBlocked(connection, half)
        }
        awaitDelivery(half)
    }

    /// Goes on with what is queued on a half, as far as its connection takes it.
    func pump(_ half: HalfPointer) {
        guard let connection = half.pointee.connection, half.pointee.headSent, !half.pointee.endSent else { return }
        let hasTrailers = !half.pointee.trailers.isEmpty
        let count = half.pointee.pending.count
        let endsHere = half.pointee.endQueued && !hasTrailers
        if count > 0 || endsHere {
            let bytes = count > 0 ? UnsafePointer(half.pointee.pending.start) : nil
            let sent = writeBody(half, bytes, count, end: endsHere)
            half.pointee.pending.consume(sent)
            pointee.statistics.bytesHeld.add(-sent)
            half.pointee.exchange.hold(-sent)
            awaitDelivery(half)
        }
        if half.pointee.pending.isEmpty, half.pointee.endQueued, hasTrailers { writeTrailers(half) }
        if half.pointee.endSent {
            half.pointee.exchange.endSent(on: half)
        } else if half.pointee.hasQueued {
            enqueueBlocked(connection, half)
        }
    }

    @inline(__always)
    private func writeBody(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>?, _ count: Int, end: Bool) -> Int {
        guard let connection = half.pointee.connection else { return 0 }
        let sent =
            connection.pointee.wire == .http2
            ? writeData(half, bytes, count, end: end) : writeBodyHTTP1(connection, half, bytes, count, end: end)
        half.pointee.exchange.sentBody(on: half, bytes, sent)
        return sent
    }

    private func writeTrailers(_ half: HalfPointer) {
        guard let connection = half.pointee.connection else { return }
        let count = loadFields(half.pointee.trailers, from: 0)
        if connection.pointee.wire == .http2 {
            writeHeaders(connection, half.pointee.stream, pointee.fields, count, endsStream: true)
        } else {
            writeTrailersHTTP1(connection, pointee.fields, count)
        }
        half.pointee.trailers.release()
        half.pointee.endSent = true
    }

    // MARK: - Streams that wait

    /// Puts a half into its connection's queue of those with something to send. A stream without window waits for its
    /// own WINDOW_UPDATE instead.
    func enqueueBlocked(_ connection: ConnectionPointer, _ half: HalfPointer) {
        guard let state = connection.pointee.http2, !half.pointee.isBlocked else { return }
        if half.pointee.sendWindow <= 0, !half.pointee.pending.isEmpty { return }
        half.pointee.isBlocked = true
        half.pointee.nextBlocked = nil
        half.pointee.previousBlocked = state.pointee.blockedTail
        if let tail = state.pointee.blockedTail {
            tail.pointee.nextBlocked = half
        } else {
            state.pointee.blockedHead = half
        }
        state.pointee.blockedTail = half
    }

    func dequeueBlocked(_ state: UnsafeMutablePointer<HTTP2State>, _ half: HalfPointer) {
        guard half.pointee.isBlocked else { return }
        half.pointee.isBlocked = false
        let previous = half.pointee.previousBlocked
        let next = half.pointee.nextBlocked
        if let previous { previous.pointee.nextBlocked = next } else { state.pointee.blockedHead = next }
        if let next { next.pointee.previousBlocked = previous } else { state.pointee.blockedTail = previous }
    }

    /// The connection's output is with the kernel: its senders get credit, and queued streams go on in turn.
    func drained(_ connection: ConnectionPointer) {
        while let half = connection.pointee.awaiting {
            removeAwaiting(connection, half)
            let source = half.peer
            let count = source.pointee.outstanding &- half.pointee.pending.count
            if count > 0 { delivered(source, count) }
        }
        if let state = connection.pointee.http2 {
            let last = state.pointee.blockedTail
            while let half = state.pointee.blockedHead, connection.pointee.takesBody,
                state.pointee.sendWindow > 0 || half.pointee.pending.isEmpty
            {
                dequeueBlocked(state, half)
                pump(half)
                if half == last { break }
            }
        } else if let half = connection.pointee.http1?.pointee.half, half.pointee.hasQueued {
            pump(half)
        }
        if connection.pointee.role == .upstream { upstreamCapacityChanged(connection) }
        guard connection.pointee.output.isEmpty, !connection.pointee.isClosed else { return }
        if let state = connection.pointee.http2, state.pointee.sendWindow > 0 { state.pointee.shutSince = 0 }
        if connection.pointee.awaitsDrain {
            connection.pointee.awaitsDrain = false
            markReady(connection)
        }
        if connection.pointee.closesAfterFlush {
            finishClose(connection)
        } else if connection.pointee.finishesAfterFlush, !connection.pointee.finishSent {
            sendFinish(connection)
        }
    }

    /// Remembers that the source of these bytes needs credit when they are with the kernel. Small bodies never do: they
    /// end before their window matters.
    @inline(__always)
    private func awaitDelivery(_ half: HalfPointer) {
        let source = half.peer
        if source.pointee.outstanding >= min(source.pointee.windowSize / 4, HTTP2State.leastCredit / 2) {
            addAwaiting(half)
        }
    }

    @inline(never)
    private func addAwaiting(_ half: HalfPointer) {
        let source = half.peer
        if let sender = source.pointee.connection, sender.pointee.wire == .http1,
            source.pointee.outstanding > Half.highWater
        {
            sender.pointee.isReadPaused = true
        }
        guard !half.pointee.isAwaiting, let connection = half.pointee.connection else { return }
        half.pointee.isAwaiting = true
        half.pointee.previousAwaiting = nil
        half.pointee.nextAwaiting = connection.pointee.awaiting
        connection.pointee.awaiting?.pointee.previousAwaiting = half
        connection.pointee.awaiting = half
        markDirty(connection)
    }

    func removeAwaiting(_ connection: ConnectionPointer, _ half: HalfPointer) {
        guard half.pointee.isAwaiting else { return }
        half.pointee.isAwaiting = false
        if let previous = half.pointee.previousAwaiting {
            previous.pointee.nextAwaiting = half.pointee.nextAwaiting
        } else {
            connection.pointee.awaiting = half.pointee.nextAwaiting
        }
        half.pointee.nextAwaiting?.pointee.previousAwaiting = half.pointee.previousAwaiting
    }

    /// Takes a half off its connection: the stream has ended there, one way or the other.
    func detach(_ half: HalfPointer) {
        guard let connection = half.pointee.connection else { return }
        half.pointee.connection = nil
        if half.pointee.isUpstream { pointee.statistics.upstreamStreamsOpen.add(-1) }
        removeAwaiting(connection, half)
        if let state = connection.pointee.http2 {
            dequeueBlocked(state, half)
            state.pointee.streams.remove(half)
            if state.pointee.dataStream == half { state.pointee.dataStream = nil }
            if state.pointee.isServer {
                state.pointee.undelivered &-= half.pointee.outstanding
                if half.pointee.outstanding > 0 { creditConnection(connection, state) }
            }
            state.pointee.grownWindows &-= Int32(
                truncatingIfNeeded: half.pointee.windowSize &- HTTP2State.streamWindow)
            giveBackGrowth(half)
            if state.pointee.streams.count == 0 { becameIdle(connection) }
            // Room for an exchange that waits: given at the flush, not inside this callback.
            if let endpoint = connection.pointee.endpoint,
                endpoint.pointee.waitingHTTP2.head != nil || endpoint.pointee.waitingWebSocket.head != nil
            {
                markDirty(connection)
            }
        } else if let state = connection.pointee.http1 {
            state.pointee.half = nil
        }
    }
}
