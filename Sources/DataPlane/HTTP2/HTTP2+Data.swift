// DATA from the peer (RFC 9113 §6.1) and the credit it gets (§5.2). Payload goes to the exchange as it arrives, without
// waiting for the end of its frame; padding is credited at once.

internal import Glibc

extension LoopPointer {
    /// Reads the head of a DATA frame. Returns the bytes used, 0 when more are needed, nil when the connection failed.
    @inline(__always)
    func beginData(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>,
        _ frame: UnsafeMutablePointer<UInt8>,
        _ available: Int, _ length: Int, _ flags: UInt8, _ stream: Int32
    ) -> Int? {
        guard stream != 0 else {
            fail(connection, .protocolError)
            return nil
        }
        var used = 9
        var padding = 0
        if flags & FrameFlag.padded != 0 {
            guard available >= 10 || length == 0 else { return 0 }
            guard length > 0, Int(frame[9]) < length else {
                fail(connection, length == 0 ? .frameSizeError : .protocolError)
                return nil
            }
            padding = Int(frame[9])
            used = 10
        }
        guard length <= state.pointee.receiveWindow else {
            fail(connection, .flowControlError)
            return nil
        }
        state.pointee.receiveWindow &-= length
        var half = state.pointee.streams.find(stream)
        if half == nil {
            if isIdle(state, stream) {
                fail(connection, .protocolError)
                return nil
            }
            // A closed stream (RFC 9113 §6.1), unless we reset it or our GOAWAY gave it up: the peer may not know yet
            // (§5.1). The reset is remembered, so that each stream gets one.
            if stream <= state.pointee.goAwayPromised, !state.pointee.resetStreams.contains(stream) {
                resetStream(connection, stream, .streamClosed)
            }
        }
        if let found = half {
            if found.pointee.endReceived || (found.pointee.isUpstream && !found.pointee.headReceived) {
                failStream(found, found.pointee.endReceived ? .streamClosed : .protocolError)
                half = nil
            } else if length > found.pointee.receiveWindow {
                failStream(found, .flowControlError)
                half = nil
            } else {
                found.pointee.receiveWindow &-= length
            }
        }
        let payload = length &- (used &- 9) &- padding
        state.pointee.inData = true
        state.pointee.dataStream = half
        state.pointee.dataRemaining = payload
        state.pointee.dataPadding = padding
        state.pointee.dataEndsStream = flags & FrameFlag.endStream != 0
        // Connection credit: strangers share an upstream connection, so it is given at receipt; a client's own
        // connection waits for delivery (design 3.2). What belongs to no stream is given back in either case.
        if state.pointee.isServer, half != nil { state.pointee.undelivered &+= payload }
        creditConnection(connection, state)
        if let half, used &- 9 &+ padding > 0 { creditStream(half) }
        if payload == 0 {
            if padding == 0 { finishDataFrame(connection, state, UnsafePointer(frame), 0) }
            if !state.pointee.dataEndsStream { chargeEmptyData(connection, state) }
        }
        return used
    }

    /// Takes what is there of the payload and the padding; returns the bytes used.
    @inline(__always)
    func receiveDataPayload(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>,
        _ bytes: UnsafeMutablePointer<UInt8>,
        _ count: Int
    ) -> Int {
        var used = min(count, state.pointee.dataRemaining)
        let payload = used
        state.pointee.dataRemaining &-= payload
        if state.pointee.dataRemaining == 0 {
            let padding = min(count &- used, state.pointee.dataPadding)
            state.pointee.dataPadding &-= padding
            used &+= padding
        }
        if state.pointee.dataRemaining == 0, state.pointee.dataPadding == 0 {
            finishDataFrame(connection, state, bytes, payload)
        } else if payload > 0, let half = state.pointee.dataStream {
            receivedBody(half, bytes, payload, false)
        }
        return used
    }

    @inline(__always)
    private func finishDataFrame(
        _ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>, _ bytes: UnsafePointer<UInt8>,
        _ payload: Int
    ) {
        state.pointee.inData = false
        let half = state.pointee.dataStream
        state.pointee.dataStream = nil
        if let half, payload > 0 || state.pointee.dataEndsStream {
            receivedBody(half, bytes, payload, state.pointee.dataEndsStream)
        }
    }

    @inline(__always)
    private func receivedBody(_ half: HalfPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int, _ end: Bool) {
        half.pointee.outstanding &+= count
        half.pointee.exchange.receivedBody(on: half, bytes, count, end: end)
    }

    private func chargeEmptyData(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>) {
        if let error = spend(connection, state, 1, .emptyData) { fail(connection, error) }
    }

    // MARK: - Credit

    /// The other side's kernel has taken `count` bytes of what `half` received.
    func delivered(_ half: HalfPointer, _ count: Int) {
        half.pointee.outstanding &-= count
        guard let connection = half.pointee.connection else { return }
        guard let state = connection.pointee.http2 else {
            // HTTP/1.1 has no windows: the socket was left unread, and is read on now.
            if half.pointee.outstanding < Half.lowWater { resumeReading(connection) }
            return
        }
        if state.pointee.isServer {
            state.pointee.undelivered &-= count
            creditConnection(connection, state)
        }
        creditStream(half)
    }

    @inline(__always)
    private func creditStream(_ half: HalfPointer) {
        guard let connection = half.pointee.connection, !half.pointee.endReceived else { return }
        var increment = half.pointee.windowSize &- half.pointee.outstanding &- half.pointee.receiveWindow
        if increment >= HTTP2State.leastCredit {
            if half.pointee.windowSize < HTTP2State.maxStreamWindow {
                half.pointee.credited &+= UInt32(truncatingIfNeeded: increment)
                if half.pointee.credited >= half.pointee.windowSize / 2 { increment &+= growWindow(connection, half) }
            }
            half.pointee.receiveWindow &+= increment
            writeWindowUpdate(connection, half.pointee.stream, increment)
        }
    }

    /// Half a window has been credited: doubles it where it is what holds the sender up, and the reader keeps up. It does where
    /// bytes come as fast as a window of this size lets them: nearly half of it, or more, in the time that credit takes to
    /// the sender and what it sends takes back. Returns by how much the window has grown.
    @inline(never)
    private func growWindow(_ connection: ConnectionPointer, _ half: HalfPointer) -> Int {
        guard let state = connection.pointee.http2 else { return 0 }
        let now = UInt32(truncatingIfNeeded: pointee.now / 1_000)
        let begin = UInt32(truncatingIfNeeded: half.pointee.exchange.pointee.startedAt / 1_000)
        let elapsed = Int(now &- (half.pointee.reviewedAt == 0 ? begin : half.pointee.reviewedAt))
        let credited = Int(half.pointee.credited)
        half.pointee.reviewedAt = now
        half.pointee.credited = 0
        if state.pointee.pingsUnanswered == 0,
            state.pointee.roundTrip == 0 || now &- state.pointee.pingedAt >= 1_000_000
        {
            ping(connection, state)
        }
        let size = half.pointee.windowSize
        let growth = min(size, HTTP2State.maxStreamWindow - size)
        // Before the first answer it may be so.
        let holdsUp =
            state.pointee.roundTrip == 0 || credited * Int(state.pointee.roundTrip) >= size * 3 / 8 * elapsed
        guard holdsUp, half.pointee.outstanding < size / 4, state.pointee.grownWindows < HTTP2State.growthBudget,
            mayGrow(half, by: growth)
        else { return 0 }
        state.pointee.grownWindows += Int32(growth)
        half.pointee.windowSize += growth
        return growth
    }

    /// A PING whose answer tells how far the peer is, and that it has all that went before.
    func ping(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>) {
        state.pointee.pingsUnanswered &+= 1
        state.pointee.pingedAt = UInt32(truncatingIfNeeded: pointee.now / 1_000)
        HTTP2State.ping.withUTF8Buffer { writePing(connection, $0.baseAddress.unsafelyUnwrapped, ack: false) }
    }

    /// The answer to a PING of ours.
    func receivedPingAnswer(_ state: UnsafeMutablePointer<HTTP2State>) {
        guard state.pointee.pingsUnanswered > 0 else { return }
        state.pointee.pingsUnanswered -= 1
        state.pointee.roundTrip = max(1, UInt32(truncatingIfNeeded: pointee.now / 1_000) &- state.pointee.pingedAt)
    }

    /// Downstream: what is not delivered stays debited, down to a floor that one stalled upload cannot take from others.
    @inline(__always)
    func creditConnection(_ connection: ConnectionPointer, _ state: UnsafeMutablePointer<HTTP2State>) {
        let size =
            state.pointee.isServer
            ? HTTP2State.downstreamConnectionWindow : HTTP2State.upstreamConnectionWindow
        let target = max(size &- state.pointee.undelivered, HTTP2State.downstreamWindowFloor)
        let increment = target &- state.pointee.receiveWindow
        let floorReached = state.pointee.receiveWindow < HTTP2State.downstreamWindowFloor / 2
        if increment >= size / 4 || (floorReached && increment > 0) {
            state.pointee.receiveWindow = target
            writeWindowUpdate(connection, 0, increment)
        }
    }
}

extension HTTP2State {
    /// What our PINGs carry; they are answered in order.
    fileprivate static let ping: StaticString = "causeway"
}
